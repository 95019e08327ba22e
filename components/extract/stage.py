"""The stage: a folder of photos -> the faces manifest and the rejects manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from components.common.alignment import NONE
from components.common.atomic import new_directory
from components.common.cores import cores
from components.common.errors import FacenetError
from components.common.executor import write_metrics
from components.common.manifest import FACES, REJECTS, ROWS_PER_GROUP, NothingToWriteError, writer
from components.common.names import plain
from components.common.progress import progress
from components.common.quantity import quantity
from components.common.shard import WHOLE, Shard
from components.extract.align import landmark_model
from components.extract.card import show
from components.extract.contents import check_contents
from components.extract.extracted import Extracted
from components.extract.photo import Extraction, Face, Outcome, detector_name
from components.extract.photos import extract_photos
from components.extract.reasons import Reject
from components.extract.scan import identity_of, order, other_files, part, scan, shadow_folders
from components.extract.settings import Settings


def run(settings: Settings) -> None:
    """Finds the faces, writes the manifests, the card and the numbers, and says what was found."""
    by_dlib = settings.crop.alignment != NONE and settings.detector == "dlib"
    landmarks = landmark_model(settings.landmarks) if by_dlib else None
    if settings.contents:
        check_contents(settings.input, settings.contents)
    extracted = extract(
        settings.input,
        settings.output,
        settings.rejects_folder,
        settings.write_images,
        Extraction(settings.faces, settings.crop, landmarks, settings.max_pixels),
        settings.workers or cores(),
        Shard.read(settings.shard),
    )
    if settings.html or settings.markdown:
        card = show(extracted, settings.input, settings.output, settings.max_pixels, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, _metrics(extracted))
    _print_summary(extracted, settings)


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
        UsageError: no photos in the folder, or no such detector here.
        FacenetError: no face in any photo of the folder.
    """
    detector = detector_name(extraction.crop.finder)
    extracted = Extracted(part(scan(photos), shard))
    about = {
        "which_faces": extraction.which,
        **asdict(extraction.crop),
        "detector": detector,
    }
    for path, reject in extracted.scan.rejects.items():
        _reject(extracted, path, None, reject)
    # The rejects are kept where there is no face, and not where the faces could not be written.
    with writer(rejects, REJECTS, shard=shard) as rejected:
        with (
            writer(faces, FACES, about, shard) as rows,
            _image_folder(images) as folder,
        ):
            waiting: list[dict[str, Any]] = []
            for path, outcome in _outcomes(photos, extracted.scan.photos, extraction, workers):
                _count(extracted, path, outcome)
                waiting += [_row(path, outcome, face, detector) for face in outcome.faces]
                if len(waiting) >= ROWS_PER_GROUP:
                    rows.add(waiting)
                    waiting = []
                if folder is not None:
                    _write_images(folder, path, outcome.faces)
            rows.add(waiting)
            if not extracted.faces and shard == WHOLE:
                raise NothingToWriteError
        extracted.rejects.sort(key=lambda row: order(str(row["photo_path"])))
        rejected.add(extracted.rejects)
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


def _row(path: str, outcome: Outcome, face: Face, detector: str) -> dict[str, Any]:
    return {
        "photo_path": path,
        "photo_sha256": outcome.sha256,
        "identity": identity_of(path),
        "detector": detector,
        **asdict(face),
        **asdict(face.quality),  # also puts the number in the place of the record
    }


def _reject(extracted: Extracted, path: str, sha256: str | None, reject: Reject) -> None:
    extracted.rejects.append(
        {"photo_path": path, "photo_sha256": sha256, "reason": reject.reason.value, "detail": reject.detail}
    )


def _count(extracted: Extracted, path: str, outcome: Outcome) -> None:
    if outcome.misnamed:
        extracted.misnamed[outcome.misnamed] += 1
    if outcome.reject is not None:
        _reject(extracted, path, outcome.sha256, outcome.reject)
    else:
        extracted.faces += len(outcome.faces)
        extracted.identities[identity_of(path)] += len(outcome.faces)


def _no_face(extracted: Extracted, rejects: Path) -> FacenetError:
    reasons = ", ".join(f"{count} {reason}" for reason, count in extracted.reasons().items())
    return FacenetError(
        "There is no face in any photo.",
        received=f"{quantity(extracted.photos, 'photo')}, all rejected: {reasons}",
        advice="\n".join(
            [
                f"The rejects manifest says it photo by photo: {rejects}",
                *(f"Not read: {one}" for one in extracted.unread()),
            ]
        ),
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


def _metrics(extracted: Extracted) -> dict[str, int]:
    return {
        "photos": extracted.photos,
        "faces": extracted.faces,
        "identities": len(extracted.identities),
        "rejected": len(extracted.rejects),
        **{f"rejected_{reason.replace('-', '_')}": count for reason, count in extracted.reasons().items()},
    }


def _print_summary(extracted: Extracted, settings: Settings) -> None:
    print(
        f"{quantity(extracted.faces, 'face')} of {quantity(len(extracted.identities), 'identity', 'identities')} "
        f"in {quantity(extracted.photos, 'photo')}: {settings.output}"
    )
    for reason, count in extracted.reasons().items():
        print(f"  rejected   {quantity(count, 'photo')}: {reason} (listed in {settings.rejects_folder})")
    for what, count in extracted.unread().items():
        print(f"  not read   {quantity(count, 'photo')}: {what}")
    if extracted.misnamed:
        photos = quantity(extracted.misnamed.total(), "photo")
        print(f"  misnamed   {photos}: {extracted.misnamed_as()}; read as what they hold")
    if extracted.scan.other:
        print(f"  not photos {quantity(extracted.scan.other.total(), 'file')}: {other_files(extracted.scan)}")
    if extracted.scan.hidden:
        print(f"  hidden     {extracted.scan.hidden:>6} files and folders, not looked into")
    if extracted.scan.shadows:
        print(f"  left out   {extracted.scan.shadows.total():>6} folders of copies: {shadow_folders(extracted.scan)}")
    for loop in extracted.scan.loops:
        print(f"  not followed: {plain(loop)}, a link to a folder that contains it")
    if settings.write_images:
        print(f"  crops as files: {settings.write_images}")
