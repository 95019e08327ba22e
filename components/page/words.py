"""The form in which pages show numbers and names."""

from __future__ import annotations

import re

from components.common.names import plain


def percent(share: float | None) -> str:
    """0.9731 as "97.31%"; None, for what could not be measured, as "not measurable"."""
    return "not measurable" if share is None else f"{share * 100:.2f}%"


def number(value: float | None) -> str:
    """A number with four decimals; None as a dash."""
    return "-" if value is None else f"{value:.4f}"


def count(value: int) -> str:
    """1234567 as "1,234,567"."""
    return f"{value:,}"


def harmless(value: object) -> object:
    """A value whose characters cannot steer a page; HTML stays as it is."""
    return value if hasattr(value, "__html__") else plain(value, keep="\n\r\t")


def markdown_text(text: object) -> str:
    """A text that Markdown shows literally, on one line, with any HTML in it escaped."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~-])", r"\\\1", " ".join(str(text).split()))
