"""The network, its backbones and its checkpoint."""

import os

# Before TensorFlow is imported: what it says of the processor is no news to the reader of a log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# And before Keras is: what its user's other work wants (~/.keras/keras.json, KERAS_BACKEND) would make other networks.
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}

# Images that are embedded at a time.
BATCH_SIZE = 128
