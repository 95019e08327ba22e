"""The people of a gallery, as they are whenever they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.verify.forget import forget
from components.verify.gallery import Added, Enrollment, open_gallery
from components.verify.model import Model
from components.verify.search import People
from components.verify.settings import CORRECTIONS, NamingSettings
from components.verify.threshold import ChosenThreshold, choose_for_gallery

# In the header of an SQLite file: a number that every change of the file raises, https://www.sqlite.org/fileformat2.html
_COUNTER = slice(24, 28)
_State = tuple[int, int, int, bytes]


class Known:
    """A gallery, which this and other programs may change; for one thread alone.

    Its people are kept in memory until the file is another one. For that the file is opened past SQLite, which loses a
    process all its locks on it: hence the one thread.

    Args:
        settings: with the gallery's file, and what chooses the threshold.
        model: the network of its faces.
    """

    def __init__(self, settings: NamingSettings, model: Model) -> None:
        self._settings = settings
        self._model = model
        self._kept: tuple[_State, People, ChosenThreshold] | None = None

    def people(self) -> tuple[People, ChosenThreshold]:
        """Everybody in the gallery now, and the threshold for so many.

        Raises:
            UsageError: there is no gallery, nobody is in it, it is another network's, or no threshold suits it.
            FacenetError: it is damaged.
        """
        state = _state(self._settings.gallery)
        if self._kept is None or self._kept[0] != state:
            self._kept = None
            with open_gallery(self._settings.gallery, self._model.network) as gallery:
                people = gallery.people()
            threshold = choose_for_gallery(self._settings, self._model, people)
            # Somebody who wrote meanwhile may not have been done with it; then the next one who asks looks again.
            if state is None or state != _state(self._settings.gallery):
                return people, threshold
            self._kept = state, people, threshold
        return self._kept[1:]

    def enroll(self, enrollments: Sequence[Enrollment]) -> Added:
        """Adds faces, all or none; see `Gallery.add`."""
        with open_gallery(self._settings.gallery, self._model.network, create=True) as gallery:
            return gallery.add(enrollments)

    def forget(self, name: str) -> dict[str, Any]:
        """Removes a person, from memory and from what was said to `cluster` too; see `components.verify.forget`."""
        self._kept = None
        return forget(self._settings.gallery, name, CORRECTIONS)


def _state(gallery: Path) -> _State | None:
    """What tells a gallery's file from every other, also from itself before a change; None where nothing does."""
    file = gallery.resolve()
    # A write-ahead log holds changes that leave the file as it was.
    if Path(f"{file}-wal").exists() or not file.is_file():
        return None
    try:
        with file.open("rb") as header:
            counter, status = header.read(_COUNTER.stop)[_COUNTER], file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, counter
