"""Starting: a run that the cache answers, and stages until they refuse an input: `python -m benchmarks.starting`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.harness import command_line, compare
from components.sample.folder import draw

_STAGES = {
    "sample": ["--output", "README.md"],
    "extract": ["-i", "missing", "-o", "{folder}/o"],
    "collect": ["-i", "missing", "-o", "{folder}/o"],
    "embed": ["-i", "missing", "-c", "missing", "-o", "{folder}/o"],
    "evaluate": ["-i", "missing", "-o", "{folder}/o"],
    "verify": ["verify", "missing.jpg", "missing.jpg", "-c", "missing.tflite"],
}


def _run(*command: str, code: int = 0) -> str:
    # Byte code is kept, also where the environment says otherwise: pip has written the peer's.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def cached(folder: Path) -> None:
    """A run of all stages again, and of as many tasks by kfp.local."""
    draw(folder / "photos", identities=40, photos=6, seed=0)
    run = ["-m", "pipelines.cli", "run", "-i", str(folder / "photos"), "--runs", str(folder / "runs")]
    run += ["--set", "rounds=2", "--set", "export=float32"]
    first = _run(*run)
    tasks = first.count(" done ")
    peer = ["-m", "benchmarks.kfp_line", str(tasks), str(folder / "kfp")]
    _run(*peer)

    def equal(ours: str, theirs: str) -> str:
        assert ours.count(" cached ") == tasks, ours
        assert "finished" in theirs, theirs
        assert "Executing task" not in theirs, theirs
        return f"all {tasks} tasks answered from the cache"

    compare(
        "a run answered from the cache",
        "kfp.local, empty tasks",
        lambda: _run(*run),
        lambda: _run(*peer),
        equal,
        at_least=3,
    )


def main() -> None:
    """The cached run, then every stage that does without TensorFlow."""
    command_line(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        cached(Path(name))
        for stage, flags in _STAGES.items():
            command = ["-m", f"components.{stage}", *(flag.format(folder=name) for flag in flags)]
            compare(
                f"start of {stage}",
                'python -c "import kfp"',
                partial(_run, *command, code=2),
                partial(_run, "-c", "import kfp"),
                lambda ours, theirs: ours.strip().splitlines()[0][:60],
                at_least=1,
                times=9,
            )


if __name__ == "__main__":
    main()
