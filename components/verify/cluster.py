"""`facenet cluster`: photos of nobody in particular -> people."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from components.common.atomic import check_replaceable, new_directory
from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Flag
from components.common.names import plain
from components.common.quantity import quantity
from components.extract.reasons import Reject
from components.verify.agreement import agreement
from components.verify.corrections import Corrections, KnownFaces, read_corrections, write_corrections
from components.verify.enroll import photos_of_people
from components.verify.faces import EmbeddedFace, embed_photos, no_face_error, photos_of, reject_record
from components.verify.grouping import groups
from components.verify.model import Model, open_model
from components.verify.settings import CORRECTIONS, PhotosOrFolders, ThresholdSettings
from components.verify.threshold import choose_threshold

_PERSON = "person-{:03d}"
Faces = list[tuple[Path, EmbeddedFace]]
Rejects = list[tuple[Path, Reject]]


@dataclass(frozen=True)
class Settings(ThresholdSettings):
    """Sort the faces in photos into people, without knowing any of them."""

    photos: PhotosOrFolders = ()
    """Photos to sort into people, or folders of them."""
    output: Annotated[Path | None, Flag(short="-o")] = None
    """Also copy the photos into a folder for each person: OUTPUT/person-001/..., to name and to enroll. A former result
    is replaced."""
    same: Annotated[tuple[str, ...], Flag("PHOTO")] = ()
    """Two or more of the photos that show one person, whose groups become one. Kept for the next time. PHOTO#2 is the
    second face from the left."""
    different: Annotated[tuple[str, ...], Flag("PHOTO")] = ()
    """Two or more of the photos, each of another person, whose faces never come into one group. Kept for the next
    time."""
    corrections: Annotated[Path, Flag("FILE")] = CORRECTIONS
    """Where --same and --different keep what they say; read whenever it is there."""
    named: bool = False
    """The photos lie in a folder for each person, named after them: also say how well the groups agree with that."""


def _embed(photos: Sequence[Path], model: Model, rejects: Rejects) -> Iterator[tuple[Path, EmbeddedFace]]:
    for photo, seen in zip(photos, embed_photos(photos, model, "all"), strict=True):
        if isinstance(seen, Reject):
            rejects.append((photo, seen))
        else:
            yield from ((photo, each) for each in seen)


def _people(faces: Faces, threshold: float, known: KnownFaces, said: Corrections) -> list[str]:
    """Each face's person, the person of most faces first."""
    embeddings = np.stack([face.embedding for _, face in faces])
    group = groups(embeddings, threshold, *known.pairs(said)).tolist()
    rank = {number: place for place, (number, _) in enumerate(Counter(group).most_common(), 1)}
    return [_PERSON.format(rank[number]) for number in group]


def _copy(output: Path, records: Sequence[dict[str, Any]]) -> None:
    with new_directory(output, ["person-*"]) as folder:
        for number, record in enumerate(records, 1):
            photo, person = Path(record["photo"]), folder / record["person"]
            person.mkdir(exist_ok=True)
            # Photos of different folders may have one name.
            shutil.copyfile(photo, person / f"{photo.stem[:60]}-{number}{photo.suffix}")


def _correct(settings: Settings, known: KnownFaces) -> Corrections:
    """What was said, with what is said now, which is kept."""
    said = read_corrections(settings.corrections)
    more = said.with_more(*(tuple(map(known.named, each)) for each in (settings.same, settings.different)))
    known.check(more)
    if more != said:
        write_corrections(settings.corrections, more)
    return more


def _agreement(faces: Faces, people: Sequence[str], name_of: dict[Path, str]) -> dict[str, Any]:
    """How well the groups agree with the folders. Of several faces in a photo nothing says whose is the folder's."""
    seen = Counter(photo for photo, _ in faces)
    alone = [(person, name_of[photo]) for person, (photo, _) in zip(people, faces, strict=True) if seen[photo] == 1]
    named = [name for _, name in alone]
    about = {"faces": len(alone), "people": len(set(named)), "left_out": len(faces) - len(alone)}
    return {**about, **asdict(agreement([person for person, _ in alone], named))}


