"""The stage: crops that others made -> the faces manifest and the rejects manifest."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.common.cores import cores
from components.common.errors import FacenetError
from components.common.executor import write_metrics
from components.common.manifest import FACES, REJECTS, ROWS_PER_GROUP, NothingToWriteError, Writer, writer
from components.common.names import plain
from components.common.preprocessing import Crop
from components.common.progress import progress
from components.common.quantity import quantity
from components.common.shard import WHOLE, Shard
from components.extract.reasons import Reject
from components.import_faces.card import show
from components.import_faces.faces import look_at, photo_path
from components.import_faces.imported import SHOWN, Imported
from components.import_faces.layouts import Found
from components.import_faces.sample import Sample, between_people
from components.import_faces.settings import Settings
from components.import_faces.source import open_source


def run(settings: Settings) -> None:
    """Takes the crops over, writes the manifests, the card and the numbers, and says what was found."""
    imported = import_faces(
        settings.found,
        settings.label,
        settings.output,
        settings.rejects_folder,
        settings.crop,
        settings.workers or cores(),
        Shard.read(settings.shard),
    )
    if settings.html or settings.markdown:
        card = show(imported, settings.output, settings.crop, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, _metrics(imported))
    _print_summary(imported, settings)


def import_faces(
    found: Found, label: str, faces: Path, rejects: Path, crop: Crop, workers: int, shard: Shard = WHOLE
) -> Imported:
    """Takes over the crops of a source; the result is the same for any number of workers.

    Args:
        found: the source, as `layouts.find` found it.
        label: see `open_source`.
        faces: where the faces manifest goes; its rows are in the order of the source.
        rejects: where the rejects manifest goes, in that order too; it is written even when there is no face.
        crop: how the crops were cut out.
        workers: number of processes.
        shard: which part of the source to take; a part may be empty.

    Raises:
        UsageError: the source cannot be read.
        FacenetError: no crop of the source can be used.
    """
    source = open_source(found, label)
    imported = Imported(found.kind, source.left_out)
    start, stop = shard.bounds(source.extent)
    # The rejects are kept where there is no face, and not where the faces could not be written.
    with (
        _no_warnings(),
        writer(rejects, REJECTS, shard=shard) as rejected,
        writer(faces, FACES, {"which_faces": "given", **asdict(crop)}, shard) as rows,
        progress(stop - start, f"import {found.kind}") as bar,
    ):
        waiting: list[dict[str, Any]] = []
        for position, sample, row in look_at(between_people(source, start, stop), workers):
            bar.update(min(position, stop) - start - bar.n)
            if isinstance(row, Reject):
                _reject(imported, rejected, sample, row)
                continue
            imported.faces += 1
            imported.identities[sample.identity] += 1
            waiting.append(row)
            if len(waiting) == ROWS_PER_GROUP:
                rows.add(waiting)
                waiting = []
        rows.add(waiting)
        if not imported.faces and shard == WHOLE:
            raise NothingToWriteError
    if not imported.faces and shard == WHOLE:
        raise _no_face(imported, found)
    return imported


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow remarks on every oddity of an image; what is damaged is rejected by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reject(imported: Imported, rejected: Writer, sample: Sample, reject: Reject) -> None:
    path, reason = photo_path(sample), reject.reason.value
    sha256 = hashlib.sha256(sample.image).hexdigest() if sample.image else None
    rejected.add([{"photo_path": path, "photo_sha256": sha256, "reason": reason, "detail": reject.detail}])
    imported.reasons[reason] += 1
    if len(imported.examples[reason]) < SHOWN:
        imported.examples[reason].append((path, reject.detail))


def _no_face(imported: Imported, found: Found) -> FacenetError:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in imported.reasons.most_common())
    first = [f"{path}: {detail}" for examples in imported.examples.values() for path, detail in examples[:1]]
    return FacenetError(
        "There is no crop in this source that can be used.",
        received=f"{found.files[0]}, {quantity(imported.crops, 'crop')}"
        + (f", all rejected: {reasons}" if reasons else ""),
        advice="\n".join(["Give a source of square JPEG or PNG crops that says whose they are.", *map(plain, first)]),
    )


def _metrics(imported: Imported) -> dict[str, int]:
    return {
        "crops": imported.crops,
        "faces": imported.faces,
        "identities": len(imported.identities),
        "rejected": imported.reasons.total(),
        **{f"rejected_{reason.replace('-', '_')}": count for reason, count in imported.reasons.most_common()},
    }


def _print_summary(imported: Imported, settings: Settings) -> None:
    print(
        f"{quantity(imported.faces, 'face')} of {quantity(len(imported.identities), 'identity', 'identities')} "
        f"in {quantity(imported.crops, 'crop')} ({imported.kind}): {settings.output}"
    )
    for reason, count in imported.reasons.most_common():
        print(f"  rejected   {quantity(count, 'crop')}: {reason} (listed in {settings.rejects_folder})")
    if not_taken := imported.not_taken():
        print(f"  not crops  {not_taken}")
