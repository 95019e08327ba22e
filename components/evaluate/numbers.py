"""The numbers that reports and runs are compared by. A new one is an entry here.

The report, its card, Kubeflow's metrics, the model card, `facenet runs`, `facenet ui` and comparisons show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.common import records
from components.common.quantity import quantity
from components.page.words import number, percent

Record = Mapping[str, Any]
# Of the FARs and FPIRs that something is measured at, the one that is shown where there is room for one.
SHOWN_RATE = 0.01


@dataclass(frozen=True)
class Number:
    """A number of a report.

    Args:
        key: its name among the metrics of a task.
        label: its name for people.
        of: finds it in the record of `metrics.json`; None where it could not be measured, or an old report lacks it.
        detail: what else the record has to say of it.
        is_share: whether it is a share, shown in percent, or else a plain number.
        more_is_better: which of two is better.
    """

    key: str
    label: str
    of: Callable[[Record], float | None]
    detail: Callable[[Record], str]
    is_share: bool = True
    more_is_better: bool = True

    def as_text(self, value: float | None) -> str:
        """A value in the form in which people read it."""
        return percent(value) if self.is_share else number(value)


def _at(*keys: str) -> Callable[[Record], float | None]:
    def find(record: Record) -> float | None:
        value: Any = record
        for key in keys:
            value = value.get(key, {})
        return None if value == {} else records.number(value)

    return find


def _val(record: Record) -> float | None:
    rows = [row["val"] for row in record.get("val_at_far", []) if row["far"] == SHOWN_RATE]
    return None if not rows or rows[0] is None else records.number(rows[0])


def _fnir(record: Record) -> float | None:
    """Of the largest gallery with one face of each person: what several faces gain depends on a rule."""
    gallery = _gallery(record)
    rates = [at["fnir"] for at in gallery["fnir_at_fpir"] if at["fpir"] == SHOWN_RATE] if gallery else []
    return None if not rates or rates[0] is None else records.number(rates[0])


def _gallery(record: Record) -> Record | None:
    rows = [row for row in record.get("identification", {}).get("galleries", []) if row["enrolled_faces"] == 1]
    return rows[-1] if rows else None


def _whose(record: Record) -> str:
    gallery = _gallery(record)
    if gallery is None:
        return "too few people for a gallery and strangers"
    if _fnir(record) is None:
        return f"{quantity(gallery['stranger_faces'], 'face')} of strangers are too few"
    return f"of {gallery['people']:,} people in a gallery not named, where that share of strangers is"


def _error(record: Record) -> str:
    accuracy = record["accuracy"]
    error = accuracy.get("standard_error_over_people")  # older reports have none
    if error is None:
        return f"± {percent(accuracy['standard_error'])} standard error over {len(accuracy['folds'])} folds"
    return f"± {percent(error)} standard error over people"


def _range(record: Record) -> str:
    interval = record["auc_interval"]
    limits = f"; 95% range {number(interval[0])} to {number(interval[1])}" if interval else ""
    return f"area under the ROC curve{limits}"


NUMBERS = (
    Number("accuracy", "Accuracy", _at("accuracy", "mean"), _error),
    Number("auc", "AUC", _at("auc"), _range, is_share=False),
    Number("eer", "EER", _at("eer", "value"), lambda _: "as many false accepts as false rejects", more_is_better=False),
    Number(
        f"val_at_far_{SHOWN_RATE:g}",
        f"VAL at FAR {SHOWN_RATE:g}",
        _val,
        lambda _: "of the pairs of one person accepted, at that rate of false accepts",
    ),
    Number(f"fnir_at_fpir_{SHOWN_RATE:g}", f"FNIR at FPIR {SHOWN_RATE:g}", _fnir, _whose, more_is_better=False),
)


def rows(record: Record) -> list[tuple[str, str, str]]:
    """The numbers of a report as people read them: label, value, and what else there is to say."""
    shown = [(one.label, one.as_text(one.of(record)), one.detail(record)) for one in NUMBERS]
    if missing := record["missing"]["pairs"]:
        wrong = percent(record["accuracy"]["mean_missing_wrong"])
        pairs = quantity(missing, "pair")
        shown.insert(1, ("Missing as wrong", wrong, f"accuracy with {pairs} that lack a face counted as wrong"))
    return shown
