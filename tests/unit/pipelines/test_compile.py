"""What is said of a pipeline that is wrongly written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
# In a process of its own: a component's image is named when it is imported, and stays.
COMPILE = """
import sys
import pipelines.facenet as wiring
{fault}
from pipelines.cli import main
sys.exit(main(["compile", "-o", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wiring.evaluate = wiring.collect", "unexpected"),
        (
            "task = wiring._task; wiring._task = lambda one, **given: task(one, **(given | {'pictures': 5.5}))",
            "InconsistentTypeException",
        ),
    ],
)
def test_what_kfp_cannot_wire_is_no_fault_of_the_program_nor_of_a_volume(fault, said, tmp_path):
    program = COMPILE.format(fault=fault)
    command = [sys.executable, "-c", program, str(tmp_path / "x.yaml")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "kfp cannot wire the pipeline as it is written" in done.stderr
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
