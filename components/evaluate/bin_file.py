"""The `.bin` sets of insightface: encoded images and, for each two of them, whether they show one person.

Such a file is a pickle, and to load a pickle is to run whatever program it holds. So it is not loaded: its opcodes are
read as data, and those that build bytes, lists, tuples, numbers and truth values are all that is understood. Picklers
write bytes in other ways too: protocols up to 2 of Python 3 as a call of `_codecs.encode`, and where OpenCV encoded the
image (insightface's `agedb2pack.py` and `cfp2pack.py`), as an array of NumPy's. These few names are understood as what
they stand for; nothing is looked up, imported or called. Any other name, and any other opcode, is refused.

Format: insightface, recognition/ArcFace/verification.py, load_bin; src/data/lfw2pack.py. Opcodes: Python's pickletools.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from components.common.errors import MALFORMED, UsageError, reason_of

_ADVICE = (
    "A set is a pickle of a list of encoded images, two for each pair, and a list of True and False for the pairs, as "
    "insightface publishes them. Take the file again from where it was made."
)


@dataclass(frozen=True)
class BinSet:
    """The content of a set.

    Args:
        images: encoded, those of pair i at 2 i and 2 i + 1.
        same: whether a pair shows one person.
    """

    images: list[bytes]
    same: list[bool]


@dataclass(frozen=True)
class _Name:
    """A name of `_KNOWN`: what a pickle would import."""

    text: str


@dataclass
class _Array:
    """An array of bytes, which a pickle makes empty and fills later."""

    data: bytes = b""


class _ByteType:
    """NumPy's type of a byte, `u1`."""


class _RefusedError(Exception):
    """There is something that a set does not hold; the message says what."""


def read_bin(path: Path) -> BinSet:
    """Reads a set; the images stay encoded.

    Raises:
        UsageError: the file cannot be read, is damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            images, same = _Machine().run(content)
    except (OSError, _RefusedError, *MALFORMED) as error:
        # What the others say is of no use to anybody.
        why = reason_of(error) if isinstance(error, (OSError, ValueError, _RefusedError)) else "no whole pickle"
        raise UsageError(
            "This .bin set holds something else than images and truth values; nothing of it is executed."
            if isinstance(error, _RefusedError)
            else "This .bin set cannot be read.",
            received=f"{path}: {why}"[:500],
            advice=_ADVICE,
        ) from error
    if len(images) != 2 * len(same) or not same:
        raise UsageError(
            "A .bin set needs two images for each pair.",
            received=f"{path}: images {len(images)}, pairs {len(same)}",
            advice=_ADVICE,
        )
    return BinSet(images, same)


class _Machine:
    """The stack machine of pickle, without the opcodes that do anything."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: mmap.mmap) -> tuple[list[bytes], list[bool]]:
        """The images and the truth values.

        Raises:
            _RefusedError: there is something else.
            ValueError, LookupError, TypeError, AttributeError, OverflowError: this is no pickle.
        """
        # A mapped file reads no further than its end, whatever length an opcode claims.
        for opcode, value, position in pickletools.genops(content):  # type: ignore[arg-type]
            try:
                self._step(opcode.name, value)
            except _RefusedError as refused:
                raise _RefusedError(f"{refused}, at byte {position}") from None
        match self._stack:
            case [(list() as images, list() as same) | [list() as images, list() as same]]:
                pass
            case _:
                _refuse("no pair of two lists")
        return [_as_bytes(image) for image in images], [_as_truth(value) for value in same]

    def _step(self, opcode: str, value: Any) -> None:
        stack = self._stack
        match opcode:
            case _ if opcode in _VALUES:
                stack.append(_VALUES[opcode](value))
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                self._marks.append(len(stack))
            case "LIST" | "TUPLE":
                items = self._since_mark()
                stack.append(items if opcode == "LIST" else tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._last(int(opcode[-1]))))
            case "APPEND" | "APPENDS":
                _extend(self._last(1) if opcode == "APPEND" else self._since_mark(), stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                self._memo[len(self._memo) if opcode == "MEMOIZE" else value] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[value])
            case "STACK_GLOBAL":
                stack.append(_name(" ".join(self._last(2))))
            case "REDUCE":
                name, given = self._last(2)
                stack.append(_stands_for(name, given))
            case "BUILD":
                (state,) = self._last(1)
                _fill(stack[-1], state)
            case _:
                _refuse(f"the opcode {opcode}")

    def _last(self, count: int) -> list[Any]:
        """Takes the uppermost values from the stack."""
        if len(self._stack) < count:
            raise ValueError("a value is missing")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items


