"""Damages bytes, lines and JSON, as disks, transfers and people who mean harm do."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, 1e308, math.nan, math.inf, "", "x", "\0", "../../x", "x" * 5000,
    "9" * 5000, "\ud800", [], {}, [[]], [None], {"": None}, ["x"] * 1000, {"x": {"x": {}}},
)  # fmt: skip
_DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b"- " * 100_000, b"&a [*a," * 1000, b"9" * 5000)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few changes of bytes: flipped, overwritten, taken out, put in twice, cut off, a number of several bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        start = chance.randrange(len(changed) + 1)
        end = min(len(changed), start + chance.choice((1, 2, 4, 16, 256, 4096)))
        match chance.randrange(8):
            case 0 if start < len(changed):
                changed[start] ^= 1 << chance.randrange(8)
            case 1:
                changed[start:end] = chance.randbytes(end - start)
            case 2:
                del changed[start:end]
            case 3:
                changed[start:start] = changed[start:end]
            case 4 if chance.random() < 0.2:
                del changed[start:]
            case 5:
                number = chance.choice(_NUMBERS).to_bytes(4, chance.choice(("little", "big")))
                changed[start : start + 4] = number
            case 6:
                changed[start:end] = bytes(end - start)
            case 7 if chance.random() < 0.05:
                changed[start:start] = chance.choice(_DEEP)
    return bytes(changed)


def damaged_json(text: bytes, chance: random.Random) -> bytes:
    """JSON with one to three of its values replaced, left out, or doubled; still JSON."""
    record = json.loads(text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(record))
        if not places:
            return json.dumps(chance.choice(_VALUES)).encode(errors="surrogatepass")
        holder, key = chance.choice(places)
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}-"] = holder[key]
            case _:
                holder[key] = copy.deepcopy(chance.choice(_VALUES))
    if chance.random() < 0.05:
        record = chance.choice(_VALUES)
    return json.dumps(record).encode()


def _places(node: Any) -> Any:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)
