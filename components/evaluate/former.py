"""A former report to compare with: what it measured, and the numbers of both side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.errors import MALFORMED, UsageError
from components.common.records import METRICS, number, read_metrics
from components.evaluate.numbers import NUMBERS, SHOWN_RATE


@dataclass(frozen=True)
class Change:
    """A number of both reports.

    Args:
        what: its name.
        former: as it was; None where it could not be measured.
        now: as it is now; None likewise.
        is_share: whether it is a share of something, or else a plain number.
        more_is_better: whether it should grow; None for a number that is neither good nor bad.
    """

    what: str
    former: float | None
    now: float | None
    is_share: bool
    more_is_better: bool | None

    @property
    def difference(self) -> float | None:
        """Now minus former; None where one of them is missing."""
        return None if self.former is None or self.now is None else self.now - self.former

    @property
    def better(self) -> bool | None:
        """Whether the change is for the better; None where that cannot be said."""
        if not self.difference or self.more_is_better is None:
            return None
        return (self.difference > 0) == self.more_is_better


@dataclass(frozen=True)
class Comparison:
    """Two reports side by side.

    Args:
        checkpoint_sha256: the former report's network.
        same_pairs: whether both were measured on as many pairs of as many people, chosen in the same way.
        changes: the numbers of both.
        roc: the former report's curve, of (FAR, VAL, threshold).
    """

    checkpoint_sha256: str
    same_pairs: bool
    changes: Sequence[Change]
    roc: Sequence[Sequence[float]]


def read_former(path: Path) -> dict[str, Any]:
    """The record of a former report.

    Args:
        path: the folder that `facenet evaluate` wrote, or its `metrics.json`.

    Raises:
        UsageError: there is no such report, or it has no accuracy or a later version.
    """
    file = path / METRICS if path.is_dir() else path
    try:
        record = read_metrics(file.read_bytes())
        if NUMBERS[0].of(record) is None:
            raise ValueError("without an accuracy")
        compare(record, record)
    except (OSError, *MALFORMED) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            "This is not a report to compare with.",
            received=f"{file} ({reason})",
            advice="Give --former the folder that `facenet evaluate` wrote, or its metrics.json.",
        ) from error
    return record


def compare(former: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Two records of `metrics.json` side by side; a number that an old report does not have is None."""
    rates = _rates(former)
    others = {far: val for far, val in _rates(now).items() if far != SHOWN_RATE}
    return Comparison(
        checkpoint_sha256=str(former["checkpoint_sha256"]),
        same_pairs=_pairs_of(former) == _pairs_of(now),
        changes=[
            *(Change(one.label, one.of(former), one.of(now), one.is_share, one.more_is_better) for one in NUMBERS),
            *(Change(f"VAL at FAR {far:g}", rates.get(far), val, True, True) for far, val in others.items()),
            Change("Threshold", _threshold(former), _threshold(now), False, None),
        ],
        roc=[[number(value) for value in point] for point in former.get("roc", [])],
    )


def _rates(record: Mapping[str, Any]) -> dict[float, float | None]:
    """VAL by FAR; None where it could not be measured."""
    rows = record.get("val_at_far", [])
    return {number(row["far"]): None if row["val"] is None else number(row["val"]) for row in rows}


def _threshold(record: Mapping[str, Any]) -> float | None:
    return number(record["threshold"]) if "threshold" in record else None


def _pairs_of(record: Mapping[str, Any]) -> list[Any]:
    protocol = record.get("protocol", {})
    return [protocol.get(key) for key in ("kind", "split", "seed", "pairs_file", "identities", "scored", "compared")]
