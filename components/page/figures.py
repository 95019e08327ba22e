"""Figures as inline SVG whose colours the page decides, so that they follow its light or dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# matplotlib knows no CSS variables: these stand for them until the SVG is written.
INK, SAME, DIFFERENT = "#010101", "#020202", "#030303"
_CSS = {INK: "currentColor", SAME: "var(--same)", DIFFERENT: "var(--different)"}


@contextmanager
def axes(name: str, drawn: list[str], size: tuple[float, float] = (5, 3.6)) -> Iterator[Axes]:
    """Axes in the page's colours; their SVG is in `drawn` when the block ends."""
    style: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": name,  # the same bytes every time, and no id twice on a page
        "font.size": 11,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        yield figure.add_subplot(facecolor="none")
        drawn.append(_svg(figure, name))


def _svg(figure: Figure, name: str) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, css in _CSS.items():
        svg = svg.replace(colour, css)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{name}">', svg, count=1)
