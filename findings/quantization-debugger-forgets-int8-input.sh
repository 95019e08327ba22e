#!/usr/bin/env bash
# tensorflow 2.21.0, keras 3.15.1: tf.lite.experimental.QuantizationDebugger, the way to keep single operations in float.
# Expected: the model that it returns has the input and output of int8 that its converter was told to make, whatever is
#           on the list of operations to leave out; with an operation on it that the network does not have, the very
#           file that the converter makes.
# Seen:     input and output are float32, without a word, even when the list names nothing that is there.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON' | grep '^>'
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)
images = np.random.default_rng(0).uniform(-1, 1, (20, 1, 16, 16, 3)).astype(np.float32)
entry = keras.Input((16, 16, 3), batch_size=1)
model = keras.Model(entry, keras.layers.PReLU(shared_axes=[1, 2])(keras.layers.Conv2D(4, 3)(entry)))
debugging = tf.lite.experimental


def told():
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter


def without(operation):
    converter = told()
    options = debugging.QuantizationDebugOptions(denylisted_ops=[operation])
    return debugging.QuantizationDebugger(
        converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
    ).get_nondebug_quantized_model()


def ends(content):
    interpreter = tf.lite.Interpreter(model_content=content)
    return tuple(end[0]["dtype"].__name__ for end in (interpreter.get_input_details(), interpreter.get_output_details()))


seen = {"converter": ends(told().convert()), "without PRELU": ends(without("PRELU")), "without TANH": ends(without("TANH"))}
for name, types in seen.items():
    print(f"> {name}: input {types[0]}, output {types[1]}")
assert seen["converter"] == ("int8", "int8"), seen
assert seen["without PRELU"] == seen["without TANH"] == ("float32", "float32"), seen
print("> as it was seen")
PYTHON
