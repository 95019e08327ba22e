"""The flags of evaluate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from components.common.errors import UsageError
from components.common.executor import inputs
from components.common.flags import ExecutorInput, Html, Inputs, Markdown, Output, Pictures, Seed
from components.common.manifest import EMBEDDINGS, FACES, order_shards


@dataclass(frozen=True)
class Settings:
    """Measure how well embeddings tell people apart, on people kept out of training, and write a report.

    Two faces are called the same person if and only if the Euclidean distance of their embeddings is at most the
    threshold.
    """

    output: Output
    """Folder for the report; a former report there is replaced."""
    input: Inputs = ()
    """The embeddings that `facenet embed` wrote, or all shards of them."""
    pairs: Path | None = None
    """Measure on the pairs of this list instead of pairs drawn from a split: in the format of LFW's pairs.txt, or as
    CFP, AgeDB-30, CALFW, CPLFW, insightface's .bin sets, IJB-B and IJB-C publish them."""
    faces: tuple[Path, ...] = ()
    """The faces manifest, or all shards of it, for pictures of the worst mistakes; without it there are none."""
    slices: Path | None = None
    """Also measure how groups of people differ: a CSV file whose first line is `identity,group`, or names several
    columns. Without it, slices are of photos alone: their format and, with --faces, what is known of each face."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    former: Path | None = None
    """Compare with this former report: its folder, or its metrics.json."""
    split: Literal["train", "validation", "test", "all"] = "test"
    """Split whose faces are measured; with --pairs, where the file names the faces, for identification only."""
    folds: int = 10
    """Number of folds over which accuracy is measured; a pairs file with several folds keeps its own."""
    max_pairs: int = 1_000_000
    """Largest number of pairs to measure on; of more, a random sample is taken. Has no effect with --pairs."""
    seed: Seed = 0
    executor_input: ExecutorInput = ""

    def check(self) -> None:
        """Refuses numbers out of range, and manifests that are missing or incomplete."""
        if self.folds < 2:
            raise UsageError(
                "--folds must be at least 2: a threshold is chosen on the other folds.", received=self.folds
            )
        if self.max_pairs < 2 * self.folds:
            raise UsageError(
                "--max_pairs must be at least twice --folds: each fold needs a same and a different pair.",
                received=f"--max_pairs {self.max_pairs} --folds {self.folds}",
            )
        if self.seed < 0:
            raise UsageError("--seed must not be negative.", received=self.seed)
        _ = self.with_shards

    @cached_property
    def with_shards(self) -> Settings:
        """The same settings, with the folders of the inputs in the order of their shards.

        Raises:
            UsageError: a shard is missing, or is no such manifest.
        """
        embeddings = order_shards(inputs(self.executor_input, "embeddings", self.input, "-i EMBEDDINGS"), EMBEDDINGS)
        faces = order_shards(self.faces, FACES) if self.faces else ()
        return replace(self, input=embeddings, faces=faces)
