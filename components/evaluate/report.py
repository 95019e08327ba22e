"""The report for people, as one self-contained HTML page and as Markdown with the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.common.quantity import quantity
from components.evaluate.differentials import ratios_in_words
from components.evaluate.former import Comparison
from components.evaluate.identification import RULE
from components.evaluate.metrics import Curve
from components.evaluate.mistakes import Mistakes
from components.evaluate.numbers import SHOWN_RATE, rows
from components.evaluate.plots import det_plot, differential_plot, discard_plot, distance_plot, roc_plot
from components.evaluate.references import RULES
from components.page.templates import Card, fill_card
from components.page.words import number

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
        without_pictures: why there are no pictures; "" when there are.
    """
    galleries = [row for row in record["identification"]["galleries"] if row["rule"] == RULE]
    former = comparison.roc if comparison and comparison.roc else None  # old reports have none
    values = {
        **record,
        "mistakes": mistakes,
        "roc_svg": roc_plot(record["roc"], curve.different_pairs, former),
        "distance_svg": distance_plot(curve, record["threshold"]),
        "det_svg": det_plot(galleries) if galleries else "",
        "discard_svg": discard_plot(record["discard"]["points"]) if record["discard"]["points"] else "",
        "galleries": galleries,
        "shown_rate": SHOWN_RATE,
        "rules": _rules(record["identification"]["galleries"]),
        "comparison": comparison,
        "without_pictures": without_pictures,
        "rows": _ROWS,
        "numbers": rows(record),
        "summary": summary(record),
        "promise": promise(record),
        "differential_svgs": [
            differential_plot(number, column, record["differentials"]["everybody"], _ROWS)
            for number, column in enumerate(record["differentials"]["columns"], start=1)
        ],
        "ratios_in_words": ratios_in_words,
    }
    return fill_card(Path(__file__).parent, values, "report")


def _rules(galleries: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The largest gallery with several faces of each person, by the rule that makes one score of these."""
    largest = [row for row in galleries if row["people"] == galleries[-1]["people"] and row["enrolled_faces"] > 1]
    return {rule: [row for row in largest if row["rule"] == rule] for rule in RULES} if largest else {}


def promise(record: Mapping[str, Any]) -> str:
    """What the numbers promise and what they do not, in two sentences."""
    identities, (low, high) = record["protocol"]["identities"], record["auc_interval"] or (0.0, 0.0)
    people = quantity(identities, "person", "people")
    if low < high:
        certainty = (
            f"With {people} measured, the AUC on others like them may well lie anywhere between "
            f"{number(low)} and {number(high)} (95% of a bootstrap over people"
            f"{'; with so few people even that is optimistic' if identities < FEW_IDENTITIES else ''})."
        )
    else:
        certainty = f"The {people} measured cannot say how certain the numbers are: all draws of them are alike."
    return f"{certainty} About people, cameras, light or ages unlike those measured it says nothing."


def summary(record: Mapping[str, Any]) -> str:
    """Who was measured, and on how many pairs, in one sentence."""
    protocol = record["protocol"]
    whose = {
        None: f"the pairs file {protocol['pairs_file']}",
        "all": f"all splits, {protocol['splits'].get('train', 0):,} of them of the train split",
        "train": "the train split",
    }.get(protocol["split"], f"the {protocol['split']} split, kept out of training")
    scored, compared = (
        f"{protocol[kind]['same_pairs']:,} same and {protocol[kind]['different_pairs']:,} different pairs"
        for kind in ("scored", "compared")
    )
    pairs = scored if scored == compared else f"{scored} for the accuracy, {compared} for everything else"
    noun = "template" if protocol["kind"] == "templates" else "face"
    faces, people = quantity(protocol["faces"], noun), quantity(protocol["identities"], "person", "people")
    return f"{faces} of {people} of {whose}; {pairs}."
