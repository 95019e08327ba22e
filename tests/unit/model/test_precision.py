from __future__ import annotations

import pytest

from components.model.precision import fastest, remark


@pytest.mark.parametrize(
    ("described", "emulated", "precision"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 sse\n", False, "bfloat16"),
        ("Features\t: fp asimd bf16\n", False, "bfloat16"),
        ("flags\t\t: fpu avx2\n", True, "float32"),
        ("Features\t: fp asimd\n", True, "float32"),
        ("processor\t: 0\n", False, "float32"),
    ],
)
def test_emulated_bfloat16_is_told_and_not_taken_for_the_fastest(tmp_path, described, emulated, precision):
    processor = tmp_path / "cpuinfo"
    processor.write_text(described)
    assert ("no bfloat16 instructions" in (remark("bfloat16", processor) or "")) == emulated
    assert remark("float32", processor) is None
    assert remark("bfloat16", tmp_path / "none") is None
    assert fastest(processor) == precision
    assert fastest(tmp_path / "none") == "float32"
