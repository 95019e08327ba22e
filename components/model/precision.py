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
_PROCESSOR = Path("/proc/cpuinfo")


@contextmanager
def layers_in(precision: Precision) -> Iterator[None]:
    """Layers that are made within compute in this precision."""
    keras.config.set_dtype_policy(_POLICY[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def fastest(processor: Path = _PROCESSOR) -> Precision:
    """bfloat16 where the processor is known to have instructions for it and there is no GPU, else float32."""
    return "bfloat16" if not tf.config.list_physical_devices("GPU") and _has_bfloat16(processor) else "float32"


def remark(precision: Precision, processor: Path = _PROCESSOR) -> str | None:
    """What there is to say before a network runs in this precision here; None when nothing is."""
    if precision != "bfloat16" or tf.config.list_physical_devices("GPU") or _has_bfloat16(processor) is not False:
        return None
    return "This processor has no bfloat16 instructions: bfloat16 is emulated here, and float32 is faster."


def _has_bfloat16(processor: Path) -> bool | None:
    """Whether it has instructions for bfloat16, by Linux's description of it; None where that does not say."""
    described = processor.is_file() and re.search(r"^(?:flags|Features)\s*:(.*)", processor.read_text(), re.MULTILINE)
    return bool(_INSTRUCTIONS & set(described[1].split())) if described else None
