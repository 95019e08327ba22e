"""Fills the templates of a stage: HTML pages within the common frame, and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from components.page.words import markdown_text, number, percent

_HERE = Path(__file__).parent


def filled(folder: Path, name: str, values: Mapping[str, Any]) -> str:
    """A template with its values; names are escaped in what ends in .html.

    Args:
        folder: where the template lies; one that extends `frame.html` finds it here.
        name: of the template.
        values: by the names that the template uses; one that is missing is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "number": number, "markdown_text": markdown_text}
    return environment.get_template(name).render(values, style=(_HERE / "style.css").read_text())
