"""Photos to measure with: those of `--photos FOLDER`, else drawn ones; the same on larger pictures, and in groups."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps

from components.extract.crop import Box
from components.extract.scan import below
from components.sample.folder import draw

# People beside each other and above each other in a group.
ACROSS, DOWN = 4, 3


@contextmanager
def given_or_drawn(given: Path | None) -> Iterator[Path]:
    """A folder of people's folders: the given one, or for a while one of drawn photos."""
    with tempfile.TemporaryDirectory() as name:
        if given is None:
            draw(Path(name), identities=40, photos=6, seed=0)
        yield given or Path(name)


def some(folder: Path) -> list[Path]:
    """Some 120 of its photos, at even distances in the order of their names."""
    names = sorted(below(folder, loose=True).photos)
    return [folder / name for name in names[:: max(1, len(names) // 120)]]


def enlarged(photos: Sequence[Path], folder: Path, width: int, height: int) -> list[Path]:
    """Each photo in the middle of a picture of that size, two thirds as high, on itself enlarged and blurred."""
    folder.mkdir(parents=True)
    made = []
    for number, photo in enumerate(photos):
        with Image.open(photo) as opened:
            picture = opened.convert("RGB")
        whole = picture.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(width / 50))
        scale = min(width / picture.width, height / picture.height) * 2 / 3
        inner = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
        whole.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        made.append(folder / f"{number}.jpg")
        whole.save(made[-1], quality=90)
    return made


def group(people: Sequence[tuple[Path, Box]], file: Path, width: int, height: int, side: int) -> list[Box]:
    """Writes a picture of twelve people's faces in a grid, on the first one's photo enlarged and blurred.

    Args:
        people: `ACROSS * DOWN` photos, each with the box of its face in pixels.
        file: to be written.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        side: of each face in it, in pixels; of the photo as much is shown around it as its place has room for.

    Returns:
        Where the faces are.
    """
    pictures = [_upright(photo) for photo, _ in people]
    whole = pictures[0].resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(width / 50))
    across, down = width // ACROSS, height // DOWN
    placed = []
    for number, (picture, (_, box)) in enumerate(zip(pictures, people, strict=True)):
        scale = side / (box[2] - box[0])
        inner = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
        left, top = number % ACROSS * across, number // ACROSS * down
        place = whole.crop((left, top, left + across, top + down))
        x, y = (across - side) // 2, (down - side) // 2
        place.paste(inner, (x - round(box[0] * scale), y - round(box[1] * scale)))
        whole.paste(place, (left, top))
        placed.append((left + x, top + y, left + x + side, top + y + side))
    whole.save(file, quality=90)
    return placed


def _upright(photo: Path) -> Image.Image:
    with Image.open(photo) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB")
