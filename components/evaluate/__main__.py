"""`facenet evaluate`: embeddings -> report."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import ExecutorInput, Inputs, Output, Switch

if TYPE_CHECKING:
    import pyarrow as pa

    from components.evaluate.embeddings import Embeddings, Indices
    from components.evaluate.protocols import Protocol
    from components.page.templates import Card


@dataclass(frozen=True)
class Settings:
    """Measure how well embeddings tell people apart, on people kept out of training, and write a report.

    Two faces are called the same person if and only if the Euclidean distance of their embeddings is at most the
    threshold.
    """

    output: Output
    """Where the report goes (a folder); a former one is replaced."""
    input: Inputs = ()
    """The embeddings that `facenet embed` wrote, or all shards of them."""
    pairs: Path | None = None
    """An LFW-style pairs file to measure on, instead of pairs drawn from the split's identities."""
    faces: tuple[Path, ...] = ()
    """The faces manifest, or all shards of it; without it the report has no pictures of the worst mistakes."""
    html: Path | None = None
    """Also write the HTML report to this file."""
    markdown: Path | None = None
    """Also write the Markdown report to this file."""
    pictures: Switch = True
    """false: the report shows no faces."""
    former: Path | None = None
    """A former report (its folder, or its metrics.json) to compare with."""
    split: Literal["train", "validation", "test", "all"] = "test"
    """Whose faces are measured; a pairs file says so itself."""
    folds: int = 10
    """Number of folds for the accuracy; a pairs file with several folds keeps its own."""
    max_pairs: int = 1_000_000
    """More pairs than this are sampled down to it."""
    seed: int = 0
    """Of every random choice."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""


def _checked(settings: Settings) -> None:
    if settings.folds < 2:
        raise UsageError(
            "--folds must be at least 2: a threshold is chosen on the other folds.", received=settings.folds
        )
    if settings.max_pairs < 2 * settings.folds:
        raise UsageError(
            "--max_pairs must be at least twice --folds: each fold needs a same and a different pair.",
            received=f"--max_pairs {settings.max_pairs} --folds {settings.folds}",
        )
    if settings.seed < 0:
        raise UsageError("--seed must not be negative.", received=settings.seed)


def _evaluate(settings: Settings) -> None:
    _checked(settings)
    from components.common.executor import write_metrics
    from components.common.manifest import FACES, parts

    # matplotlib takes seconds to import: neither a wrong flag nor a wrong path should wait for it.
    settings = _located(settings)
    files = parts(settings.faces, FACES)
    from components.evaluate.compared import Compared
    from components.evaluate.embeddings import pair_distances, read_embeddings
    from components.evaluate.former import SCHEMA_VERSION, compare, read_former
    from components.evaluate.kubeflow import classification_metrics
    from components.evaluate.measure import measure, pairs_table
    from components.evaluate.metrics import best_threshold, curve
    from components.evaluate.mistakes import worst_mistakes
    from components.evaluate.report import render

    former = read_former(settings.former) if settings.former else None
    everyone = read_embeddings(settings.input)
    measured, protocol = _protocol(settings, everyone)
    scored = pair_distances(measured.vectors, protocol.scored.first, protocol.scored.second)
    compared = Compared.of(measured.vectors, protocol.compared, best_threshold(curve(scored, protocol.scored.same)))
    record = {
        "schema_version": SCHEMA_VERSION,
        **measure(protocol, scored, compared, measured.identity_codes(), settings.seed),
        "checkpoint_sha256": everyone.checkpoint_sha256,
        "embeddings": {
            "faces": len(everyone),
            "identities": len(set(everyone.identity)),
            "size": everyone.vectors.shape[1],
        },
        "missing": asdict(protocol.missing),
        "protocol": _described(settings, measured, protocol, compared.faces),
    }
    shown = files if settings.pictures else []
    card = render(
        record,
        worst_mistakes(measured, compared, record["confusion"], shown),
        curve=compared.curve,
        comparison=compare(former, record) if former else None,
        without_pictures="" if shown else _why_no_pictures(settings),
    )
    _write(settings, record, card, pairs_table(measured, protocol, scored))
    write_metrics(settings.executor_input, _metrics(record), roc=classification_metrics(record))
    _say(record, settings)


def _why_no_pictures(settings: Settings) -> str:
    if not settings.pictures:
        return "Pictures of people are switched off."
    return "Pictures need the faces manifest: run `facenet evaluate` with `--faces`."


def _located(settings: Settings) -> Settings:
    """The same settings with the inputs that the pipeline names, in the order of their shards."""
    from components.common.executor import inputs
    from components.common.manifest import EMBEDDINGS, FACES, joined

    given = settings.executor_input
    embeddings = joined(inputs(given, "embeddings", settings.input, "-i EMBEDDINGS"), EMBEDDINGS)
    faces = joined(settings.faces, FACES) if settings.faces else ()
    return replace(settings, input=embeddings, faces=faces)


def _protocol(settings: Settings, everyone: Embeddings) -> tuple[Embeddings, Protocol]:
    """The embeddings that are measured, and the pairs among them."""
    from components.common.manifest import named
    from components.evaluate.pairs_file import from_pairs_file
    from components.evaluate.protocols import from_identities

    if settings.pairs:
        return everyone, from_pairs_file(settings.pairs, everyone, settings.folds)
    measured = everyone.of_split(settings.split)
    return measured, from_identities(
        measured.identity_codes(),
        folds=settings.folds,
        max_pairs=settings.max_pairs,
        seed=settings.seed,
        where=f"{named(settings.input)}, split {settings.split}",
    )


def _described(settings: Settings, measured: Embeddings, protocol: Protocol, faces: Indices) -> dict[str, Any]:
    from components.evaluate.measure import describe

    if settings.pairs:
        return describe(protocol, faces, measured, pairs_file=settings.pairs.name, split=None, seed=None)
    return describe(protocol, faces, measured, pairs_file=None, split=settings.split, seed=settings.seed)


def _write(settings: Settings, record: Mapping[str, Any], card: Card, pairs: pa.Table) -> None:
    from components.common.atomic import new_directory, write_file
    from components.common.manifest import PAIRS, write

    with new_directory(settings.output, ["report.html", "report.md", "metrics.json", "pairs"]) as folder:
        card.write(folder / "report.html", folder / "report.md")
        write_file(
            folder / "metrics.json",
            json.dumps(record, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=1) + "\n",
        )
        write(folder / "pairs", PAIRS, pairs)
    card.write(settings.html, settings.markdown)


def _metrics(record: Mapping[str, Any]) -> dict[str, float | int]:
    """What Kubeflow's UI shows: the numbers to compare runs by; the report has the others."""
    from components.evaluate.measure import SHOWN_RATE

    # A VAL that could not be measured is not there.
    val = {row["far"]: row["val"] for row in record["val_at_far"] if row["val"] is not None}
    return {
        "accuracy": record["accuracy"]["mean"],
        "accuracy_deviation": record["accuracy"]["deviation"],
        "auc": record["auc"],
        "better_than_chance": int(not record["doubt"]),
        "eer": record["eer"]["value"],
        "identities": record["protocol"]["identities"],
        # Of them, those who are trained on: who compares runs must know.
        "train_identities": record["protocol"]["splits"].get("train", 0),
        "pairs": sum(record["protocol"]["scored"].values()),
        **({f"val_at_far_{SHOWN_RATE:g}": val[SHOWN_RATE]} if SHOWN_RATE in val else {}),
    }


def _say(record: Mapping[str, Any], settings: Settings) -> None:
    from components.evaluate.report import summary
    from components.page.words import number, percent

    accuracy = record["accuracy"]
    print(summary(record))
    print(
        f"  accuracy   {percent(accuracy['mean'])} +- {percent(accuracy['standard_error'])} "
        f"(standard error over {len(accuracy['folds'])} folds)"
    )
    print(f"  AUC        {number(record['auc'])}")
    print(f"  EER        {percent(record['eer']['value'])}")
    for row in record["val_at_far"]:
        print(
            f"  VAL        {percent(row['val'])} at FAR {row['far']:g}, of {row['different_pairs']:,} different pairs"
        )
    print(f"  threshold  {number(record['threshold'])}: same person if distance <= threshold")
    for note in (*filter(None, [record["doubt"]]), *record["protocol"]["notes"]):
        print(f"  NOTE       {note}")
    print(f"Report: {settings.output / 'report.html'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _evaluate, argv, prog="facenet evaluate")


if __name__ == "__main__":
    sys.exit(main())
