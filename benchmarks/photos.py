"""Photos to measure with: those of `--photos FOLDER`, else drawn ones; and the same on a larger picture."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFilter

from components.extract.scan import below
from components.sample.folder import draw


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
