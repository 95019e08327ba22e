"""What a container gets to see."""

from pathlib import Path

import pytest

from pipelines.local.containers import docker_run
from pipelines.local.processes import Invocation
from pipelines.plan.tasks import Container


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("x.ckpt-1", ["x.ckpt-1.data-00000-of-00001", "x.ckpt-1.index"]),
        ("x.ckpt-1.index", ["x.ckpt-1.data-00000-of-00001", "x.ckpt-1.index"]),
        ("net.tflite", ["net.json", "net.tflite"]),
        ("weights", ["weights"]),
        ("gone", ["gone"]),  # so that docker says what is not there
    ],
)
def test_all_that_belongs_to_an_input_is_mounted(tmp_path, monkeypatch, given, seen):
    monkeypatch.chdir(tmp_path)
    for name in ("x.ckpt-1.data-00000-of-00001", "x.ckpt-1.index", "x.ckpt-2.index", "net.tflite", "net.json"):
        Path(name).touch()
    Path("weights").mkdir()
    command = docker_run(
        Invocation("x", Container(("true",), {}), ("true",), tmp_path / "task", (Path(given),), tmp_path / "log")
    )
    mounted = [word for word in command if word.startswith("--mount=") and word.endswith(",readonly")]
    places = [tmp_path / name for name in seen]
    assert mounted == [f'--mount=type=bind,"source={place}","target={place}",readonly' for place in places]
