"""The network, its backbones and its checkpoint."""

import os

# What there is where NVIDIA's driver is, in a container and under Windows too.
_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")
# Before TensorFlow is imported: what it says of the processor is no news to the reader of a log, and that a machine
# without that driver has no CUDA is no error. With "3" its other errors are not logged either: those that matter are
# raised, and fatal ones are still said.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if any(map(os.path.exists, _DRIVERS)) else "3")
# And before Keras is: what its user's other work wants (~/.keras/keras.json, KERAS_BACKEND) would make other networks.
os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}

# Images that are embedded at a time.
BATCH_SIZE = 128
