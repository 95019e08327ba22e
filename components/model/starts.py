"""What `--pretrained` may be, told from the files alone: without TensorFlow, so that a wrong one is refused at once."""

from __future__ import annotations

import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from components.common.errors import UsageError
from components.model.checkpoint import DESCRIPTION, WEIGHTS, describe

_ADVICE = (
    "Give a checkpoint folder of ours; TF-Slim's inception_resnet_v2_2016_08_30.ckpt or the .tar.gz it comes in; the "
    "prefix or the folder of another TensorFlow checkpoint; or Keras weights (.h5, .keras)."
)
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
# The last eight bytes of the table file that a V1 checkpoint is.
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")
_MOST_MEMBERS = 100
_MOST_BYTES = 4 * 2**30


class Kind(Enum):
    """How weights are stored."""

    OURS = "checkpoint folder"
    TENSORFLOW = "TensorFlow checkpoint"
    KERAS = "Keras weights"
    ARCHIVE = "archive of a TensorFlow checkpoint"


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Args:
        kind: how they are stored.
        path: the folder, the file, or the prefix of a V2 checkpoint's files.
    """

    kind: Kind
    path: Path


def located(path: Path) -> Start:
    """Finds out what a path given with `--pretrained` is.

    Raises:
        UsageError: nothing there, or nothing that weights can be read from.
    """
    if path.name == WEIGHTS and (path.parent / DESCRIPTION).is_file():
        path = path.parent
    if path.is_dir():
        return _in_folder(path)
    if part := re.fullmatch(r"(.+)\.(index|data-\d+-of-\d+)", path.name):
        path = path.with_name(part[1])
    if path.with_name(f"{path.name}.index").is_file():
        return Start(Kind.TENSORFLOW, path)
    if not path.is_file():
        raise UsageError("There are no weights here.", received=path, advice=_ADVICE)
    kind = _of_file(path)
    if kind is None:
        raise UsageError("Weights cannot be read from this file.", received=path, advice=_ADVICE)
    return Start(kind, path)


def _in_folder(path: Path) -> Start:
    if (path / DESCRIPTION).exists() or (path / WEIGHTS).exists():
        describe(path)
        return Start(Kind.OURS, path)
    return Start(Kind.TENSORFLOW, _only_checkpoint(path, path))


def _of_file(path: Path) -> Kind | None:
    if path.name.endswith(_ARCHIVES):
        return Kind.ARCHIVE
    if path.suffix in (".h5", ".keras"):
        return Kind.KERAS
    return Kind.TENSORFLOW if _is_table(path) else None


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The checkpoint of an archive, in a temporary folder that is gone afterwards.

    Raises:
        UsageError: not an archive, one that does not hold exactly one checkpoint, or one with members that a
            checkpoint does not have: links, devices, names that lead out of the folder, too many or too large.
    """
    with tempfile.TemporaryDirectory(prefix="facenet-pretrained-") as name:
        folder = Path(name)
        try:
            with tarfile.open(archive, "r:*") as members:
                for member in _checked(archive, members):
                    members.extract(member, folder, filter="data")
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise UsageError(
                "This archive cannot be unpacked.",
                received=f"{archive} ({error})",
                advice="Fetch it again, or give the folder of its files.",
            ) from error
        folders = sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())})
        holding = [each for each in folders if _checkpoints(each)]
        yield _only_checkpoint(holding[0] if len(holding) == 1 else folder, archive)


def _checked(archive: Path, members: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one by one: what an archive claims is believed only as far as it has been read."""
    count, size = 0, 0
    for member in members:
        count, size = count + 1, size + member.size
        place = PurePosixPath(member.name)
        wrong = None
        if not (member.isfile() or member.isdir()):
            wrong = "neither a file nor a folder"
        elif place.is_absolute() or ".." in place.parts:
            wrong = "leads out of the folder"
        elif count > _MOST_MEMBERS or size > _MOST_BYTES:
            wrong = f"more than {_MOST_MEMBERS} members or {_MOST_BYTES // 2**30} GB"
        if wrong:
            raise UsageError(
                "This archive has a member that no checkpoint has.",
                received=f"{archive}: {member.name!r}, {wrong}",
                advice="Take the archive from where TensorFlow's authors publish it.",
            )
        yield member


def _is_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_TABLE_END)))
        return file.read() == _TABLE_END


def _checkpoints(folder: Path) -> list[Path]:
    """The prefixes of the V2 checkpoints directly in a folder, and its V1 checkpoints."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    prefixes = [path.with_suffix("") for path in files if path.suffix == ".index"]
    return prefixes + [path for path in files if path.suffix != ".index" and _is_table(path)]


def _only_checkpoint(folder: Path, shown: Path) -> Path:
    found = _checkpoints(folder)
    state = folder / "checkpoint"
    if len(found) > 1 and state.is_file():
        # What the state file names may have lain in another folder once: only the name counts.
        latest = re.search(r'^model_checkpoint_path: "(.+)"', state.read_text(errors="replace"), re.MULTILINE)
        found = [path for path in found if latest and path.name == PurePosixPath(latest[1]).name] or found
    if len(found) != 1:
        listed = ", ".join(path.name for path in found[:5]) or "none"
        raise UsageError(
            "Exactly one checkpoint is needed.",
            received=f"{shown}, with {len(found)} TensorFlow checkpoints: {listed}",
            advice=_ADVICE,
        )
    return found[0]
