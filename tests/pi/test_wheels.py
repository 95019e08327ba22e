"""How the segments of a library are aligned, by its own program headers."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from tests.pi.wheels import alignment

LOAD, STACK = 1, 0x6474E551


def elf(*segments: tuple[int, int], gap: int = 0) -> bytes:
    """An ELF file of program headers alone, as types and alignments, `gap` bytes after the file's header."""
    header = b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<Q", 64 + gap) + bytes(14)
    header += struct.pack("<HH", 56, len(segments)) + bytes(6)
    return header + bytes(gap) + b"".join(struct.pack("<I44xQ", *segment) for segment in segments)


@pytest.mark.parametrize("gap", [0, 100_000])  # patchelf moves the headers to the end
def test_the_least_aligned_segment_that_is_loaded_counts(tmp_path, gap):
    (tmp_path / "lib.so").write_bytes(elf((LOAD, 0x10000), (STACK, 16), (LOAD, 0x1000), gap=gap))
    assert alignment(tmp_path / "lib.so") == 0x1000


def test_what_is_loaded_by_nobody_has_none(tmp_path):
    for content in (b"", b"import os\n", elf(), elf((STACK, 16))):
        (tmp_path / "file").write_bytes(content)
        assert alignment(tmp_path / "file") is None


def test_a_real_program_is_aligned_to_its_systems_pages():
    assert alignment(Path(sys.executable).resolve()) % 0x1000 == 0
