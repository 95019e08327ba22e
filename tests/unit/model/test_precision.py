from __future__ import annotations

import pytest

from components.model.precision import remark


@pytest.mark.parametrize(
    ("described", "emulated"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 sse\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("flags\t\t: fpu avx2\n", True),
        ("Features\t: fp asimd\n", True),
        ("processor\t: 0\n", False),
    ],
)
def test_emulated_bfloat16_is_told(tmp_path, described, emulated):
    processor = tmp_path / "cpuinfo"
    processor.write_text(described)
    assert ("no bfloat16 instructions" in (remark("bfloat16", processor) or "")) == emulated
    assert remark("float32", processor) is None
    assert remark("bfloat16", tmp_path / "none") is None
