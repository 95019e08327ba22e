#!/usr/bin/env bash
# tensorflow 2.21.0, keras 3.15.1, ai-edge-litert 2.3.0: PReLU in a fully quantised network.
# Expected: XNNPACK runs the int8 file in one piece, as it does the float32 file of the same network, and as it does
#           with ReLU in place of PReLU.
# Seen:     one piece for each convolution, because it takes no int8 PRELU; every PReLU runs outside of it. int8, which is
#           chosen for speed, can be the slower file.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON' | grep '^>'
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

DEPTH = 6
keras.utils.set_random_seed(0)
images = np.random.default_rng(0).uniform(-1, 1, (20, 1, 32, 32, 3)).astype(np.float32)


def network(activation):
    x = entry = keras.Input((32, 32, 3), batch_size=1)
    for _ in range(DEPTH):
        x = activation()(keras.layers.Conv2D(16, 3, padding="same")(x))
    return keras.Model(entry, x)


def pieces(model, quantised):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    interpreter.allocate_tensors()
    return [one["op_name"] for one in interpreter._get_ops_details()].count("DELEGATE")


seen = {}
for name, activation in {"ReLU": keras.layers.ReLU, "PReLU": lambda: keras.layers.PReLU(shared_axes=[1, 2])}.items():
    model = network(activation)
    seen[name] = pieces(model, quantised=False), pieces(model, quantised=True)
    print(f"> {name}: {seen[name][0]} piece in float32, {seen[name][1]} in int8, of {DEPTH} convolutions")
assert seen == {"ReLU": (1, 1), "PReLU": (1, DEPTH)}, seen
print("> as it was seen")
PYTHON
