"""From a checkpoint to LiteRT files that were compared with it."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.common import published
from components.common.atomic import new_directory
from components.common.crops import check_crop, decode_crops, faces_of
from components.common.errors import FacenetError
from components.common.manifest import DATASET, read, unnamed
from components.evaluate.protocols import Protocol
from components.evaluate.score import protocol_for
from components.export.convert import convert
from components.export.faces import by_split, calibration_rows, held_out_rows
from components.export.parity import Embeddings, parity, shortfalls
from components.export.results import FILES, MODEL_CARD, RECORD, Export, ExportedFile, file_of, line, model_card
from components.export.settings import Settings
from components.litert.embedder import LiteRTEmbedder
from components.litert.parallel import ParallelEmbedder
from components.litert.report import (
    identification_of,
    published_identification,
    published_thresholds,
    read_report,
    thresholds_of,
)
from components.litert.specification import record_of
from components.model.checkpoint import Checkpoint, describe, load
from components.model.network import embedder_for

_TIMED_RUNS = 20


@dataclass(frozen=True)
class _HeldOut:
    """Faces that the network was not trained on, and what it makes of them.

    Args:
        images: uint8 [n, s, s, 3].
        original: float32 [n, size], the network's own embeddings.
        protocol: pairs of them; None when they make none.
        note: what there is to say of the pairs.
    """

    images: npt.NDArray[np.uint8]
    original: Embeddings
    protocol: Protocol | None
    note: str

    def measure(self, variant: str, file: Path, embed: LiteRTEmbedder, milliseconds: float) -> ExportedFile:
        """Runs a file on the faces."""
        return ExportedFile(
            variant=variant,
            file=file.name,
            sha256=embed.sha256,
            bytes=file.stat().st_size,
            milliseconds=milliseconds,
            parity=parity(ParallelEmbedder(file)(self.images), self.original, self.protocol),
        )


def export(settings: Settings) -> Export:
    """Exports the chosen variants.

    Raises:
        UsageError: inputs that do not belong together.
        FacenetError: a variant does not keep its bound, and nothing is written; or the dataset lacks a split.
    """
    rows = read(settings.input, DATASET)
    faces = faces_of(settings.input, settings.faces)
    checkpoint = load(settings.checkpoint)
    image_size = checkpoint.preprocessing.image_size
    share = check_crop(faces, settings.checkpoint, checkpoint.preprocessing.crop)
    metrics = read_report(settings.report, checkpoint.sha256) if settings.report else None
    description = describe(settings.checkpoint)
    # dlib's network was evaluated on more people than most have, which is better than an evaluation that says nothing.
    is_dlibs = published.is_kept(description)
    as_published = is_dlibs and (metrics is None or bool(metrics.get("doubt")))
    thresholds = published_thresholds() if as_published else thresholds_of(metrics) if metrics else ()
    galleries = published_identification() if as_published else identification_of(metrics) if metrics else ()
    # Of a network that was trained on nobody here there is nothing to calibrate on, and only int8 asks for it.
    chosen = calibration_rows(rows, settings.calibration, settings.seed) if "int8" in settings.chosen else rows[:0]
    calibration = decode_crops(chosen, faces, image_size, share)
    unseen = held_out_rows(rows, settings.held_out, settings.seed)
    held_out = _hold_out(settings, checkpoint, unseen, decode_crops(unseen, faces, image_size, share))
    with new_directory(settings.output, FILES) as folder:
        files = {variant: folder / file_of(variant) for variant in settings.chosen}
        for variant, file in files.items():
            about = _about(checkpoint, variant, metrics)
            record = record_of(checkpoint.preprocessing.to_json(), thresholds, about, galleries)
            scaling = checkpoint.preprocessing.scaling
            file.write_bytes(convert(checkpoint.network, variant, record, calibration, scaling))
        embedders = [LiteRTEmbedder(file, threads=1) for file in files.values()]
        times = _milliseconds(embedders, held_out.images[:1])
        exported = []
        for (variant, file), embed, milliseconds in zip(files.items(), embedders, times, strict=True):
            exported.append(held_out.measure(variant, file, embed, milliseconds))
            print(line(exported[-1]), flush=True)
        _check(exported)
        result = Export(
            exported, checkpoint.sha256, len(held_out.images), _machine(), _notes(held_out, metrics, as_published)
        )
        (folder / RECORD).write_text(result.to_json())
        if is_dlibs:
            description["origin"] = published.ORIGIN
        values: dict[str, Any] = {"description": description, "splits": by_split(rows), "metrics": metrics}
        values["unnamed"] = pc.sum(unnamed(rows)).as_py() or 0
        values["thresholds"] = thresholds if as_published else ()
        values["galleries"] = galleries
        (folder / MODEL_CARD).write_text(model_card(result, values))
    return result


def _hold_out(settings: Settings, checkpoint: Checkpoint, unseen: pa.Table, images: npt.NDArray[np.uint8]) -> _HeldOut:
    people = np.unique(unseen["identity"].to_numpy(), return_inverse=True)[1]
    protocol, note = protocol_for(people, settings.seed)
    print(note)
    embed = embedder_for(checkpoint.network, checkpoint.preprocessing)
    return _HeldOut(images, embed(images), protocol, note)


def _about(checkpoint: Checkpoint, variant: str, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """What else a file says of itself."""
    about = {"variant": variant, "checkpoint_sha256": checkpoint.sha256, **checkpoint.architecture.to_json()}
    if metrics is not None:
        about["evaluation"] = {
            "accuracy": metrics["accuracy"]["mean"],
            "standard_error": metrics["accuracy"]["standard_error"],
            "threshold": metrics["threshold"],
            "protocol": metrics["protocol"],
        }
    return about


def _milliseconds(embedders: Sequence[LiteRTEmbedder], images: npt.NDArray[np.uint8]) -> list[float]:
    """For one run of each, in turns: what else the machine does is then done to all of them."""
    times = np.empty((_TIMED_RUNS + 1, len(embedders)))
    for run in times:
        for number, embed in enumerate(embedders):
            start = time.perf_counter()
            embed(images)
            run[number] = time.perf_counter() - start
    least: list[float] = (1000 * times[1:].min(axis=0)).tolist()  # the first warms up; anything else only adds
    return least


def _machine() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        match = re.search(r"^(?:model name|Model)\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.machine()


def _notes(held_out: _HeldOut, metrics: dict[str, Any] | None, as_published: bool) -> list[str]:
    if as_published:
        return [held_out.note, f"The thresholds in the files are by {published.EVALUATED_ON}."]
    if metrics is not None:
        return [held_out.note]
    return [held_out.note, "No report of an evaluation was given: the files hold no thresholds."]


def _check(exported: list[ExportedFile]) -> None:
    missed = [sentence for one in exported for sentence in shortfalls(one.variant, one.parity)]
    if missed:
        raise FacenetError(
            "An exported network does not see faces as its original does.",
            received="; ".join(missed),
            advice="Leave that variant out with --variants (of a run: --set export=float32), or give more faces with "
            "--calibration and --held_out.",
        )
