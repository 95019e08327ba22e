"""insightface's `.bin` evaluation sets: a list of pairs of crops, which says who is who only as far as pairs tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.evaluate.bin_file import read_bin
from components.evaluate.pairs_file import read_pairs_file
from components.import_faces.sample import Sample


class BinSet:
    """The crops of a set, each once, under the names that `evaluate --pairs` knows them by; positions count them.

    Raises:
        UsageError: the file cannot be read, is damaged, or holds anything else.
    """

    def __init__(self, path: Path) -> None:
        self.left_out: Counter[str] = Counter()
        self._photos = sorted(read_pairs_file(path).files)
        self._images = read_bin(path).images
        self.extent = len(self._photos)

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`."""
        for position, (person, name) in enumerate(self._photos[start:], start):
            yield position, Sample(person, name, self._images[int(PurePosixPath(name).stem)])
