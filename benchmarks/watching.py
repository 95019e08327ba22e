"""People before a camera: `taskset -c 0 python -m benchmarks.watching`, from the repository's root, for one core."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from PIL import Image, ImageOps

from benchmarks.harness import command_line, compare
from components.common.preprocessing import Detector
from components.extract.reasons import Reject
from components.sample.folder import draw
from components.verify.answer import answer, answers, prepare
from components.verify.enroll import main as enroll
from components.verify.faces import embed_photo
from components.verify.follow import Follower
from components.verify.model import Model
from components.verify.search import Enrolled
from components.verify.settings import NamingSettings
from components.verify.threshold import ChosenThreshold

_SIZE = (640, 480)
_PICTURES = 60
_SIDE = 240  # of portraits, in pixels
# How far people go to and fro, in pixels, and how long that takes, in pictures.
_WAY, _PERIOD = 60, 30
Names = list[list[str | None]]


def film(portraits: Sequence[Path]) -> Iterator[Image.Image]:
    """People side by side who go to and fro: RGB pictures."""
    width = _SIZE[0] // len(portraits)
    people = []
    for path in portraits:
        with Image.open(path) as portrait:
            people.append(ImageOps.contain(portrait.convert("RGB"), (_SIDE, _SIDE)))
    for number in range(_PICTURES):
        picture = Image.new("RGB", _SIZE, (90, 110, 100))
        for place, person in enumerate(people):
            shift = _WAY / 2 * (1 + math.sin(2 * math.pi * (number / _PERIOD + place / len(people))))
            picture.paste(
                person, (round((place + 0.5) * width - _SIDE / 2 - _WAY / 2 + shift), round(_SIZE[1] / 4 + shift))
            )
        yield picture


def _sorted(faces: Iterable[dict[str, Any]]) -> list[str | None]:
    return sorted((face["name"] for face in faces), key=str)


def _alone(picture: Image.Image, model: Model, people: Enrolled, threshold: ChosenThreshold) -> list[str | None]:
    """The names in a picture, which is taken as a photo: what `watch` did until it followed people."""
    photo = io.BytesIO()
    picture.save(photo, "JPEG", quality=95)
    seen = embed_photo(photo.getvalue(), model, "all")
    return [] if isinstance(seen, Reject) else _sorted(answers(seen, people, threshold, 1))


def _equal(mine: Names, others: Names) -> str:
    same = sum(one == other for one, other in zip(mine, others, strict=True))
    changes = [sum(one != next_one for one, next_one in pairwise(names)) for names in (mine, others)]
    return f"the same names in {same} of {len(mine)} pictures, which change {changes[0]} and {changes[1]} times"


def measure(portraits: Sequence[Path], model: Model, threshold: ChosenThreshold, people: Enrolled) -> None:
    """A film of some people, named by `watch` and picture by picture."""
    pictures = list(film(portraits))

    def ours() -> Names:
        follower = Follower(model, threshold.distance)
        return [
            _sorted(answer(track.box, track.embedding, people, threshold, 1) for track in follower.see(picture))
            for picture in pictures
        ]

    compare(
        f"watch, {len(portraits)} before the camera, {model.network.crop.detector}",
        "each picture as a photo",
        ours,
        lambda: [_alone(picture, model, people, threshold) for picture in pictures],
        _equal,
        at_least=3,
        times=1,
    )


def main() -> None:
    """One person, then two, with dlib's detector and then with BlazeFace."""
    parser = command_line(__doc__)
    parser.add_argument("-c", "--checkpoint", type=Path, metavar="MODEL", help="as of `facenet watch`")
    model = parser.parse_args().checkpoint
    with tempfile.TemporaryDirectory() as name:
        photos, gallery = Path(name, "people"), Path(name, "gallery.db")
        draw(photos, identities=2, photos=2, seed=0)
        portraits = [min(folder.iterdir()) for folder in sorted(photos.glob("*/"))]
        enroll([str(photos), "-g", str(gallery), *(["-c", str(model)] if model else [])])
        for detector in get_args(Detector):
            with prepare(NamingSettings(checkpoint=model, detector=detector, gallery=gallery, far=0.1)) as prepared:
                measure(portraits[:1], *prepared)
                measure(portraits, *prepared)


if __name__ == "__main__":
    main()
