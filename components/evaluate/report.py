"""The report for people, as one self-contained HTML page and as Markdown with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.evaluate.former import Comparison
from components.evaluate.metrics import Curve
from components.evaluate.mistakes import Mistakes
from components.evaluate.plots import distance_plot, roc_plot
from components.page.templates import Card, card
from components.page.words import percent

# Fewer people than this, and a handful of them decides the numbers.
FEW_IDENTITIES = 100
# Rows of a table: a pairs file may have thousands of folds, or of slices.
_ROWS = 30


def render(
    record: Mapping[str, Any],
    mistakes: Mistakes,
    *,
    curve: Curve,
    comparison: Comparison | None = None,
    without_pictures: str = "",
) -> Card:
    """Fills the templates `report.html` and `report.md` of this folder.

    Args:
        record: what `metrics.json` holds.
        mistakes: the worst mistakes.
        curve: of the compared pairs.
        comparison: with a former report.
        without_pictures: why there are none; "" when there are.
    """
    former = comparison.roc if comparison and comparison.roc else None  # old reports have none
    values = {
        **record,
        "mistakes": mistakes,
        "roc_svg": roc_plot(record["roc"], curve.different_pairs, former),
        "distance_svg": distance_plot(curve, record["threshold"]),
        "comparison": comparison,
        "without_pictures": without_pictures,
        "rows": _ROWS,
        "summary": summary(record),
        "promise": promise(record),
    }
    return card(Path(__file__).parent, values, "report")


def promise(record: Mapping[str, Any]) -> str:
    """What the accuracy can and cannot promise, in two sentences."""
    accuracy, identities = record["accuracy"], record["protocol"]["identities"]
    margin = 2 * accuracy["standard_error"]
    low, high = max(0.0, accuracy["mean"] - margin), min(1.0, accuracy["mean"] + margin)
    if margin:
        certainty = (
            f"With {identities:,} people measured, the accuracy on others like them may well lie anywhere between "
            f"{percent(low)} and {percent(high)} (mean ± 2 standard errors over the folds"
            f"{'; with so few people even that is optimistic' if identities < FEW_IDENTITIES else ''})."
        )
    else:
        certainty = f"All folds came out alike, so that they cannot say how certain it is with {identities:,} people."
    return f"{certainty} About people, cameras, light or ages unlike those measured it says nothing."


def summary(record: Mapping[str, Any]) -> str:
    """Who was measured, and on how many pairs, in a sentence."""
    protocol = record["protocol"]
    whose = {
        None: f"the pairs file {protocol['pairs_file']}",
        "all": "all splits, the people that the network was trained on among them",
        "train": "the train split, which the network was trained on",
    }.get(protocol["split"], f"the {protocol['split']} split, whom the network never saw in training")
    scored, compared = (
        f"{protocol[kind]['same_pairs']:,} same and {protocol[kind]['different_pairs']:,} different pairs"
        for kind in ("scored", "compared")
    )
    pairs = scored if scored == compared else f"{scored} for the accuracy, {compared} for everything else"
    return f"{protocol['faces']:,} faces of {protocol['identities']:,} people of {whose}; {pairs}."
