"""The flags of collect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from components.common.errors import UsageError
from components.common.executor import inputs
from components.common.flags import ExecutorInput, Flag, Html, Inputs, Markdown, Output, Pictures
from components.common.manifest import EMBEDDINGS, FACES, order_shards


@dataclass(frozen=True)
class Settings:
    """Choose the faces to learn from, and the people who are kept unseen for validation and test.

    Of the copies of a picture within an identity one is kept. A picture under two names is dropped under both and
    listed. Identities with too few faces are dropped. The dataset points into the faces manifest and copies no image.

    With --test 1 nobody is left to train on, and everybody can be embedded and measured. A published list of pairs
    names every photo, so keep them all: --test 1 --min_examples 1 --drop_duplicates false.
    """

    output: Output
    """Folder for the dataset; a former dataset there is replaced."""
    input: Inputs = ()
    """The faces manifest that `facenet extract` wrote, or all shards of one."""
    dropped: Path | None = None
    """Folder for the list of dropped faces; without it, DATASET-dropped, beside the dataset."""
    faces: Path | None = None
    """Also put all shards of the faces manifest into this folder, as one manifest, and let the dataset point there."""
    min_examples: int = 2
    """Smallest number of faces of an identity; identities with fewer are dropped."""
    min_quality: float = 0.0
    """Smallest quality of a face, 0 to 100, as `facenet extract` measured it; faces below are dropped."""
    unnamed: Annotated[str, Flag("FOLDER")] = ""
    """The folder of photos whose people have no names: a teacher's network can be learnt on their faces (`facenet
    mine-and-train --teacher`). They are of the train split, and nobody is measured by them."""
    drop_duplicates: bool = True
    """Drop copies of a picture, and pictures under two names; false keeps them all."""
    outliers: tuple[Path, ...] = ()
    """Embeddings of the dataset's faces by any network, which `facenet embed` wrote: list the faces that are unlike the
    others of their person and like somebody else's, and the people whose faces are alike. All of them are kept."""
    drop_outliers: bool = False
    """Also drop the faces that --outliers lists, from every split."""
    validation: float = 0.1
    """Share of identities for the validation split, 0 to 1."""
    test: float = 0.2
    """Share of identities for the test split, 0 to 1; nothing is ever trained or tuned on them. 1 takes everybody."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    listing: Path | None = None
    """Also write the photos of each identity to this file, as {"name": ["name/1.jpg", ...]}."""
    executor_input: ExecutorInput = ""

    @property
    def dropped_folder(self) -> Path:
        """The folder for the list of dropped faces."""
        return self.dropped or self.output.with_name(f"{self.output.name}-dropped")

    def check(self) -> None:
        """Refuses shares out of range, and a faces manifest that is missing or incomplete."""
        if self.min_examples < 1:
            raise UsageError("--min_examples must be at least 1.", received=self.min_examples)
        if not 0 <= self.min_quality <= 100:
            raise UsageError("--min_quality is a number from 0 to 100.", received=self.min_quality)
        shares = self.validation, self.test
        if not (all(0 <= share <= 1 for share in shares) and (self.test == 1 or sum(shares) <= 1)):
            raise UsageError(
                "--validation and --test are shares of the same people.",
                received=f"validation {self.validation:g}, test {self.test:g}",
                advice="Give two numbers from 0 to 1 that add up to 1 at most, or --test 1 for everybody.",
            )
        if self.drop_outliers and not self.outliers:
            raise UsageError(
                "--drop_outliers is of no use without --outliers.",
                advice="Give the embeddings of the faces with --outliers EMBEDDINGS.",
            )
        _ = self.shards, self.embeddings

    @cached_property
    def shards(self) -> tuple[Path, ...]:
        """The folders of the faces, in the order of their shards.

        Raises:
            UsageError: a shard is missing, or is no faces manifest.
        """
        return order_shards(inputs(self.executor_input, "extracted", self.input, "-i FACES"), FACES)

    @cached_property
    def embeddings(self) -> tuple[Path, ...]:
        """The folders of --outliers, in the order of their shards; () when it is not given.

        Raises:
            UsageError: a shard is missing, or is no embeddings manifest.
        """
        return order_shards(self.outliers, EMBEDDINGS) if self.outliers else ()
