"""The numbers that reports and runs are compared by. A new one is an entry here.

The report, its card, Kubeflow's metrics, the model card, `facenet runs`, `facenet ui` and comparisons show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.common import records
from components.common.quantity import quantity
from components.page.words import number, percent

Record = Mapping[str, Any]
# Of the FARs and FPIRs that something is measured at, the one that is shown where there is room for one.
SHOWN_RATE = 0.01
# Standard errors on either side of a mean in which 95 % of a normal distribution lie.
_NORMAL = 1.96


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
        interval: its 95 % interval by the record; None where that has none.
    """

    key: str
    label: str
    of: Callable[[Record], float | None]
    detail: Callable[[Record], str]
    is_share: bool = True
    more_is_better: bool = True
    interval: Callable[[Record], Sequence[float] | None] = lambda _: None

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


def _at_rate(rows: Sequence[Record], rate: str, key: str) -> Any:
    """What a row says of the rate that is shown; None where no row does."""
    return next((row[key] for row in rows if row[rate] == SHOWN_RATE), None)


def _val(record: Record) -> float | None:
    val = _at_rate(record.get("val_at_far", []), "far", "val")
    return None if val is None else records.number(val)


def _fnir(record: Record) -> float | None:
    """Of the largest gallery with one face of each person: what several faces gain depends on a rule."""
    fnir = _of_gallery(record, "fnir")
    return None if fnir is None else records.number(fnir)


def _of_gallery(record: Record, key: str) -> Any:
    gallery = _gallery(record)
    return _at_rate(gallery["fnir_at_fpir"], "fpir", key) if gallery else None


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


def _around_accuracy(record: Record) -> Sequence[float] | None:
    accuracy = record["accuracy"]
    error = accuracy.get("standard_error_over_people")  # older reports have none
    if accuracy["mean"] is None or error is None:
        return None
    return max(0.0, accuracy["mean"] - _NORMAL * error), min(1.0, accuracy["mean"] + _NORMAL * error)


def _range(record: Record) -> str:
    interval = record["auc_interval"]
    limits = f"; 95% range {number(interval[0])} to {number(interval[1])}" if interval else ""
    return f"area under the ROC curve{limits}"


NUMBERS = (
    Number("accuracy", "Accuracy", _at("accuracy", "mean"), _error, interval=_around_accuracy),
    Number("auc", "AUC", _at("auc"), _range, is_share=False, interval=lambda record: record["auc_interval"]),
    Number("eer", "EER", _at("eer", "value"), lambda _: "as many false accepts as false rejects", more_is_better=False),
    Number(
        f"val_at_far_{SHOWN_RATE:g}",
        f"VAL at FAR {SHOWN_RATE:g}",
        _val,
        lambda _: "of the pairs of one person accepted, at that rate of false accepts",
        interval=lambda record: _at_rate(record.get("val_at_far", []), "far", "val_interval"),
    ),
    Number(
        f"fnir_at_fpir_{SHOWN_RATE:g}",
        f"FNIR at FPIR {SHOWN_RATE:g}",
        _fnir,
        _whose,
        more_is_better=False,
        interval=lambda record: _of_gallery(record, "fnir_interval"),
    ),
)


def rows(record: Record) -> list[tuple[str, str, str]]:
    """The numbers of a report as people read them: label, value, and what else there is to say."""
    shown = [(one.label, one.as_text(one.of(record)), one.detail(record)) for one in NUMBERS]
    if missing := record["missing"]["pairs"]:
        wrong = percent(record["accuracy"]["mean_missing_wrong"])
        pairs = quantity(missing, "pair")
        shown.insert(1, ("Missing as wrong", wrong, f"accuracy with {pairs} that lack a face counted as wrong"))
    return shown
