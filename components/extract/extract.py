"""The stage: a folder of photos -> the faces manifest and the rejects manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from components.common.atomic import new_directory
from components.common.errors import FacenetError
from components.common.manifest import FACES, REJECTS, ROWS_PER_GROUP, write, writer
from components.common.progress import progress
from components.common.shard import WHOLE, Shard
from components.extract.detect import NAME
from components.extract.photo import Extraction, Face, Outcome
from components.extract.photos import extract_photos
from components.extract.reasons import Reject
from components.extract.scan import Scan, identity_of, order, part, scan


@dataclass
class Extracted:
    """What a folder of photos gave.

    Args:
        scan: what lay in the folder.
        faces: number of faces.
        identities: number of faces of each person with at least one.
        rejects: rows of the rejects manifest.
    """

    scan: Scan
    faces: int = 0
    identities: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def photos(self) -> int:
        """Number of photos, those that were rejected included."""
        return len(self.scan.photos) + len(self.scan.rejects)

    def reasons(self) -> dict[str, int]:
        """Number of rejected photos by reason, the commonest first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())


def extract(
    photos: Path,
    faces: Path,
    rejects: Path,
    images: Path | None,
    extraction: Extraction,
    workers: int,
    shard: Shard = WHOLE,
) -> Extracted:
    """Finds the faces in a folder of photos; the result is the same for any number of workers.

    Args:
        photos: a folder with a folder for each person.
        faces: where the faces manifest goes; its rows are sorted by photo, then by box.
        rejects: where the rejects manifest goes, sorted by photo; it is written even when there is no face.
        images: where the crops go as files as well.
        extraction: how faces are taken from a photo.
        workers: number of processes.
        shard: which part of the photos to take; a part may be empty.

    Raises:
        UsageError: no photos in the folder.
        FacenetError: no face in any photo of the folder.
    """
    extracted = Extracted(part(scan(photos), shard))
    about = {
        "which_faces": extraction.which,
        "margin": extraction.margin,
        "alignment": "none" if extraction.landmarks is None else "five-point",
        "detector": NAME,
    }
    for path, reject in extracted.scan.rejects.items():
        _reject(extracted, path, None, reject)
    with writer(faces, FACES, about, shard) as rows, _image_folder(images) as folder:
        waiting: list[dict[str, Any]] = []
        for path, outcome in _outcomes(photos, extracted.scan.photos, extraction, workers):
            _count(extracted, path, outcome)
            waiting += [_row(path, outcome, face) for face in outcome.faces]
            if len(waiting) >= ROWS_PER_GROUP:
                rows.add(waiting)
                waiting = []
            if folder is not None:
                _write_images(folder, path, outcome.faces)
        rows.add(waiting)
        extracted.rejects.sort(key=lambda row: order(str(row["photo_path"])))
        write(rejects, REJECTS, pa.Table.from_pylist(extracted.rejects, schema=REJECTS.schema), shard=shard)
        if not extracted.faces and shard == WHOLE:
            raise _no_face(extracted, rejects)
    return extracted


def _outcomes(root: Path, paths: list[str], extraction: Extraction, workers: int) -> Iterator[tuple[str, Outcome]]:
    with progress(len(paths), "find faces") as bar:
        for path, outcome in zip(
            paths, extract_photos([root / path for path in paths], extraction, workers), strict=True
        ):
            yield path, outcome
            bar.update()


def _row(path: str, outcome: Outcome, face: Face) -> dict[str, Any]:
    return {
        "photo_path": path,
        "photo_sha256": outcome.sha256,
        "identity": identity_of(path),
        "detector": NAME,
        **asdict(face),
    }


def _reject(extracted: Extracted, path: str, sha256: str | None, reject: Reject) -> None:
    extracted.rejects.append(
        {"photo_path": path, "photo_sha256": sha256, "reason": reject.reason.value, "detail": reject.detail}
    )


def _count(extracted: Extracted, path: str, outcome: Outcome) -> None:
    if outcome.reject is not None:
        _reject(extracted, path, outcome.sha256, outcome.reject)
    else:
        extracted.faces += len(outcome.faces)
        extracted.identities[identity_of(path)] += len(outcome.faces)


def _no_face(extracted: Extracted, rejects: Path) -> FacenetError:
    reasons = ", ".join(f"{count} {reason}" for reason, count in extracted.reasons().items())
    return FacenetError(
        "There is no face in any photo.",
        received=f"{extracted.photos} photos, all rejected: {reasons}",
        advice=f"The rejects manifest says it photo by photo: {rejects}",
    )


@contextmanager
def _image_folder(path: Path | None) -> Iterator[Path | None]:
    if path is None:
        yield None
    else:
        with new_directory(path, holds=[]) as folder:
            yield folder


def _write_images(folder: Path, photo_path: str, faces: tuple[Face, ...]) -> None:
    # The face's id tells apart `1.jpg` and `1.png`, and the faces of one photo; 200 bytes leave room for it.
    stem = PurePosixPath(photo_path).stem.encode()[:200].decode(errors="ignore")
    target = folder / PurePosixPath(photo_path).parent
    for face in faces:
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{stem}-{face.face_id[:8]}.jpg").write_bytes(face.image)
