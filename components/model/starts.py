"""What `--pretrained` may be, by the files alone: without TensorFlow, so that a wrong one is refused at once."""

from __future__ import annotations

import hashlib
import lzma
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import TypeVar

from components.common import published
from components.common.errors import UsageError
from components.common.preprocessing import Crop, Preprocessing
from components.model.checkpoint import DESCRIPTION, WEIGHTS, describe, fingerprint
from components.model.dlib_file import BEGINNING

_ADVICE = (
    f"Give `{published.NAME}`; a checkpoint folder of ours; TF-Slim's inception_resnet_v2_2016_08_30.ckpt or the "
    ".tar.gz it comes in; the prefix, the folder, or the .zip or .tar.gz of another TensorFlow checkpoint; Keras "
    "weights (.h5, .keras); or facenet-pytorch's as .safetensors."
)
# What PyTorch saves. To open a pickle is to run what it says.
_PICKLES = {".pt", ".pth", ".bin", ".pkl"}
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
# RuntimeError: a zip that needs a password, or is packed in a way that Python does not know.
_UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, RuntimeError),
)
_Entry = TypeVar("_Entry")
# The last eight bytes of the table file that a V1 checkpoint is.
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")
_MOST_MEMBERS = 100
_MOST_BYTES = 4 * 2**30


class Kind(Enum):
    """How weights are stored."""

    OURS = "checkpoint folder"
    TENSORFLOW = "TensorFlow checkpoint"
    KERAS = "Keras weights"
    DLIB = "network that dlib has stored"
    ARCHIVE = "archive of a TensorFlow checkpoint"
    FACES = "Keras weights of FaceNet"
    SAFETENSORS = "PyTorch's weights in safetensors"


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Args:
        kind: how they are stored.
        path: the folder, the file, or the prefix of a V2 checkpoint's files.
    """

    kind: Kind
    path: Path

    def sha256(self) -> str:
        """Names the weights: a checkpoint's fingerprint, a file's SHA-256, or of several files that of all theirs."""
        if self.kind is Kind.OURS:
            return fingerprint(self.path)
        if self.path.is_file():
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        files = sorted(each for each in self.path.parent.iterdir() if _prefix(each) == self.path)
        return hashlib.sha256(b"".join(hashlib.sha256(each.read_bytes()).digest() for each in files)).hexdigest()


def check_members(start: Start, members: int) -> None:
    """Refuses weights that are not of so many members.

    Raises:
        UsageError: a checkpoint of ours of another number, or weights of one network for several members.
    """
    if start.kind is Kind.OURS:
        stored = describe(start.path).get("members", 1)
        if stored != members:
            raise UsageError(
                "The pretrained checkpoint has another number of members.",
                received=f"{start.path}: {stored}, to train: {members}",
                advice=f"Give --members {stored}, or another checkpoint: each member starts from its own.",
            )
    elif members > 1 and start.kind is not Kind.KERAS:
        raise UsageError(
            "Members that start from the same weights would not differ.",
            received=f"--members {members} --pretrained {start.path}",
            advice="Leave out one of the two, or give a checkpoint of as many members.",
        )


def crop_of(start: Start, backbone: str, image_size: int) -> Crop | None:
    """How the faces are to be cut out for a network that starts from weights; None where the weights do not say.

    From dlib's start narrower networks too, of half the resolution: in 68 of 75 pixels they see the middle of its 150.

    Args:
        start: the weights.
        backbone: of the network.
        image_size: likewise.

    Raises:
        UsageError: the description of a checkpoint of ours is not complete.
    """
    if start.kind is Kind.DLIB:
        halved = backbone != published.BACKBONE
        return published.CROP.middle(min(1.0, 2 * image_size / published.IMAGE_SIZE)) if halved else published.CROP
    if start.kind is Kind.OURS:
        return Preprocessing.from_json(describe(start.path).get("preprocessing", {})).crop
    return None


def _prefix(path: Path) -> Path | None:
    """The prefix of a V2 checkpoint that a file is of, by its name."""
    part = re.fullmatch(r"(.+)\.(index|data-\d+-of-\d+)", path.name)
    return path.with_name(part[1]) if part else None


def find_start(path: Path) -> Start:
    """Finds out what a path given with `--pretrained` is.

    Raises:
        UsageError: nothing there, or nothing that weights can be read from.
    """
    if published.is_meant(path):
        return Start(Kind.DLIB, published.file())
    if path.name == WEIGHTS and (path.parent / DESCRIPTION).is_file():
        path = path.parent
    if path.is_dir():
        return _in_folder(path)
    path = _prefix(path) or path
    if path.with_name(f"{path.name}.index").is_file():
        return Start(Kind.TENSORFLOW, path)
    if not path.is_file():
        raise UsageError("There are no weights here.", received=path, advice=_ADVICE)
    if _PICKLES & set(path.suffixes):
        raise UsageError(
            "PyTorch's own files are pickles, which can run anything: they are not read.",
            received=path,
            advice='Convert it where PyTorch and safetensors are installed: python -c "import torch, safetensors.torch '
            f"as s; s.save_file(torch.load('{path.name}', weights_only=True), '{path.stem}.safetensors')\"",
        )
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
    if path.suffix == ".safetensors":
        return Kind.SAFETENSORS
    if path.suffix in (".h5", ".keras"):
        return Kind.FACES if path.suffix == ".h5" and _is_facenet(path) else Kind.KERAS
    with path.open("rb") as file:
        if file.read(len(BEGINNING)) == BEGINNING:
            return Kind.DLIB
    return Kind.TENSORFLOW if _is_table(path) else None


@contextmanager
def unpack(archive: Path) -> Iterator[Path]:
    """The checkpoint of an archive, in a temporary folder that is gone afterwards.

    Raises:
        UsageError: not an archive, one that does not hold exactly one checkpoint, or one with members that a
            checkpoint does not have: links, devices, names that lead out of the folder, too many or too large.
    """
    with tempfile.TemporaryDirectory(prefix="facenet-pretrained-") as name:
        folder = Path(name)
        try:
            (_unzip if archive.suffix == ".zip" else _untar)(archive, folder)
        except _UNREADABLE as error:
            raise UsageError(
                "This archive cannot be unpacked.",
                received=f"{archive} ({error})",
                advice="Fetch it again, or give the folder of its files.",
            ) from error
        folders = sorted({folder, *(path for path in folder.rglob("*") if path.is_dir())})
        holding = [each for each in folders if _checkpoints(each)]
        yield _only_checkpoint(holding[0] if len(holding) == 1 else folder, archive)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "r:*") as members:
        entries = ((each, each.name, each.size, each.isfile() or each.isdir()) for each in members)
        for member in _check_entries(archive, entries):
            members.extract(member, folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    plain = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: made where files have no such kinds
    with zipfile.ZipFile(archive) as members:
        entries = (
            (each, each.filename, each.file_size, stat.S_IFMT(each.external_attr >> 16) in plain)
            for each in members.infolist()
        )
        for member in _check_entries(archive, entries):
            members.extract(member, folder)


def _check_entries(archive: Path, members: Iterable[tuple[_Entry, str, int, bool]]) -> Iterator[_Entry]:
    """The members one by one: what an archive claims is believed only as far as it has been read.

    Args:
        archive: to name in errors.
        members: each with its name, its size in bytes, and whether it is a file or a folder.
    """
    count, total = 0, 0
    for member, name, size, plain in members:
        count, total = count + 1, total + size
        place = PurePosixPath(name)
        wrong = None
        if not plain:
            wrong = "neither a file nor a folder"
        elif place.is_absolute() or ".." in place.parts:
            wrong = "leads out of the folder"
        elif count > _MOST_MEMBERS or total > _MOST_BYTES:
            wrong = f"more than {_MOST_MEMBERS} members or {_MOST_BYTES // 2**30} GB"
        if wrong:
            raise UsageError(
                "This archive has a member that no checkpoint has.",
                received=f"{archive}: {name!r}, {wrong}",
                advice="Take the archive from where its authors publish it.",
            )
        yield member


def _is_facenet(path: Path) -> bool:
    """Whether layers are called as in the Keras 2 networks that were made from davidsandberg's; see `face_weights`."""
    import h5py

    try:
        with h5py.File(path) as file:
            return "Conv2d_1a_3x3_BatchNorm" in file.get("model_weights", file)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return False  # whoever reads it says what is wrong


