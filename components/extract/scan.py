"""A folder of people -> its photos: which files count, and what becomes of those that do not."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from components.common.errors import UsageError
from components.common.formats import ENDINGS
from components.common.names import one_form, plain
from components.common.shard import Shard
from components.extract.reasons import Reason, Reject

# Where systems and programs keep copies of photos, and what was deleted: Synology, QNAP, Windows, macOS's archives,
# ext4. In lower case; those that begin with a dot are hidden in any case.
_SHADOWS = frozenset({"@eadir", "#recycle", "#snapshot", "@__thumb", "@recycle", "@recently-snapshot", "$recycle.bin"})
_SHADOWS |= {"system volume information", "lost+found", "__macosx", "thumbs", "thumbnails"}

# Folders that divide people and are none, as in VGGFace2 and torchvision's ImageFolder.
_DIVISIONS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}
_DIVISIONS |= {"gallery", "probe", "query"}
# Folders of one person's photos by date: `2019`, `2019-05 Rome`.
_ALBUM = re.compile(r"(19|20)\d\d(?!\d)")

LAYOUT = (
    "Each person needs a folder of their own, named after them:\n"
    "  {folder}/Ada Lovelace/1.jpg\n"
    "  {folder}/Ada Lovelace/2.jpg\n"
    "  {folder}/Alan Turing/1.jpg"
)


class FileKind(Enum):
    """What a name in a folder stands for, links followed."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "pipe, device, socket or broken link"


@dataclass
class Scan:
    """What lies in a photo folder. Paths are relative to it, with forward slashes.

    Args:
        photos: paths of the photos inside identity folders, in `order`.
        rejects: what is named like a photo and cannot be one, and folders that cannot be looked into, by path.
        other: number of files of other kinds, by suffix in lower case ("" for none).
        hidden: number of files and folders whose name starts with a dot; not looked into.
        shadows: number of folders of copies that a system or a program made, by name; not looked into.
        loops: links to a folder that contains them, the photo folder's own ones included; not followed.
    """

    photos: list[str] = field(default_factory=list)
    rejects: dict[str, Reject] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    shadows: Counter[str] = field(default_factory=Counter)
    loops: list[str] = field(default_factory=list)


def identity_of(photo_path: str) -> str:
    """The person a photo shows: the first folder of its path; one person for both of Unicode's forms of the name."""
    return one_form(photo_path.partition("/")[0])


def order(photo_path: str) -> tuple[str, str]:
    """What photos are sorted by: their path, and all of one person's beside each other."""
    return one_form(photo_path), photo_path


def scan(root: Path) -> Scan:
    """Finds the photos in folders of people, by the endings of their names; opens none.

    Links to files and folders are followed.

    Raises:
        UsageError: no such folder, a file in its place, no photos in it, or photos that are all outside identity
            folders, or that lie as in a folder of people seen from one too high.
    """
    layout = LAYOUT.format(folder=root)
    content = below(root, layout)
    _check_height(root, content.photos, layout)
    if content.photos or any(reject.reason is not Reason.LOOSE for reject in content.rejects.values()):
        return content
    if content.rejects:
        raise UsageError(
            "The photos lie directly in the folder, so nothing says whom they show.",
            received=f"{root}, with {len(content.rejects)} photos beside each other",
            advice=layout,
        )
    raise UsageError("There are no photos in this folder.", received=f"{root}, {_in_words(content)}", advice=layout)


def _check_height(root: Path, photos: list[str], layout: str) -> None:
    """Refuses photos that lie as if people were one folder below.

    That is in the folders of one; in `train/` and `test/`; and in many folders of few, each with a name of its own, as
    `actors/` and `actresses/` have. Folders that are all named after a year sort the photos of a person.
    """
    people = {PurePosixPath(path).parts[0] for path in photos}
    below_people = {PurePosixPath(path).parts[:2] for path in photos}
    folders = {PurePosixPath(path).parent for path in photos}
    if any(str(folder) in people for folder in folders):  # somebody, with some photos sorted further
        return
    divided = {name.lower() for name in people} <= _DIVISIONS
    if not divided and all(_ALBUM.match(name) for _, name in below_people):
        return
    too_high = len(people) == 1 or divided
    of_their_own = len({name for _, name in below_people}) == len(below_people)
    if len(folders) > 1 and (too_high or (of_their_own and len(below_people) > len(people) ** 2)):
        named, one = ", ".join(sorted(people)[:3]), len(people) == 1
        instead = f"give {root / named} instead" if one else "put all of them into one"
        raise UsageError(
            "All photos lie in folders of one folder, so they would all show one person."
            if one
            else "All photos lie in folders of folders, so people would be named after the wrong ones.",
            received=f"{root}, with {len(photos)} photos in {len(folders)} folders of {named}",
            advice=f"If those folders are people, {instead}. If {named} {'is a person' if one else 'are people'}, "
            f"put a photo into {root / min(people)} itself.\n{layout}",
        )


