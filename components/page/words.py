"""Numbers and names as a page shows them."""

from __future__ import annotations

import re

from components.common.names import plain


def percent(share: float | None) -> str:
    """0.9731 as "97.31%"; what could not be measured as "not measurable"."""
    return "not measurable" if share is None else f"{share * 100:.2f}%"


def number(value: float | None) -> str:
    """A distance with four decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.4f}"


def count(value: int) -> str:
    """1234567 as "1,234,567"."""
    return f"{value:,}"


def harmless(value: object) -> object:
    """A value for a page whose characters steer nothing there; what is HTML already stays so."""
    return value if hasattr(value, "__html__") else plain(value, keep="\n\r\t")


def markdown_text(text: object) -> str:
    """A name as Markdown shows it literally, on one line, HTML included."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~-])", r"\\\1", " ".join(str(text).split()))
