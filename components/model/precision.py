"""The arithmetic of a network's layers; its weights, its embeddings and their distances are float32 in any case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

Precision = Literal["float32", "bfloat16", "float16"]
_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
# As Linux calls what a processor can do, on x86 and on ARM.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}


@contextmanager
def layers_in(precision: Precision) -> Iterator[None]:
    """Layers that are made within compute in this precision."""
    keras.config.set_dtype_policy(_POLICY[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def remark(precision: Precision, processor: Path = Path("/proc/cpuinfo")) -> str | None:
    """What there is to say before a network runs in this precision here; None when nothing is.

    Args:
        precision: of its layers.
        processor: Linux's description of it; where there is none, nothing is known.
    """
    if precision != "bfloat16" or tf.config.list_physical_devices("GPU") or not processor.is_file():
        return None
    described = re.search(r"^(?:flags|Features)\s*:(.*)", processor.read_text(), re.MULTILINE)
    if described is None or _INSTRUCTIONS & set(described[1].split()):
        return None
    return "This processor has no bfloat16 instructions: bfloat16 is emulated here, and float32 is faster."
