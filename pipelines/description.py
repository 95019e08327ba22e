"""What is known of this pipeline in particular. All else in here runs, records and shows any pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.common.records import number
from components.evaluate.numbers import NUMBERS
from components.verify.runs import best_file

Metrics = Mapping[str, Any]
# (task, output) -> where it lies
Output = Callable[[str, str], Path | None]

# The task whose numbers tell how good a run's network is, and those that do at a glance, with their names for people.
SCORED_BY = "evaluate"
HEADLINE = {one.key: one.label for one in NUMBERS}
LESS_IS_BETTER = tuple(one.key for one in NUMBERS if not one.more_is_better)
# What the training leaves of its rounds, below the folder of a run.
ROUNDS = "mine-and-train/training/history.parquet"
# Of the numbers that tell which run is better, whether more of them is. Counts do not, and no loss does where the
# margin or the kind of loss differs.
BETTER: Mapping[re.Pattern[str], Callable[[Sequence[float]], float]] = {
    **{re.compile(re.escape(one.key)): max if one.more_is_better else min for one in NUMBERS},
    re.compile(r".+_(accuracy|auc)|val_at_far_.+|.+_cosine_minimum"): max,
    re.compile(r".+_(milliseconds|bytes)"): min,
}


Score = tuple[float, tuple[float, float] | None]


def scores(report: Mapping[str, Any]) -> dict[str, Score]:
    """The headline numbers of a report, with their 95 % intervals where it has these.

    Args:
        report: what its `metrics.json` holds.

    Raises:
        One of `MALFORMED`: it is not as declared.
    """
    found: dict[str, Score] = {}
    for one in NUMBERS:
        value = one.of(report)
        if value is not None:
            ends = one.interval(report)
            found[one.label] = value, None if ends is None else (number(ends[0]), number(ends[1]))
    return found


def _join(parts: Sequence[tuple[str, Metrics]]) -> str:
    """The parts whose numbers are all there: `("{faces} faces", metrics)` without `faces` is left out."""
    kept = []
    for template, metrics in parts:
        try:
            kept.append(template.format_map(metrics))
        except (KeyError, ValueError, TypeError):
            continue
    return ", ".join(kept)


def _photos(metrics: Metrics) -> str:
    text = _join(
        [
            ("{faces:,} faces found in {photos:,} photos", metrics),
            ("{identities:,} people", metrics),
            ("{rejected:,} photos rejected", metrics),
        ]
    )
    reasons = {
        key.removeprefix("rejected_").replace("_", "-"): count
        for key, count in metrics.items()
        if key.startswith("rejected_") and count
    }
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    return f"{text} ({listed})" if listed else text


def _crops(metrics: Metrics) -> str:
    return _join(
        [
            ("{faces:,} faces taken over of {crops:,} crops", metrics),
            ("{identities:,} people", metrics),
            ("{rejected:,} crops rejected", metrics),
        ]
    )


def _dataset(metrics: Metrics) -> str:
    splits = _join(
        [
            ("{train_identities:,} to train on", metrics),
            ("{validation_identities:,} for validation", metrics),
            ("{test_identities:,} never seen in training", metrics),
        ]
    )
    text = _join([("{faces:,} faces of {identities:,} people kept", metrics)])
    text = f"{text}: {splits}" if text and splits else text or splits
    return "; ".join(filter(None, [text, _join([("{unnamed_faces:,} faces of unnamed people", metrics)])]))


def _training(metrics: Metrics) -> str:
    if metrics.get("rounds") == 0:
        return "none: the network as it started"
    return _join(
        [
            ("{triplets_mined:,} triplets mined", metrics),
            ("{triplets_trained:,} trained on", metrics),
            ("{pairs_trained:,} pairs trained on", metrics),
            ("{rounds:,} rounds", metrics),
            ("loss {loss:.4f}", metrics),
        ]
    )


def _kept(metrics: Metrics) -> str:
    """Whether training made a network better that knew faces before: `start_auc` is only there for one."""
    if "start_auc" not in metrics or "trained_auc" not in metrics:
        return ""
    kept = "of round {kept_round:,}" if metrics.get("kept_round") else "as it started"
    scores = "AUC {start_auc:.4f} as it started, {trained_auc:.4f} at best after training"
    return _join([(f"the network {kept} is kept: {scores}, by people held out", metrics)])


def _verification(metrics: Metrics) -> str:
    uncertain = (
        " +- {accuracy_standard_error:.3f} (standard error over people)" if "accuracy_standard_error" in metrics else ""
    )
    accuracy = _join([("accuracy {accuracy:.3f}" + uncertain, metrics)])
    # An older record does not say whose they were.
    whose = " kept out of training" if metrics.get("train_identities") == 0 else ""
    people = _join([("on {pairs:,} pairs of {identities:,} people" + whose, metrics)])
    return " ".join(part for part in (accuracy, people) if part)


def doubts(metrics: Metrics) -> list[str]:
    """What whoever reads the scores of an evaluation must know, in a few words each; its report says more.

    Args:
        metrics: the numbers that `evaluate` reported.
    """
    chance = "Cannot be told from guessing" if metrics.get("better_than_chance") == 0 else ""
    people = "{train_identities:,} of the {identities:,} people measured are of the train split"
    return list(filter(None, [chance, _join([(people, metrics)]) if metrics.get("train_identities") else ""]))


def _scores(metrics: Metrics) -> str:
    """The headline numbers but the first, which has a line of its own: `AUC 0.982, VAL 0.552 at FAR 0.01`."""
    said = []
    for key, label in list(HEADLINE.items())[1:]:
        if isinstance(metrics.get(key), float | int):
            name, at, rate = label.partition(" at ")
            said.append(f"{name} {metrics[key]:.3f}{at}{rate}")
    return ", ".join(said)


def _variants(metrics: Metrics) -> dict[str, float]:
    """The files that were exported, and their sizes in bytes."""
    size = "_bytes"
    return {key.removesuffix(size): metrics[key] for key in metrics if key.endswith(size)}


def _export(metrics: Metrics) -> str:
    return ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in _variants(metrics).items())


# The lines of a summary: label, the task whose numbers it shows, how
LINES: Sequence[tuple[str, str, Callable[[Metrics], str]]] = (
    ("photos", "extract", _photos),
    ("crops", "import-faces", _crops),
    ("dataset", "collect", _dataset),
    ("training", "mine-and-train", _training),
    ("", "mine-and-train", _kept),
    ("verification", SCORED_BY, _verification),
    ("", SCORED_BY, _scores),
    ("", SCORED_BY, lambda metrics: "; ".join(doubts(metrics))),
    ("export", "export", _export),
)


def results(output: Output, tasks: Collection[str]) -> list[tuple[str, Path]]:
    """What of a run's results a person opens: what it is called, and where it lies.

    Args:
        output: where a task's output lies, by the task's name and its own; None for one that there is not.
        tasks: whose result is more than that it was switched off.
    """
    report, model = output("evaluate", "report"), output("export", "model")
    paths = [("report", report / "report.html")] if report else []
    return paths + ([("for a Pi", model)] if model and "export" in tasks else [])


def network(output: Output, tasks: Collection[str]) -> Path | None:
    """The network that a run left, as `verify -c` takes it; arguments as for `results`."""
    model = output("export", "model")
    if model and "export" in tasks:  # a file is opened at once, a checkpoint by TensorFlow
        return best_file(model)
    return output("mine-and-train", "checkpoint")
