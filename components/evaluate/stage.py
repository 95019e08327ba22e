"""The stage: embeddings -> report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.atomic import new_directory, write_file
from components.common.executor import write_metrics
from components.common.manifest import FACES, PAIRS, folder_names, parts, write
from components.common.names import is_unnamed
from components.common.quantity import quantity
from components.common.records import METRICS, METRICS_VERSION
from components.evaluate.compared import Compared
from components.evaluate.differentials import differentials, ratios_in_words
from components.evaluate.discard import discard, quality_of
from components.evaluate.embeddings import Census, Embeddings, Indices, pair_distances, read_split
from components.evaluate.folds import faces_alike
from components.evaluate.former import compare, read_former
from components.evaluate.identification import identification
from components.evaluate.kubeflow import classification_metrics
from components.evaluate.measure import describe, measure, pairs_table
from components.evaluate.metrics import best_threshold, curve
from components.evaluate.mistakes import worst_mistakes
from components.evaluate.numbers import NUMBERS, SHOWN_RATE, rows
from components.evaluate.pairs_file import from_pairs_file
from components.evaluate.protocols import Protocol, from_identities
from components.evaluate.report import render, summary
from components.evaluate.settings import Settings
from components.evaluate.slices import Groups, slices_of_photos
from components.evaluate.templates import from_templates, holds_templates
from components.page.templates import Card
from components.page.words import number, percent


def run(settings: Settings) -> None:
    """Measures; writes the report and the numbers; prints the most important of them."""
    settings = settings.with_shards
    files = parts(settings.faces, FACES)
    former = read_former(settings.former) if settings.former else None
    groups = Groups.read(settings.slices) if settings.slices else None
    # Of a list of pairs, anybody may be in it.
    wanted = "all" if settings.pairs else settings.split
    everyone, census = read_split(settings.input, wanted, settings.output.resolve().parent)
    people = everyone.of_split(settings.split)
    measured, protocol = _protocol(settings, everyone, people)
    scored = pair_distances(measured.vectors, protocol.scored.first, protocol.scored.second)
    compared = Compared.of(measured.vectors, protocol.compared, best_threshold(curve(scored, protocol.scored.same)))
    numbers = measure(protocol, scored, compared, measured.identity_codes(), settings.seed)
    record = {
        "schema_version": METRICS_VERSION,
        **numbers,
        # A pairs file names no galleries: they are drawn from the split, with or without one.
        "identification": identification(people.vectors, people.identity_codes(), settings.seed),
        "discard": _discard(settings, files, measured, compared, people),
        "checkpoint_sha256": everyone.checkpoint_sha256,
        "embeddings": {
            "faces": census.faces,
            "identities": sum(not is_unnamed(identity) for identity in census.identities),
            "size": everyone.vectors.shape[1],
        },
        "missing": asdict(protocol.missing),
        "differentials": _differentials(settings, people, census, groups, numbers["val_at_far"]),
        "protocol": _describe(settings, measured, protocol, compared.faces),
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
    _print_summary(record, settings)


def _why_no_pictures(settings: Settings) -> str:
    if not settings.pictures:
        return "Pictures of people are switched off."
    return "Pictures need the faces manifest: run `facenet evaluate` with `--faces`."


def _protocol(settings: Settings, everyone: Embeddings, people: Embeddings) -> tuple[Embeddings, Protocol]:
    """The embeddings that are measured, and the pairs among them."""
    if settings.pairs:
        if holds_templates(settings.pairs):
            return from_templates(settings.pairs, everyone, settings.folds)
        return everyone, from_pairs_file(settings.pairs, everyone, settings.folds)
    protocol = from_identities(
        people.identity_codes(),
        folds=settings.folds,
        max_pairs=settings.max_pairs,
        seed=settings.seed,
        where=f"{folder_names(settings.input)}, split {settings.split}",
    )
    unnamed = int(everyone.unnamed().sum())
    if unnamed and settings.split in ("train", "all"):
        faces = quantity(unnamed, "face")
        protocol.notes.append(f"{faces} of unnamed people are left out: nothing says which of them are one person.")
    return people, protocol


def _differentials(
    settings: Settings,
    people: Embeddings,
    census: Census,
    groups: Groups | None,
    rates: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Of the split too: a list of pairs has few within each slice. The threshold is the report's."""
    faces = people.at(faces_alike(people.identity_codes(), np.random.default_rng(settings.seed)))
    columns, told = groups.slices(faces, census.identities) if groups else ([], [])
    columns += slices_of_photos(faces, settings.faces)
    (threshold,) = (row["threshold"] for row in rates if row["far"] == SHOWN_RATE)
    return {
        "far": SHOWN_RATE,
        "threshold": threshold,
        "notes": told,
        **differentials(faces.vectors, faces.identity_codes(), columns, threshold, settings.seed),
    }


