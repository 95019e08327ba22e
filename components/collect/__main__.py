"""`facenet collect`: faces -> dataset."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.collect.splits import SPLITS, TEST, TRAIN
from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import ExecutorInput, Inputs, Output, Switch

if TYPE_CHECKING:
    from components.collect.collect import Collected


@dataclass(frozen=True)
class Settings:
    """Choose the faces to learn from, and the people who are kept unseen for validation and test.

    Copies of a picture within an identity are dropped but one; a picture under two names is dropped under both and
    reported; identities with too few faces are dropped. The dataset points into the faces and copies no image.

    With --test 1 nobody is left to train on: all can be embedded and measured. For a published list of pairs, which
    names each photo that there is: --test 1 --min_examples 1 --drop_duplicates false.
    """

    output: Output
    """Where the dataset goes; a former one is replaced."""
    input: Inputs = ()
    """The faces manifest that `facenet extract` wrote, or all shards of one."""
    dropped: Path | None = None
    """Where the list of dropped faces goes; beside the dataset, as DATASET-dropped, when not given."""
    faces: Path | None = None
    """Also put all shards of the faces into this folder, as one manifest, which the dataset then points into."""
    min_examples: int = 2
    """Identities with fewer faces are left out."""
    drop_duplicates: Switch = True
    """false: copies of a picture are kept, and pictures under two names."""
    validation: float = 0.1
    """Share of identities for validation."""
    test: float = 0.2
    """Share of identities for the test; nothing is ever trained or tuned on them. 1 takes everybody."""
    html: Path | None = None
    """Also write a card that shows what became of the faces to this file, as HTML."""
    markdown: Path | None = None
    """Likewise its summary, as Markdown."""
    pictures: Switch = True
    """false: the card shows no faces."""
    json: Path | None = None
    """Also write the classic listing, {"name": ["face", ...]}, to this file."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""


def _checked(settings: Settings) -> None:
    if settings.min_examples < 1:
        raise UsageError("--min_examples must be at least 1.", received=settings.min_examples)
    shares = settings.validation, settings.test
    if not (all(0 <= share <= 1 for share in shares) and (settings.test == 1 or sum(shares) <= 1)):
        raise UsageError(
            "--validation and --test are shares of the same people.",
            received=f"validation {settings.validation:g}, test {settings.test:g}",
            advice="Give two numbers from 0 to 1 that add up to 1 at most, or --test 1 for everybody.",
        )


def _collect(settings: Settings) -> None:
    from components.common.atomic import write_file
    from components.common.executor import inputs, write_metrics
    from components.common.manifest import DATASET, DROPPED, FACES, gathered, joined, parts, write

    _checked(settings)
    folders = joined(inputs(settings.executor_input, "extracted", settings.input, "-i FACES"), FACES)
    # pandas takes half a second to import: a wrong flag or folder should not wait for it.
    from components.collect.collect import as_table, collect, listing, read_faces

    faces = read_faces(folders)
    collected = collect(
        faces,
        min_examples=settings.min_examples,
        validation=settings.validation,
        test=settings.test,
        drop_duplicates=settings.drop_duplicates,
    )
    dropped = settings.dropped or settings.output.with_name(f"{settings.output.name}-dropped")
    if settings.faces:
        gathered(folders, FACES, settings.faces)
        folders = (settings.faces,)
    about = {
        "faces": [Path(os.path.relpath(folder, settings.output)).as_posix() for folder in folders],
        "min_examples": settings.min_examples,
        "validation": settings.validation,
        "test": settings.test,
        "drop_duplicates": settings.drop_duplicates,
    }
    write(dropped, DROPPED, as_table(collected.dropped, DROPPED.schema))
    write(settings.output, DATASET, as_table(collected.dataset, DATASET.schema), about)
    if settings.json:
        write_file(settings.json, json.dumps(listing(collected.dataset), ensure_ascii=False, indent=1) + "\n")
    if settings.html or settings.markdown:
        from components.collect.card import show

        files = parts(folders, FACES)
        card = show(
            faces, collected, files, settings.min_examples, settings.drop_duplicates, pictures=settings.pictures
        )
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, _metrics(collected))
    _say(collected, settings, dropped)


def _metrics(collected: Collected) -> dict[str, int]:
    identities = collected.dataset.groupby("split")["identity"].nunique()
    reasons = collected.dropped["reason"].value_counts()
    return {
        "faces": len(collected.dataset),
        "identities": int(identities.sum()),
        **{f"{split}_identities": int(identities.get(split, 0)) for split in SPLITS},
        **{f"dropped_{str(reason).replace('-', '_')}": int(count) for reason, count in reasons.items()},
    }


def _say(collected: Collected, settings: Settings, dropped: Path) -> None:
    dataset = collected.dataset
    print(f"{len(dataset)} faces of {dataset['identity'].nunique()} identities in {settings.output}")
    for split in SPLITS:
        rows = dataset[dataset["split"] == split]
        print(f"  {split:<10} {rows['identity'].nunique():>6} identities {len(rows):>8} faces")
    for reason, count in collected.dropped["reason"].value_counts().items():
        print(f"  dropped    {count:>6} faces: {reason} (listed in {dropped})")
    if not settings.drop_duplicates:
        print("  Copies and pictures under two names were not looked for, and are kept.")
    if not (dataset["split"] == TRAIN).any():
        print("  Nobody is left to train on.")
    if dataset.loc[dataset["split"] == TEST, "identity"].nunique() < 2:
        print("  Fewer than two identities are in the test split: too few for an evaluation.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _collect, argv, prog="facenet collect")


if __name__ == "__main__":
    sys.exit(main())
