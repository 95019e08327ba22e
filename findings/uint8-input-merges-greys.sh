#!/usr/bin/env bash
# tensorflow 2.21.0, keras 3.15.1: a network of images in [-1, 1], (pixel - 127.5) / 127.5, converted with a uint8 input,
# calibrated on pictures with all 256 levels of grey.
# Expected: 256 levels go in and 256 come out: the input has just as many values as a pixel.
# Seen:     the scale is 2/255 and the zero point a whole number, so every level lies half-way between two values, and
#           rounding to even, as numpy and the interpreter's own kernels do, sends neighbours to one: about half are left.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON' | grep '^>'
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)
greys = np.arange(256, dtype=np.float32)
inputs = (greys - 127.5) / 127.5
entry = keras.Input((16, 16, 3), batch_size=1)
model = keras.Model(entry, keras.layers.Conv2D(4, 3)(entry))
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([np.resize(inputs, (1, 16, 16, 3))] for _ in range(8))
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = tf.uint8
(end,) = tf.lite.Interpreter(model_content=converter.convert()).get_input_details()
scale, zero = end["quantization"]
values = np.clip(np.round(inputs / scale + zero), 0, 255)
print(f"> scale {scale:.6f} (2/255 is {2 / 255:.6f}), zero point {zero}: {len(np.unique(values))} of 256 levels are left")
assert abs(scale - 2 / 255) < 1e-6 and zero in (127, 128), (scale, zero)
assert 120 <= len(np.unique(values)) <= 200, len(np.unique(values))
print("> as it was seen")
PYTHON