def _discard(
    settings: Settings, files: Sequence[Path], measured: Embeddings, compared: Compared, people: Embeddings
) -> dict[str, Any]:
    quality = quality_of(people.face_id, files)
    of_pairs = quality if measured is people else quality_of(measured.face_id, files)
    return discard(of_pairs, compared.same.sample, compared.threshold, people, quality, settings.seed)


def _describe(settings: Settings, measured: Embeddings, protocol: Protocol, faces: Indices) -> dict[str, Any]:
    if settings.pairs:
        return describe(protocol, faces, measured, pairs_file=settings.pairs.name, split=None, seed=None)
    return describe(protocol, faces, measured, pairs_file=None, split=settings.split, seed=settings.seed)


def _write(settings: Settings, record: Mapping[str, Any], card: Card, pairs: pa.Table) -> None:
    with new_directory(settings.output, ["report.html", "report.md", METRICS, "pairs"]) as folder:
        card.write(folder / "report.html", folder / "report.md")
        write_file(
            folder / METRICS,
            json.dumps(record, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=1) + "\n",
        )
        write(folder / "pairs", PAIRS, pairs)
    card.write(settings.html, settings.markdown)


def _metrics(record: Mapping[str, Any]) -> dict[str, float | int]:
    """What Kubeflow's UI shows: the numbers to compare runs by; the report has the others."""
    accuracy = record["accuracy"]
    others = {
        "accuracy_standard_error": accuracy["standard_error_over_people"],
        "accuracy_missing_wrong": accuracy["mean_missing_wrong"],
    }
    return {
        # A number that could not be measured is not there.
        **{one.key: value for one in NUMBERS if (value := one.of(record)) is not None},
        **{key: value for key, value in others.items() if value is not None},
        "better_than_chance": int(not record["doubt"]),
        "identities": record["protocol"]["identities"],
        # Of them, those who are trained on: who compares runs must know.
        "train_identities": record["protocol"]["splits"].get("train", 0),
        "pairs": sum(record["protocol"]["scored"].values()),
    }


def _print_summary(record: Mapping[str, Any], settings: Settings) -> None:
    print(summary(record))
    lines = rows(record)
    for row in record["val_at_far"]:
        if row["far"] != SHOWN_RATE:
            pairs = f"of {quantity(row['different_pairs'], 'different pair')}"
            lines.append((f"VAL at FAR {row['far']:g}", percent(row["val"]), pairs))
    lines.append(("Threshold", number(record["threshold"]), "same person if distance <= threshold"))
    for label, value, detail in lines:
        print(f"  {label:<17} {value:>8}  {detail}")
    differ = record["differentials"]
    for column in differ["columns"]:
        print(f"  By {column['column']}: {ratios_in_words(column) or 'no slices to compare have errors.'}")
    notes = [record["doubt"], *record["protocol"]["notes"], differ["not_measured"], *differ["notes"]]
    for note in filter(None, notes):
        print(f"  NOTE       {note}")
    print(f"Report: {settings.output / 'report.html'}")
