"""The arithmetic of a network's layers; its weights, its embeddings and their distances are float32 in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from components.common.cores import PROCESSOR, has_bfloat16

Precision = Literal["float32", "bfloat16", "float16"]
_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@contextmanager
def layers_in(precision: Precision) -> Iterator[None]:
    """Layers that are made within compute in this precision."""
    keras.config.set_dtype_policy(_POLICY[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def fastest(processor: Path = PROCESSOR) -> Precision:
    """bfloat16 where the processor is known to have instructions for it and there is no GPU, else float32."""
    return "bfloat16" if not tf.config.list_physical_devices("GPU") and has_bfloat16(processor) else "float32"


def remark(precision: Precision, processor: Path = PROCESSOR) -> str | None:
    """What there is to say before a network runs in this precision here; None when nothing is."""
    if precision != "bfloat16" or tf.config.list_physical_devices("GPU") or has_bfloat16(processor) is not False:
        return None
    return "This processor has no bfloat16 instructions: bfloat16 is emulated here, and float32 is faster."
