"""A card as it is sent into a frame. Nobody may look into that, so the card itself says how tall it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.look.log import CHUNK

_SCRIPT = (Path(__file__).parent / "static" / "card.js").read_text(encoding="utf-8")
# Before all that the card has, so that nothing in it can swallow the script. A second doctype is passed over.
_START = f"<!doctype html><script>{_SCRIPT}</script>".encode()


def frame(file: Path) -> Iterator[bytes]:
    """The bytes of an HTML page with the script that tells its height to the page around it."""
    yield _START
    with file.open("rb") as card:
        while some := card.read(CHUNK):
            yield some
