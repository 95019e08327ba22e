"""The stage: the faces manifest -> the dataset and the list of dropped faces."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

from components.collect.card import show
from components.collect.collect import Collected, as_table, collect, list_photos, read_faces
from components.collect.outliers import Outliers
from components.collect.settings import Settings
from components.collect.splits import SPLITS, TEST, TRAIN
from components.common.atomic import write_file
from components.common.executor import write_metrics
from components.common.manifest import DATASET, DROPPED, FACES, gather_parts, parts, write
from components.common.names import one_form, plain
from components.common.quantity import quantity


def run(settings: Settings) -> None:
    """Chooses the faces; writes the manifests, the card and the numbers; prints what became of the faces."""
    folders, unnamed = settings.shards, one_form(settings.unnamed)
    faces = read_faces(folders)
    collected = collect(
        faces,
        min_examples=settings.min_examples,
        validation=settings.validation,
        test=settings.test,
        min_quality=settings.min_quality,
        unnamed=unnamed,
        drop_duplicates=settings.drop_duplicates,
        embeddings=settings.embeddings,
        drop_outliers=settings.drop_outliers,
    )
    if settings.faces:
        gather_parts(folders, FACES, settings.faces)
        folders = (settings.faces,)
    about = {
        "faces": [Path(os.path.relpath(folder, settings.output)).as_posix() for folder in folders],
        "min_examples": settings.min_examples,
        "min_quality": settings.min_quality,
        "validation": settings.validation,
        "test": settings.test,
        "unnamed": settings.unnamed,
        "drop_duplicates": settings.drop_duplicates,
        "drop_outliers": settings.drop_outliers,
    }
    write(settings.dropped_folder, DROPPED, as_table(DROPPED.schema, collected.dropped, collected.unnamed_dropped))
    write(settings.output, DATASET, as_table(DATASET.schema, collected.dataset, collected.unnamed), about)
    if settings.listing:
        write_file(settings.listing, json.dumps(list_photos(collected.dataset), ensure_ascii=False, indent=1) + "\n")
    if settings.html or settings.markdown:
        files = parts(folders, FACES)
        card = show(
            faces[faces["identity"] != unnamed],
            collected,
            files,
            settings.min_examples,
            settings.drop_duplicates,
            settings.drop_outliers,
            settings.min_quality,
            pictures=settings.pictures,
        )
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, _metrics(collected))
    _print_summary(collected, settings)


def _metrics(collected: Collected) -> dict[str, int]:
    identities = collected.dataset.groupby("split")["identity"].nunique()
    return {
        "faces": len(collected.dataset),
        "identities": int(identities.sum()),
        **{f"{split}_identities": int(identities.get(split, 0)) for split in SPLITS},
        **({"unnamed_faces": len(collected.unnamed)} if len(collected.unnamed) else {}),
        **{f"dropped_{reason.replace('-', '_')}": count for reason, count in collected.reasons.items()},
    }


def _print_summary(collected: Collected, settings: Settings) -> None:
    dataset = collected.dataset
    print(f"{_faces_of_identities(dataset)} in {settings.output}")
    for split in SPLITS:
        print(f"  {split:<10} {_faces_of_identities(dataset[dataset['split'] == split])}")
    if len(collected.unnamed):
        print(f"  train      {quantity(len(collected.unnamed), 'face')} of unnamed people, for a teacher")
    for reason, count in collected.reasons.most_common():
        print(f"  dropped    {quantity(count, 'face')}: {reason} (listed in {settings.dropped_folder})")
    if collected.outliers:
        _print_outliers(collected.outliers, settings.drop_outliers)
    if not settings.drop_duplicates:
        print("  Copies and pictures under two names were not looked for, and are kept.")
    if not (dataset["split"] == TRAIN).any() and collected.unnamed.empty:
        print("  Nobody is left to train on.")
    if dataset.loc[dataset["split"] == TEST, "identity"].nunique() < 2:
        print("  Fewer than two identities are in the test split: too few for an evaluation.")


def _print_outliers(outliers: Outliers, dropped: bool) -> None:
    """Prints all of them, because the card has only some."""
    faces, people = outliers.faces, outliers.people
    print(
        f"  {quantity(len(faces), 'face')} unlike the others of the person and like somebody else's, "
        f"{'dropped' if dropped else 'kept'}."
    )
    for face in faces.itertuples():
        print(
            f"    {plain(face.photo_path)} looks like {plain(face.like_path)}: likeness to {plain(face.identity)} "
            f"{face.own:.2f}, to {plain(face.like_identity)} {face.other:.2f}"
        )
    if len(people):
        print(f"  {quantity(len(people), 'pair')} of names whose faces are alike, kept: is it one person under both?")
    for pair in people.itertuples():
        print(f"    {plain(pair.identity)} looks like {plain(pair.like_identity)}")


def _faces_of_identities(rows: pd.DataFrame) -> str:
    return f"{quantity(len(rows), 'face')} of {quantity(rows['identity'].nunique(), 'identity', 'identities')}"
