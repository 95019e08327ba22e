"""The report's figures; see `components.page.figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from components.common.names import plain
from components.evaluate.metrics import Curve
from components.page.figures import DIFFERENT, INK, SAME, axes, det_curves, roc_curves

_BINS = 50
_LINES = ("-", "--", "-.", ":")
_LABEL = 28  # letters of a slice's name


def roc_plot(
    roc: Sequence[Sequence[float]], different_pairs: int, former: Sequence[Sequence[float]] | None = None
) -> str:
    """VAL over FAR, FAR logarithmic from one false accept up.

    Args:
        roc: (FAR, VAL, threshold), ascending.
        different_pairs: their number; the smallest FAR above 0 is one of them.
        former: the curve of a former report, in the same form.

    Returns:
        An `<svg>` element.
    """
    reports = ((former, DIFFERENT, "former report"), (roc, SAME, "this report"))
    curves = [
        (label, [(far, val) for far, val, _ in points], colour, "-")
        for points, colour, label in reports
        if points is not None
    ]
    return roc_curves("ROC curve", curves, lowest=1 / max(different_pairs, 10))


def distance_plot(curve: Curve, threshold: float) -> str:
    """Histograms of same-identity and different-identity distances, each as shares of its own pairs.

    Args:
        curve: of the pairs.
        threshold: where the verdict changes.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with axes("Histogram of distances", drawn) as plot:
        for accepted, colour, label in (
            (curve.accepted_same, SAME, "same person"),
            (curve.accepted_different, DIFFERENT, "different people"),
        ):
            counts, edges = np.histogram(curve.thresholds[1:], bins=_BINS, range=(0, 2), weights=np.diff(accepted))
            shares = counts / counts.sum()
            plot.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
            plot.stairs(shares, edges, color=colour, linewidth=1.5, label=label)
        plot.axvline(threshold, color=INK, linestyle="--", linewidth=1.2, label=f"threshold {threshold:.3f}")
        plot.set_xlim(0, 2)
        plot.yaxis.set_major_formatter(PercentFormatter(1))
        plot.set_xlabel("distance")
        plot.set_ylabel("share of pairs")
        # Above the data: inside, it would hide whichever histogram is there.
        plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1, handlelength=1.2, fontsize=9)
    return drawn[0]


def discard_plot(points: Sequence[Mapping[str, Any]]) -> str:
    """FNMR and FNIR over the share of faces that are left out, the worst first.

    Args:
        points: as in `metrics.json`; a rate that is None is not drawn.

    Returns:
        An `<svg>` element.
    """
    drawn: list[str] = []
    with axes("Error versus discard", drawn) as plot:
        for key, colour, label in (
            ("fnmr", SAME, "pairs of one person rejected (FNMR)"),
            ("fnir", DIFFERENT, "the enrolled not named (FNIR at FPIR 0.01)"),
        ):
            known = [(row["discarded"], row[key]) for row in points if row[key] is not None]
            if known:
                plot.plot(*zip(*known, strict=True), color=colour, linewidth=2, marker=".", label=label)
        plot.set_ylim(bottom=0)
        plot.xaxis.set_major_formatter(PercentFormatter(1))
        plot.yaxis.set_major_formatter(PercentFormatter(1))
        plot.set_xlabel("share of faces left out, the worst first")
        plot.set_ylabel("share of errors")
        plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=9)
    return drawn[0]


def det_plot(galleries: Sequence[Mapping[str, Any]]) -> str:
    """DET curves, FNIR over FPIR, both logarithmic: a line for each size of a gallery, a colour for faces enrolled.

    Args:
        galleries: as in `metrics.json`, of one rule; those with the fewest and with the most enrolled faces are drawn.

    Returns:
        An `<svg>` element.
    """
    sizes = sorted({row["people"] for row in galleries})
    most = max(row["enrolled_faces"] for row in galleries)
    curves = [
        (
            f"{row['people']:,} people, {'1 face' if row['enrolled_faces'] == 1 else f'{most} faces'} each",
            [(fpir, fnir) for fpir, fnir, _ in row["det"]],
            DIFFERENT if row["enrolled_faces"] == 1 else SAME,
            _LINES[sizes.index(row["people"])],
        )
        for row in galleries
        if row["enrolled_faces"] in (1, most)
    ]
    # No higher than the smallest rates that can be counted.
    least_fpir = 1 / max(row["stranger_faces"] for row in galleries)
    least_fnir = 0.5 / max(row["mated_searches"] for row in galleries)
    return det_curves("DET curve", curves, (least_fpir, least_fnir))


def differential_plot(number: int, column: Mapping[str, Any], everybody: Mapping[str, Any], most: int) -> str:
    """Error rates of slices with their ranges, a line for each slice; and of everybody, across the lines.

    Args:
        number: tells the figure apart from others on the page.
        column: as in `metrics.json`.
        everybody: likewise.
        most: slices that are shown.

    Returns:
        An `<svg>` element.
    """
    rows = [(row["slice"], row) for row in column["slices"][:most]]
    if any(rate["pairs"] for rate in column["across"].values()):
        rows.append(("across slices", column["across"]))
    # A rate of 0 is drawn at the edge, which is below all others.
    rates = [rate for _, row in rows for rate in (row["fmr"], row["fnmr"])]
    seen = [value for rate in rates for value in (rate["rate"], *(rate["interval"] or ())) if value]
    least = 10.0 ** np.floor(np.log10(min(seen, default=0.1)))
    drawn: list[str] = []
    with axes(f"Error rates of slices, column {number}", drawn, (5, 1.4 + 0.42 * len(rows))) as plot:
        for kind, colour, label, offset in (
            ("fmr", DIFFERENT, "different people accepted (FMR)", -0.14),
            ("fnmr", SAME, "same person rejected (FNMR)", 0.14),
        ):
            if overall := everybody[kind]["rate"]:
                plot.axvline(overall, color=colour, linestyle=":", linewidth=1.2)
            for place, (_, row) in enumerate(rows):
                rate = row[kind]
                if rate["pairs"]:
                    at, fill = max(rate["rate"], least), colour if rate["errors"] else "none"
                    plot.plot(at, place + offset, "o", color=colour, markerfacecolor=fill, clip_on=False)
                if rate["interval"]:
                    ends = np.maximum(rate["interval"], least)
                    plot.plot(ends, [place + offset] * 2, color=colour, linewidth=2, solid_capstyle="butt")
            plot.plot([], [], "o-", color=colour, label=label)
        plot.set_xscale("log")
        plot.set_xlim(least, 1)
        plot.set_ylim(len(rows) - 0.5, -0.5)
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
        plot.xaxis.set_minor_formatter(NullFormatter())
        plot.set_yticks(range(len(rows)), [plain(name)[:_LABEL] for name, _ in rows], parse_math=False)
        plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, columnspacing=1, handlelength=1, fontsize=9)
    return drawn[0]
