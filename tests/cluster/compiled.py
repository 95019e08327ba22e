"""The text of a compiled pipeline, taken apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml


@lru_cache
def documents(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pipeline, and its settings for Kubernetes. For reading: whoever asks for the same text gets the same."""
    pipeline, *platforms = yaml.safe_load_all(text)
    return pipeline, platforms[0]["platforms"]["kubernetes"] if platforms else {}
