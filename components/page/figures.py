"""Figures as inline SVG whose colours come from the page, so that they follow its light or dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Points = Sequence[tuple[float, float]]
Ends = tuple[float, float]

# matplotlib knows no CSS variables: these stand for them until the SVG is written.
INK, SAME, DIFFERENT = "#010101", "#020202", "#030303"
_CSS = {INK: "currentColor", SAME: "var(--same)", DIFFERENT: "var(--different)"}


@contextmanager
def axes(name: str, drawn: list[str], size: tuple[float, float] = (5, 3.6)) -> Iterator[Axes]:
    """Axes in the page's colours, for drawing inside the block; at its end their SVG is appended to `drawn`."""
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


def plain_numbers(axis: Axis) -> None:
    """Writes 0.001 and 200 at the ticks of a logarithmic axis: easy to read, and no font for formulas is needed."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def roc_curves(name: str, curves: Sequence[tuple[str, Points, str, str]], lowest: float, *, legend: bool = True) -> str:
    """VAL over FAR, FAR logarithmic.

    Args:
        name: the figure's name.
        curves: for each its label, its points (FAR, VAL) by ascending FAR, its colour and its line style.
        lowest: the FAR at the left edge, above 0.
        legend: whether it says which curve is which.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with axes(name, drawn) as plot:
        for label, points, colour, line in curves:
            far, val = np.array(points).T
            # A curve that starts at FAR 0 starts at the left edge, with what it accepts before the first false accept.
            far = np.maximum(far, lowest)
            plot.plot(far, val, color=colour, linewidth=2, linestyle=line, drawstyle="steps-post", label=label)
        chance = np.geomspace(lowest, 1, 100)
        plot.plot(chance, chance, color=INK, linewidth=0.8, linestyle=":", label="chance")
        plot.set_xscale("log")
        plain_numbers(plot.xaxis)
        plot.set_xlim(lowest, 1)
        plot.set_ylim(0, 1.01)
        plot.yaxis.set_major_formatter(PercentFormatter(1))
        plot.set_xlabel("false accept rate (FAR)")
        plot.set_ylabel("validation rate (VAL)")
        if legend:
            plot.legend(loc="best")
    return drawn[0]


def det_curves(
    name: str, curves: Sequence[tuple[str, Points, str, str]], lowest: tuple[float, float], *, legend: bool = True
) -> str:
    """FNIR over FPIR, both logarithmic.

    Args:
        name: the figure's name.
        curves: for each its label, its points (FPIR, FNIR) by ascending FPIR, its colour and its line style.
        lowest: the FPIR and the FNIR at the edges, above 0. A rate of 0 is drawn there.
        legend: whether it says above the curves which is which.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with axes(name, drawn, (5, 4.2)) as plot:
        for label, points, colour, line in curves:
            rates = np.maximum(np.array(points), lowest)
            plot.plot(*rates.T, color=colour, linestyle=line, drawstyle="steps-post", label=label)
        plot.set_xscale("log")
        plot.set_yscale("log")
        plot.set_xlim(lowest[0], 1)
        plot.set_ylim(lowest[1], 1)
        plain_numbers(plot.xaxis)
        plain_numbers(plot.yaxis)
        plot.set_xlabel("share of strangers who get a name (FPIR)")
        plot.set_ylabel("share of the enrolled not named (FNIR)")
        if legend:
            plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, columnspacing=1, fontsize=9)
    return drawn[0]


def intervals(name: str, rows: Sequence[tuple[str, tuple[float, Ends | None], str, str]]) -> str:
    """Numbers below each other, each a point on a line from end to end of its interval.

    Args:
        name: the figure's name, and what the numbers are.
        rows: for each its label, its value with its interval, its colour and its line style; the first on top.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with axes(name, drawn, (5, 0.9 + 0.3 * len(rows))) as plot:
        for place, (_, (value, ends), colour, line) in enumerate(rows):
            if ends:
                plot.plot(ends, (place, place), color=colour, linestyle=line, linewidth=1.75)
            plot.plot(value, place, "o", color=colour, markersize=7)
        plot.set_yticks(range(len(rows)), [label for label, *_ in rows], fontsize=9)
        plot.set_ylim(len(rows) - 0.5, -0.5)
        plot.margins(x=0.08)
        plot.grid(axis="x", linewidth=0.4, alpha=0.4, color=INK)
        plot.xaxis.set_major_locator(MaxNLocator(5))
        plot.set_title(name, fontsize=11)
    return drawn[0]


def histogram(name: str, values: npt.NDArray[Any], label: str, *, bins: int = 40, logarithmic: bool = False) -> str:
    """A histogram of numbers, as shares of all of them.

    Args:
        name: the figure's name.
        values: numeric [n], at least one; positive for a logarithmic axis.
        label: the label of the axis that they lie on.
        bins: the number of bins, of equal width on that axis; a few whole numbers get one bin each.
        logarithmic: whether the axis may be logarithmic; it is, when the numbers differ tenfold or more.

    Returns:
        An `<svg>` element.
    """
    logarithmic = logarithmic and values.max() >= 10 * values.min()
    edges = _edges(values, bins, logarithmic=logarithmic)
    drawn: list[str] = []
    with axes(name, drawn, (5, 2.8)) as plot:
        counts, _ = np.histogram(values, edges)
        plot.stairs(counts / len(values), edges, fill=True, color=SAME, alpha=0.35)
        plot.stairs(counts / len(values), edges, color=SAME, linewidth=1.5)
        if logarithmic:
            plot.set_xscale("log")
            plot.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            plain_numbers(plot.xaxis)
        elif values.dtype.kind == "i":
            plot.xaxis.set_major_locator(MaxNLocator(integer=True))
        plot.yaxis.set_major_formatter(PercentFormatter(1))
        plot.set_xlabel(label)
        plot.set_title(name, fontsize=11)
    return drawn[0]


def _edges(values: npt.NDArray[Any], bins: int, *, logarithmic: bool) -> npt.NDArray[np.float64]:
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        edges = np.geomspace(low, high, bins + 1)
        edges[[0, -1]] = low, high  # geomspace rounds
        return edges
    if values.dtype.kind == "i" and high - low < bins:
        return np.arange(low - 0.5, high + 1)  # whole numbers, a bin for each
    return np.linspace(low, high, bins + 1) if low < high else np.array([low - 0.5, low + 0.5])


def _svg(figure: Figure, name: str) -> str:
    written = io.StringIO()
    # `savefig` draws twice, to find out a size that is known here.
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(written, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, css in _CSS.items():
        svg = svg.replace(colour, css)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{name}">', svg, count=1)
