"""A folder of crops, with a folder for each person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from components.common.errors import UsageError
from components.common.formats import ENDINGS
from components.extract.reasons import Reject, RejectedError
from components.extract.scan import below, order, shadow_folders
from components.import_faces.reasons import Reason
from components.import_faces.sample import Sample, checked_size, name_of_person


class Folder:
    """A folder of people; positions count their folders, in the order of their names.

    Raises:
        UsageError: there are no folders in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.left_out: Counter[str] = Counter()
        self._people: list[str] = []
        for entry in path.iterdir():
            if entry.name.startswith("."):
                self.left_out["hidden files and folders"] += 1
            elif entry.is_dir():
                self._people.append(entry.name)
            elif entry.suffix.lower() in ENDINGS:
                self.left_out["images beside the people's folders"] += 1
            else:
                self.left_out["files that are no images"] += 1
        if not self._people:
            raise UsageError(
                "There are no crops here.",
                received=f"{path}, a folder without folders of people",
                advice="Give a train.rec, a .bin set, tars, Parquet files, an LMDB, or a folder with a folder for each "
                "person.",
            )
        self._people.sort(key=order)
        self.extent = len(self._people)

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`. Folders in a person's folder are looked into."""
        for number, folder in enumerate(self._people[start:], start):
            try:
                person, unnamed = name_of_person(folder), None
            except RejectedError as error:
                person, unnamed = "", error.reject
            content = below(self._path / folder, loose=True)
            self.left_out["files that are no images"] += content.other.total()
            self.left_out["hidden files and folders"] += content.hidden
            if content.shadows:
                self.left_out[f"folders of copies ({shadow_folders(content)})"] += content.shadows.total()
            for path, reject in content.rejects.items():
                yield number, Sample(person, path, reject=Reject(Reason.DAMAGED, reject.detail))
            for path in content.photos:
                yield number, _sample(self._path / folder / path, person, path, unnamed)


def _sample(file: Path, person: str, path: str, unnamed: Reject | None) -> Sample:
    if unnamed:
        return Sample("", f"{file.parent.name}/{path}", reject=unnamed)
    try:
        checked_size(file.stat().st_size)
        return Sample(person, path, file.read_bytes())
    except OSError as error:
        return Sample(person, path, reject=Reject(Reason.DAMAGED, f"the system refused: {error.strerror}"))
    except RejectedError as error:
        return Sample(person, path, reject=error.reject)
