"""The end of a run, in plain text: what was found, learned and scored, how long it took, and what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.verify.runs import best_file
from pipelines.local.record import CACHED, RunRecord, TaskRecord, located

Metrics = Mapping[str, Any]


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `3 min 12 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def shown(path: Path) -> str:
    """A path as one would type it here: relative when it lies below the working folder."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def command(*words: str) -> str:
    """A command of this program as one types it here: by the way in which this process was started."""
    started = Path(sys.argv[0])
    if started.name == "cli.py":  # python -m pipelines.cli
        return shlex.join([shown(Path(sys.executable)), "-m", "pipelines.cli", *words])
    on_path = shutil.which("facenet")
    if started.name != "facenet" or (on_path and started.exists() and started.samefile(on_path)):
        return shlex.join(["facenet", *words])
    return shlex.join([shown(started.absolute()), *words])


def _joined(parts: Sequence[tuple[str, Metrics]]) -> str:
    """The parts whose numbers are all there: `("{faces} faces", metrics)` without `faces` is left out."""
    kept = []
    for template, metrics in parts:
        try:
            kept.append(template.format_map(metrics))
        except (KeyError, ValueError, TypeError):
            continue
    return ", ".join(kept)


def _photos(metrics: Metrics) -> str:
    text = _joined(
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


def _dataset(metrics: Metrics) -> str:
    splits = _joined(
        [
            ("{train_identities:,} to train on", metrics),
            ("{validation_identities:,} for validation", metrics),
            ("{test_identities:,} never seen in training", metrics),
        ]
    )
    text = _joined([("{faces:,} faces of {identities:,} people kept", metrics)])
    return f"{text}: {splits}" if text and splits else text or splits


def _training(metrics: Metrics) -> str:
    return _joined(
        [
            ("{triplets_mined:,} triplets mined", metrics),
            ("{triplets_trained:,} trained on", metrics),
            ("{rounds:,} rounds", metrics),
            ("loss {loss:.4f}", metrics),
        ]
    )


def _verification(metrics: Metrics) -> str:
    accuracy = _joined([("accuracy {accuracy:.3f} +- {accuracy_deviation:.3f} (deviation over the folds)", metrics)])
    # An older record does not say whose they were.
    whose = " kept out of training" if metrics.get("train_identities") == 0 else ""
    people = _joined([("on {pairs:,} pairs of {identities:,} people" + whose, metrics)])
    return " ".join(part for part in (accuracy, people) if part)


def doubts(metrics: Metrics) -> list[str]:
    """What whoever reads the scores of an evaluation must know, in a few words each; its report says more.

    Args:
        metrics: the numbers that `evaluate` reported.
    """
    chance = "Cannot be told from guessing" if metrics.get("better_than_chance") == 0 else ""
    people = "{train_identities:,} of the {identities:,} people measured are of the train split"
    return list(filter(None, [chance, _joined([(people, metrics)]) if metrics.get("train_identities") else ""]))


def _scores(metrics: Metrics) -> str:
    parts = [("AUC {auc:.3f}", metrics), ("EER {eer:.3f}", metrics)]
    if "val_at_far_0.01" in metrics:  # a dot in a format field means an attribute
        parts.append(("VAL {val:.3f} at FAR 0.01", {"val": metrics["val_at_far_0.01"]}))
    return _joined(parts)


def _variants(metrics: Metrics) -> dict[str, float]:
    """The files that were exported, and their sizes in bytes."""
    size = "_bytes"
    return {key.removesuffix(size): metrics[key] for key in metrics if key.endswith(size)}


def _export(metrics: Metrics) -> str:
    return ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in _variants(metrics).items())


def _metrics(tasks: Mapping[str, TaskRecord], template: str) -> dict[str, Any]:
    """The numbers of a task; of its shards, added up."""
    added: dict[str, Any] = {}
    for task in tasks.values():
        if template in (task.task, task.template):
            for name, value in task.metrics.items():
                added[name] = added[name] + value if name in added else value
    return added


# label, the task whose numbers it shows, how
_LINES = (
    ("photos", "extract", _photos),
    ("dataset", "collect", _dataset),
    ("training", "mine-and-train", _training),
    ("verification", "evaluate", _verification),
    ("", "evaluate", _scores),
    ("", "evaluate", lambda metrics: "; ".join(doubts(metrics))),
    ("export", "export", _export),
)


def _times(tasks: Sequence[TaskRecord]) -> list[str]:
    ran = [task for task in tasks if task.seconds is not None and task.log]
    width = max((len(task.label) for task in ran), default=0)
    lines = []
    for task in ran:
        if task.state == CACHED and task.origin:
            text = f"{duration(task.origin['seconds'] or 0.0)}  cached, not run again"
        else:
            text = f"{duration(task.seconds or 0.0)}  {'' if task.state == 'succeeded' else task.state}"
        lines.append(f"{task.label:<{width}}  {text}".rstrip())
    return lines


def _output(tasks: Mapping[str, TaskRecord], task: str, name: str, runs: Path) -> Path | None:
    if task not in tasks or name not in tasks[task].outputs:
        return None
    return located(tasks[task].outputs[name]["path"], runs)


def summary(run: RunRecord, tasks: Mapping[str, TaskRecord], runs: Path) -> str:
    """The summary of a run that has ended; numbers that no task reported are left out.

    Args:
        run: the run.
        tasks: the records of its tasks, by name.
        runs: the runs folder.
    """
    rows = [(label, show(_metrics(tasks, task))) for label, task, show in _LINES]
    rows = [(label, text) for label, text in rows if text]
    times = _times(list(tasks.values()))
    rows += [("time" if number == 0 else "", line) for number, line in enumerate(times)]
    rows.append(("total", duration(run.seconds or 0.0)))
    report = _output(tasks, "evaluate", "report", runs)
    if report:
        rows.append(("report", shown(report / "report.html")))
    model = _output(tasks, "export", "model", runs)
    variants = _variants(tasks["export"].metrics) if model else {}
    if model and variants:
        rows.append(("for a Pi", shown(model)))
    rows.append(("records", shown(runs / run.id)))
    width = max(len(label) for label, _ in rows)
    lines = [f"Run {run.id} {run.state}", *(f"  {label:<{width}}  {text}" for label, text in rows)]
    network = _output(tasks, "mine-and-train", "checkpoint", runs)
    if model and variants:  # a file is opened at once, a checkpoint by TensorFlow
        network = best_file(model)
    if network and run.state == "succeeded":
        lines += ["", "Compare two photos:", f"  {command('verify', 'A.jpg', 'B.jpg', '-c', shown(network))}"]
    return "\n".join(lines)