def check_folder(root: Path, advice: str = "") -> None:
    """Raises UsageError, with advice, where there is no folder."""
    if not root.exists():
        raise UsageError("There is no such photo folder.", received=root, advice=advice)
    if not root.is_dir():
        raise UsageError("A folder of photos is needed, not a file.", received=root, advice=advice)


def below(root: Path, advice: str = "", *, loose: bool = False) -> Scan:
    """Everything below a folder, photos or none; see `scan`.

    Args:
        root: the folder.
        advice: what to do when it is not there.
        loose: whether photos directly in the folder count, because it does not matter whom they show.

    Raises:
        UsageError: no such folder, or a file in its place.
    """
    check_folder(root, advice)
    content = Scan()
    for path, entry in _entries(root, content):
        _classify(path, entry, content, loose=loose)
    content.photos.sort(key=order)
    return content


def part(content: Scan, shard: Shard) -> Scan:
    """The part of a folder that a shard takes: neighbours in the sorted list of paths, and nobody in two shards.

    So what shards count of people adds up, and their manifests one after another are the manifest of the whole.
    """
    paths = sorted([*content.photos, *content.rejects], key=order)
    first = [at for at, path in enumerate(paths) if at == 0 or identity_of(path) != identity_of(paths[at - 1])]
    start, stop = ([*first, len(paths)][bisect_left(first, bound)] for bound in shard.bounds(len(paths)))
    mine = paths[start:stop]
    return replace(
        content,
        photos=[path for path in mine if path not in content.rejects],
        rejects={path: content.rejects[path] for path in mine if path in content.rejects},
    )


def other_files(content: Scan) -> str:
    """The kinds of files that are no photos, for people: `3 .txt, 1 .mp4`."""
    return ", ".join(f"{count} {plain(suffix) or 'without suffix'}" for suffix, count in content.other.most_common())


def shadow_folders(content: Scan) -> str:
    """The folders of copies, for people: `16 @eaDir`."""
    return ", ".join(f"{count} {plain(name)}" for name, count in content.shadows.most_common())


def _in_words(content: Scan) -> str:
    left_out = f"; left out: {shadow_folders(content)}" if content.shadows else ""
    if not content.other:
        return f"without any {', '.join(ENDINGS)}{left_out}"
    return f"with other files only: {other_files(content)}{left_out}"


def _inode(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(root: Path, content: Scan) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder that is not a folder; notes in `content` what is not looked into, or cannot be.

    Raises:
        OSError: the folder itself cannot be looked into.
    """
    waiting = [(root, "", tuple(map(_inode, root.resolve().parents)))]
    # No recursion: folders may lie in each other as deep as they like.
    while waiting:
        folder, path, above = waiting.pop()
        try:
            inode = _inode(folder)
            if inode in above:
                content.loops.append(path)
                continue
            entries = list(os.scandir(folder))
        except FileNotFoundError:  # gone since it was seen
            if not path:
                raise
            continue
        except OSError as error:
            if not path:
                raise
            content.rejects[_text(path)] = Reject(Reason.UNREADABLE, f"a folder; the system refused: {error.strerror}")
            continue
        for entry in entries:
            inside = f"{path}/{entry.name}" if path else entry.name
            if entry.name.startswith("."):
                content.hidden += 1
            elif _kind(entry) is not FileKind.FOLDER:
                yield inside, entry
            elif entry.name.lower() in _SHADOWS:
                content.shadows[entry.name] += 1
            else:
                waiting.append((Path(entry.path), inside, (*above, inode)))


def _text(path: str) -> str:
    """A path that a manifest can hold, whatever bytes it is of."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _kind(entry: os.DirEntry[str]) -> FileKind:
    try:
        if entry.is_dir():
            return FileKind.FOLDER
        return FileKind.FILE if entry.is_file() else FileKind.OTHER
    except OSError:  # a link to itself
        return FileKind.OTHER


def _classify(path: str, entry: os.DirEntry[str], content: Scan, *, loose: bool) -> None:
    suffix = PurePosixPath(entry.name).suffix.lower()
    name = _text(path)
    if suffix not in ENDINGS:
        content.other[suffix.encode(errors="replace").decode()] += 1
    elif name != path:
        content.rejects[name] = Reject(Reason.BAD_NAME, "the path is not UTF-8; rename it")
    elif _kind(entry) is FileKind.OTHER:
        content.rejects[path] = Reject(Reason.NOT_A_FILE, f"a {FileKind.OTHER.value}")
    elif "/" not in path and not loose:
        content.rejects[path] = Reject(Reason.LOOSE, "lies beside the identity folders instead of in one")
    else:
        content.photos.append(path)
