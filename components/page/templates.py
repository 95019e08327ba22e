"""Fills the templates of a stage: HTML pages in the common frame, and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from components.common.atomic import write_file
from components.page.words import count, harmless, markdown_text, number, percent

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What a stage shows of its work.

    Args:
        html: one self-contained page.
        markdown: a summary with the same numbers.
    """

    html: str
    markdown: str

    def write(self, html: Path | None, markdown: Path | None) -> None:
        """Writes each of the two to its path; None writes nothing."""
        for path, content in ((html, self.html), (markdown, self.markdown)):
            if path is not None:
                write_file(path, content)


def fill_card(folder: Path, values: Mapping[str, Any], name: str = "card") -> Card:
    """Fills two templates of a stage, such as `card.html` and `card.md`.

    Args:
        folder: where the templates lie; HTML that extends `frame.html` or imports `parts.html` finds those here.
        values: the values by the names that the templates use; a missing one is an error.
        name: the name of both templates, without its ending.
    """
    return Card(fill_template(folder, f"{name}.html", values), fill_template(folder, f"{name}.md", values))


def fill_template(folder: Path, name: str, values: Mapping[str, Any]) -> str:
    """Fills one template; in templates that end in .html, values are escaped."""
    template = _environment(folder).get_template(name)
    return template.render(values, style=(_HERE / "style.css").read_text())


@cache
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "number": number, "count": count, "markdown_text": markdown_text}
    return environment
