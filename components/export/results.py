"""The results of an export: LiteRT files, a record of them, a model card, and the card that the UI shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.common.atomic import new_directory
from components.common.executor import write_metrics
from components.evaluate.numbers import NUMBERS
from components.export.parity import BOUNDS, Parity
from components.page.templates import fill_card, fill_template

VARIANTS = tuple(BOUNDS)
RECORD = "export.json"
MODEL_CARD = "model-card.md"
FILES = ("facenet-*.tflite", RECORD, MODEL_CARD)


@dataclass(frozen=True)
class ExportedFile:
    """A LiteRT file and what was measured of it.

    Args:
        variant: one of `VARIANTS`.
        file: its name.
        sha256: of the file; names it in embeddings and galleries.
        bytes: its size.
        milliseconds: for one embedding, the least of some runs, on one core of the machine that exported it.
        parity: how it compares with the network.
    """

    variant: str
    file: str
    sha256: str
    bytes: int
    milliseconds: float
    parity: Parity


def file_of(variant: str) -> str:
    """The name of a variant's file."""
    return f"facenet-{variant}.tflite"


def line(one: ExportedFile) -> str:
    """A file in a line for people."""
    parity = one.parity
    score = "" if parity.accuracy is None else f", accuracy {parity.accuracy:.2%} (original {parity.original:.2%})"
    return (
        f"{one.file:<23} {one.bytes / 1e6:6.1f} MB {one.milliseconds:7.1f} ms on one core, cosine to the original "
        f"{parity.minimum:.5f} or more, {parity.mean:.5f} on average{score}"
    )


# Times within this of the fastest are taken as the same.
_ABOUT_AS_FAST = 1.1


@dataclass(frozen=True)
class Export:
    """All files of an export.

    Args:
        exported: the files; none when the export is switched off.
        checkpoint_sha256: of the network they were made from.
        faces: how many they were compared on.
        machine: what they were measured on.
        notes: what a reader of the numbers must know, in sentences.
    """

    exported: Sequence[ExportedFile] = ()
    checkpoint_sha256: str = ""
    faces: int = 0
    machine: str = ""
    notes: Sequence[str] = field(default=("The export is switched off: no variant is asked for.",))

    @property
    def best(self) -> str:
        """The file to use unless something speaks for another; empty when there is none.

        All of them keep their bounds, so it is the fastest; of those that are about as fast, the smallest.
        """
        if not self.exported:
            return ""
        limit = _ABOUT_AS_FAST * min(one.milliseconds for one in self.exported)
        return min((one for one in self.exported if one.milliseconds <= limit), key=lambda one: one.bytes).file

    def to_json(self) -> str:
        """What `export.json` holds."""
        return json.dumps({"best": self.best, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    def metrics(self) -> dict[str, float | int]:
        """What Kubeflow's UI shows as numbers: few enough of two variants for a page of its table; the card has all."""
        numbers: dict[str, float | int] = {"files": len(self.exported)}
        for one in self.exported:
            numbers[f"{one.variant}_bytes"] = one.bytes
            numbers[f"{one.variant}_milliseconds"] = one.milliseconds
            numbers[f"{one.variant}_cosine_minimum"] = one.parity.minimum
            if one.parity.accuracy is not None:
                numbers[f"{one.variant}_accuracy"] = one.parity.accuracy
        return numbers

    def write_card(self, html: Path | None, markdown: Path | None, executor_input: str) -> None:
        """Writes the card where it was asked for, and the numbers for Kubeflow's UI."""
        values = {**vars(self), "best": self.best, "bounds": BOUNDS}
        fill_card(Path(__file__).parent, values).write(html, markdown)
        write_metrics(executor_input, self.metrics())


def model_card(export: Export, values: Mapping[str, Any]) -> str:
    """The text of `model-card.md`.

    Args:
        export: the files.
        values: description (of the checkpoint), splits (rows of split, people, faces), unnamed (how many faces of
            people without names there are besides), metrics (of the evaluation, None without one), thresholds (rows as
            `published.THRESHOLDS`, where those take the place of the evaluation's), galleries (the thresholds
            for these).
    """
    metrics = values["metrics"]
    scores = [(one.label, one.as_text(one.of(metrics))) for one in NUMBERS] if metrics else []
    return fill_template(
        Path(__file__).parent, MODEL_CARD, {**vars(export), "best": export.best, "numbers": scores, **values}
    )


def export_nothing(output: Path) -> Export:
    """The result of an export of no variant.

    A pipeline always has this task, and that it is switched off must be an ordinary result, which every runner knows.
    """
    export = Export()
    with new_directory(output, FILES) as folder:
        (folder / RECORD).write_text(export.to_json())
    return export
