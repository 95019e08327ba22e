"""The report's figures as inline SVG whose colours the page decides, so that they follow its light or dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from components.evaluate.metrics import Distances, Flags

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# matplotlib knows no CSS variables: these stand for them until the SVG is written.
_INK, _SAME, _DIFFERENT = "#010101", "#020202", "#030303"
_CSS = {_INK: "currentColor", _SAME: "var(--same)", _DIFFERENT: "var(--different)"}

_BINS = 50


@contextmanager
def _axes(name: str, drawn: list[str]) -> Iterator[Axes]:
    """Axes in the page's colours; their SVG is in `drawn` when the block ends."""
    style: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": name,  # the same bytes every time, and no id twice on a page
        "font.size": 11,
        **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(5, 3.6), layout="constrained", facecolor="none")
        axes = figure.add_subplot(facecolor="none")
        yield axes
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


def roc_plot(roc: Sequence[Sequence[float]], different_pairs: int) -> str:
    """VAL over FAR, FAR logarithmic from one false accept up.

    Args:
        roc: (FAR, VAL, threshold), ascending.
        different_pairs: how many there are: the smallest FAR above 0 is one of them.

    Returns:
        An `<svg>` element.
    """
    far, val, _ = np.array(roc).T
    lowest = 1 / max(different_pairs, 10)
    drawn: list[str] = []
    with _axes("ROC curve", drawn) as axes:
        # A curve that starts at FAR 0 starts at the left edge, with what it accepts before the first false accept.
        axes.plot(np.maximum(far, lowest), val, color=_SAME, linewidth=2, drawstyle="steps-post")
        chance = np.geomspace(lowest, 1, 100)
        axes.plot(chance, chance, color=_INK, linewidth=0.8, linestyle=":", label="chance")
        axes.set_xscale("log")
        axes.set_xlim(lowest, 1)
        axes.set_ylim(0, 1.01)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("false accept rate (FAR)")
        axes.set_ylabel("validation rate (VAL)")
        axes.legend(loc="best")
    return drawn[0]


def distance_plot(distances: Distances, same: Flags, threshold: float) -> str:
    """Histograms of same-identity and different-identity distances, each as shares of its own pairs.

    Args:
        distances: float64 [pairs], 0 to 2.
        same: bool [pairs].
        threshold: where the verdict changes.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with _axes("Histogram of distances", drawn) as axes:
        for kind, colour, label in ((same, _SAME, "same person"), (~same, _DIFFERENT, "different people")):
            counts, edges = np.histogram(distances[kind], bins=_BINS, range=(0, 2))
            shares = counts / counts.sum()
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(shares, edges, color=colour, linewidth=1.5, label=label)
        axes.axvline(threshold, color=_INK, linestyle="--", linewidth=1.2, label=f"threshold {threshold:.3f}")
        axes.set_xlim(0, 2)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("distance")
        axes.set_ylabel("share of pairs")
        # Above the data: inside, it would hide whichever histogram is there.
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1, handlelength=1.2, fontsize=9)
    return drawn[0]