def _cluster(settings: Settings) -> None:
    for flag in ("same", "different"):
        if len(getattr(settings, flag)) == 1:
            raise UsageError(
                f"--{flag} takes two photos or more.",
                received=getattr(settings, flag)[0],
                advice=f"For example: facenet cluster FOLDER --{flag} A.jpg B.jpg",
            )
    rejects: Rejects = []
    name_of: dict[Path, str] = {}
    if settings.named and settings.photos:
        name_of = dict(photos_of_people(settings.photos, rejects))
    photos = list(name_of or dict.fromkeys(photos_of(settings.photos, rejects)))
    if settings.output is not None:
        check_replaceable(settings.output, ["person-*"])
    said = read_corrections(settings.corrections)  # an unreadable file is to be known before the photos are looked at
    model = open_model(settings)
    threshold = choose_threshold(settings, model)
    faces = list(_embed(photos, model, rejects))
    if not faces:
        raise no_face_error(rejects)
    asked = said or settings.same or settings.different
    known = KnownFaces([(photo, each.face.box) for photo, each in faces] if asked else [])  # reads every photo again
    said = _correct(settings, known)
    people = _people(faces, threshold.distance, known, said)
    records = [
        {"person": person, "photo": str(photo), "box": each.face.box}
        for person, (photo, each) in zip(people, faces, strict=True)
    ]
    records.sort(key=lambda record: str(record["person"]))
    if settings.output is not None:
        _copy(settings.output, records)
    corrections = {
        "file": str(settings.corrections),
        "same": len(said.same),
        "different": len(said.different),
        "missing": [{"photo": photo, "detail": why} for photo, why in known.missing(said).items()],
    }
    about = {
        "model": model.to_json(),
        "threshold": threshold.to_json(),
        "faces": records,
        "rejected": [reject_record(*each) for each in rejects],
        "corrections": corrections if said else None,
        "agreement": _agreement(faces, people, name_of) if settings.named else None,
    }
    if settings.json:
        print(json.dumps(about, indent=1))
        return
    _print(about, len(photos))
    print(threshold)


def _print(about: dict[str, Any], photos: int) -> None:
    for record in about["faces"]:
        print(f"{record['person']}  {plain(record['photo'])}  " + "{},{} to {},{}".format(*record["box"]))
    for record in about["rejected"]:
        print(f"rejected    {plain(record['photo'])}  {record['reason']}, {plain(record['detail'])}")
    if said := about["corrections"]:
        for record in said["missing"]:
            print(f"missing     {plain(record['photo'])}  named in {plain(said['file'])}; {record['detail']}")
        same, different = (quantity(said[kind], "time") for kind in ("same", "different"))
        print(f"{plain(said['file'])}: photos said to show one person {same}, different people {different}")
    sizes = Counter(record["person"] for record in about["faces"])
    alone = sum(size == 1 for size in sizes.values())
    print(f"{len(about['faces'])} faces in {photos} photos: {len(sizes)} people, {alone} of them seen once")
    if agrees := about["agreement"]:
        print(_agreement_line(agrees))


def _agreement_line(agrees: dict[str, Any]) -> str:
    share = {name: "none" if value is None else f"{value:.3f}" for name, value in agrees.items()}
    line = (
        "Against the folders, precision and recall: "
        f"{share['b_cubed_precision']} and {share['b_cubed_recall']} (B-cubed), "
        f"{share['pairwise_precision']} and {share['pairwise_recall']} (pairs), "
        f"of {quantity(agrees['faces'], 'face')} of {quantity(agrees['people'], 'person', 'people')}"
    )
    return line + f"; {agrees['left_out']} in photos of several faces left out" * bool(agrees["left_out"])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _cluster, argv, prog="facenet cluster")


if __name__ == "__main__":
    sys.exit(main())