def _extend(items: list[Any], target: Any) -> None:
    if not isinstance(target, list):
        _refuse(f"{_called(target)} as a list")
    target.extend(items)


def _encoded(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        _refuse(f"text in {encoding!r}")
    return text.encode("latin-1")


def _byte_type(code: str | bytes, *_: Any) -> _ByteType:
    if code not in ("u1", b"u1"):
        _refuse(f"an array of type {code!r}")
    return _ByteType()


def _from_buffer(data: bytes, kind: Any, shape: Any, *_: Any) -> _Array:
    array = _Array()
    _fill(array, (1, shape, kind, False, data))
    return array


def _no_call(*_: Any) -> NoReturn:
    _refuse("a call of numpy.ndarray")


# What may be named, and what a call of it stands for. NumPy 2 renamed `core` to `_core`.
_KNOWN: dict[str, Callable[..., Any]] = {
    "_codecs encode": _encoded,
    "numpy ndarray": _no_call,
    "numpy dtype": _byte_type,
    **{f"numpy.{core}.multiarray _reconstruct": lambda *_: _Array() for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _from_buffer for core in ("core", "_core")},
}


def _name(text: str) -> _Name:
    if text not in _KNOWN:
        _refuse(f"the name {text.replace(' ', '.')[:200]!r}")
    return _Name(text)


_INTEGERS = ("INT", "BININT", "BININT1", "BININT2")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE")
_PYTHON_2_BYTES = ("STRING", "BINSTRING", "SHORT_BINSTRING")
_BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
# The opcodes that put one value on the stack, and that value.
_VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_INTEGERS + _TEXTS, lambda value: value),
    **dict.fromkeys(_PYTHON_2_BYTES, lambda value: value.encode("latin-1")),
    **dict.fromkeys(_BYTES, bytes),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "GLOBAL": _name,
}


def _stands_for(name: Any, given: Any) -> Any:
    if not isinstance(name, _Name):
        _refuse(f"a call of {_called(name)}")
    return _KNOWN[name.text](*given)


def _fill(thing: Any, state: Any) -> None:
    """What a pickle says of an array, or of a type, after it has made it."""
    if isinstance(thing, _ByteType):
        return
    if not isinstance(thing, _Array):
        _refuse(f"a state of {_called(thing)}")
    _, shape, kind, _, data = state
    if not isinstance(kind, _ByteType) or not isinstance(data, bytes) or len(shape) > 3 or prod(shape) != len(data):
        _refuse("an array of something else than bytes")
    thing.data = data


def _as_bytes(image: Any) -> bytes:
    if isinstance(image, _Array):
        return image.data
    if not isinstance(image, bytes):
        _refuse(f"{_called(image)} among the images")
    return image


def _as_truth(value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(f"{_called(value)} among the truth values")
    return value


def _called(value: Any) -> str:
    """A value, for people: none is shown, because it may be long."""
    if isinstance(value, _Name):
        return f"the name {value.text.replace(' ', '.')}"
    return {str: "a text", bytes: "bytes", int: "a number", type(None): "None", bool: "a truth value"}.get(
        type(value), f"a {type(value).__name__.strip('_').lower()}"
    )


def _refuse(what: str) -> NoReturn:
    raise _RefusedError(what)
