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

from components.common.atomic import new_directory
from components.common.crops import crop_of, decoded, faces_of
from components.common.errors import FacenetError, UsageError
from components.common.manifest import DATASET, Folders, read
from components.evaluate.protocols import Protocol
from components.evaluate.score import protocol_for
from components.export import evaluation
from components.export.convert import converted, saved
from components.export.faces import by_split, calibration_rows, held_out_rows
from components.export.parity import Embeddings, parity, shortfalls
from components.export.results import FILES, MODEL_CARD, RECORD, Export, Exported, file_of, line, model_card
from components.export.settings import Settings
from components.litert import metadata
from components.litert.embedder import Embedder as LiteRT
from components.litert.parallel import ParallelEmbedder
from components.litert.specification import record_of
from components.model.checkpoint import Checkpoint, describe, load
from components.model.network import Embedder

_TIMED_RUNS = 20


@dataclass(frozen=True)
class _Compared:
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

    def measured(self, variant: str, file: Path, embed: LiteRT, milliseconds: float) -> Exported:
        """Runs a file on the faces."""
        return Exported(
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
    checkpoint = _checkpoint(settings.checkpoint, faces)
    metrics = evaluation.read(settings.report, checkpoint.sha256) if settings.report else None
    chosen = calibration_rows(rows, settings.calibration, settings.seed)
    calibration = decoded(chosen, faces, checkpoint.preprocessing.image_size)
    compared = _compared(settings, checkpoint, rows, faces)
    with new_directory(settings.output, FILES) as folder:
        files = {variant: folder / file_of(variant) for variant in settings.chosen}
        with saved(checkpoint.network) as model:
            for variant, file in files.items():
                record = _record(checkpoint, variant, metrics)
                content = converted(model, variant, calibration, checkpoint.preprocessing.scaling)
                file.write_bytes(metadata.added(content, record))
        embedders = [LiteRT(file, threads=1) for file in files.values()]
        times = _milliseconds(embedders, compared.images[:1])
        exported = []
        for (variant, file), embed, milliseconds in zip(files.items(), embedders, times, strict=True):
            exported.append(compared.measured(variant, file, embed, milliseconds))
            print(line(exported[-1]), flush=True)
        _check(exported)
        result = Export(exported, checkpoint.sha256, len(compared.images), _machine(), _notes(compared, metrics))
        (folder / RECORD).write_text(result.to_json())
        told = {"description": describe(settings.checkpoint), "splits": by_split(rows), "metrics": metrics}
        (folder / MODEL_CARD).write_text(model_card(result, told))
    return result


def _checkpoint(path: Path, faces: Folders) -> Checkpoint:
    checkpoint, crop = load(path), crop_of(faces)
    if crop != checkpoint.preprocessing.crop:
        raise UsageError(
            "These faces were not cut out the way the network was trained.",
            received=f"faces: {crop}; {path}: {checkpoint.preprocessing.crop}",
            advice="Give the dataset that it was trained on.",
        )
    return checkpoint


def _compared(settings: Settings, checkpoint: Checkpoint, rows: pa.Table, faces: Folders) -> _Compared:
    spec = checkpoint.preprocessing
    unseen = held_out_rows(rows, settings.held_out, settings.seed)
    people = np.unique(unseen["identity"].to_numpy(), return_inverse=True)[1]
    protocol, note = protocol_for(people, settings.seed)
    print(note)
    images = decoded(unseen, faces, spec.image_size)
    embed = Embedder(checkpoint.network, flip_averaging=spec.flip_averaging, scaling=spec.scaling)
    return _Compared(images, embed(images), protocol, note)


def _record(checkpoint: Checkpoint, variant: str, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """What a file says of itself."""
    about = {"variant": variant, "checkpoint_sha256": checkpoint.sha256, **checkpoint.architecture.to_json()}
    if metrics is None:
        return record_of(checkpoint.preprocessing.to_json(), (), about)
    about["evaluation"] = {
        "accuracy": metrics["accuracy"]["mean"],
        "standard_error": metrics["accuracy"]["standard_error"],
        "threshold": metrics["threshold"],
        "protocol": metrics["protocol"],
    }
    return record_of(checkpoint.preprocessing.to_json(), evaluation.thresholds(metrics), about)


def _milliseconds(embedders: Sequence[LiteRT], images: npt.NDArray[np.uint8]) -> list[float]:
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
        found = re.search(r"^(?:model name|Model)\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def _notes(compared: _Compared, metrics: dict[str, Any] | None) -> list[str]:
    if metrics is not None:
        return [compared.note]
    return [compared.note, "No report of an evaluation was given: the files hold no thresholds."]


def _check(exported: list[Exported]) -> None:
    missed = [sentence for one in exported for sentence in shortfalls(one.variant, one.parity)]
    if missed:
        raise FacenetError(
            "An exported network does not see faces as its original does.",
            received="; ".join(missed),
            advice="Leave that variant out with --variants (of a run: --set export=float32), or give more faces with "
            "--calibration and --held_out.",
        )