def _is_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - len(_TABLE_END)))
        return file.read() == _TABLE_END


def _checkpoints(folder: Path) -> list[Path]:
    """The prefixes of the V2 checkpoints directly in a folder, and its V1 checkpoints."""
    # "._NAME" is what a Mac packs besides NAME: no checkpoint.
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("._"))
    prefixes = [path.with_suffix("") for path in files if path.suffix == ".index"]
    return prefixes + [path for path in files if path.suffix != ".index" and _is_table(path)]


def _only_checkpoint(folder: Path, shown: Path) -> Path:
    prefixes = _checkpoints(folder)
    state = folder / "checkpoint"
    if len(prefixes) > 1 and state.is_file():
        # What the state file names may have lain in another folder once: only the name counts.
        latest = re.search(r'^model_checkpoint_path: "(.+)"', state.read_text(errors="replace"), re.MULTILINE)
        prefixes = [path for path in prefixes if latest and path.name == PurePosixPath(latest[1]).name] or prefixes
    if len(prefixes) != 1:
        listed = ", ".join(path.name for path in prefixes[:5]) or "none"
        raise UsageError(
            "Exactly one checkpoint is needed.",
            received=f"{shown}, with {len(prefixes)} TensorFlow checkpoints: {listed}",
            advice=_ADVICE,
        )
    return prefixes[0]
