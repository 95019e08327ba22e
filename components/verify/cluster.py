"""`facenet cluster`: photos of nobody in particular -> people."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from components.common.atomic import check_replaceable, new_directory
from components.common.command import run
from components.common.flags import Flag
from components.common.names import plain
from components.extract.reasons import Reject
from components.verify.faces import EmbeddedFace, embed_photos, no_face_error, photos_of, reject_record
from components.verify.grouping import groups
from components.verify.model import open_model
from components.verify.settings import PhotosOrFolders, ThresholdSettings
from components.verify.threshold import choose_threshold

_PERSON = "person-{:03d}"


@dataclass(frozen=True)
class Settings(ThresholdSettings):
    """Sort the faces in photos into people, without knowing any of them."""

    photos: PhotosOrFolders = ()
    """Photos to sort into people, or folders of them."""
    output: Annotated[Path | None, Flag(short="-o")] = None
    """Also copy the photos into a folder for each person: OUTPUT/person-001/..., to name and to enroll. A former result
    is replaced."""


def _people(seen: Sequence[EmbeddedFace], threshold: float) -> list[int]:
    """The number of each face's person, from 1, the person of most faces first."""
    group = groups(np.stack([each.embedding for each in seen]), threshold).tolist()
    rank = {number: place for place, (number, _) in enumerate(Counter(group).most_common(), 1)}
    return [rank[number] for number in group]


def _copy(output: Path, records: Sequence[dict[str, Any]]) -> None:
    with new_directory(output, ["person-*"]) as folder:
        for number, record in enumerate(records, 1):
            photo, person = Path(record["photo"]), folder / record["person"]
            person.mkdir(exist_ok=True)
            # Photos of different folders may have one name.
            shutil.copyfile(photo, person / f"{photo.stem[:60]}-{number}{photo.suffix}")


def _cluster(settings: Settings) -> None:
    rejects: list[tuple[Path, Reject]] = []
    photos = photos_of(settings.photos, rejects)
    if settings.output is not None:
        check_replaceable(settings.output, ["person-*"])
    model = open_model(settings)
    threshold = choose_threshold(settings, model)
    faces: list[tuple[Path, EmbeddedFace]] = []
    for photo, seen in zip(photos, embed_photos(photos, model, "all"), strict=True):
        if isinstance(seen, Reject):
            rejects.append((photo, seen))
        else:
            faces += [(photo, each) for each in seen]
    if not faces:
        raise no_face_error(rejects)
    records = [
        {"person": _PERSON.format(person), "photo": str(photo), "box": each.face.box}
        for person, (photo, each) in zip(_people([each for _, each in faces], threshold.distance), faces, strict=True)
    ]
    records.sort(key=lambda record: str(record["person"]))
    if settings.output is not None:
        _copy(settings.output, records)
    if settings.json:
        about = {"model": model.to_json(), "threshold": threshold.to_json()}
        print(json.dumps({**about, "faces": records, "rejected": [reject_record(*each) for each in rejects]}, indent=1))
        return
    for record in records:
        print(f"{record['person']}  {plain(record['photo'])}  " + "{},{} to {},{}".format(*record["box"]))
    for photo, reject in rejects:
        print(f"rejected    {plain(photo)}  {reject.reason}, {plain(reject.detail)}")
    sizes = Counter(record["person"] for record in records)
    alone = sum(size == 1 for size in sizes.values())
    print(f"{len(records)} faces in {len(photos)} photos: {len(sizes)} people, {alone} of them seen once")
    print(threshold)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _cluster, argv, prog="facenet cluster")


if __name__ == "__main__":
    sys.exit(main())
