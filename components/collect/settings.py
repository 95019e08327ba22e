"""The flags of collect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from components.common.errors import UsageError
from components.common.executor import inputs
from components.common.flags import ExecutorInput, Html, Inputs, Markdown, Output, Pictures
from components.common.manifest import FACES, joined


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
    drop_duplicates: bool = True
    """false: copies of a picture are kept, and pictures under two names."""
    validation: float = 0.1
    """Share of identities for validation."""
    test: float = 0.2
    """Share of identities for the test; nothing is ever trained or tuned on them. 1 takes everybody."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    listing: Path | None = None
    """Also write the classic listing, {"name": ["face", ...]}, to this file."""
    executor_input: ExecutorInput = ""

    @property
    def dropped_folder(self) -> Path:
        """Where the list of dropped faces goes."""
        return self.dropped or self.output.with_name(f"{self.output.name}-dropped")

    def check(self) -> None:
        """Refuses shares that are none, and faces that are not there or not whole."""
        if self.min_examples < 1:
            raise UsageError("--min_examples must be at least 1.", received=self.min_examples)
        shares = self.validation, self.test
        if not (all(0 <= share <= 1 for share in shares) and (self.test == 1 or sum(shares) <= 1)):
            raise UsageError(
                "--validation and --test are shares of the same people.",
                received=f"validation {self.validation:g}, test {self.test:g}",
                advice="Give two numbers from 0 to 1 that add up to 1 at most, or --test 1 for everybody.",
            )
        _ = self.shards

    @cached_property
    def shards(self) -> tuple[Path, ...]:
        """The folders of the faces, in the order of their shards.

        Raises:
            UsageError: they are not there, or not whole.
        """
        return joined(inputs(self.executor_input, "extracted", self.input, "-i FACES"), FACES)
