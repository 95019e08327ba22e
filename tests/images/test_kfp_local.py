"""kfp's own local runner on the committed pipeline: a second implementation agrees with ours on every output."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from pipelines import build
from pipelines.compile import DEFAULT_OUTPUT
from tests.images.agreement import agree, agree_on_metrics

pytestmark = [
    pytest.mark.docker,
    # kfp says once for each task that requests and limits are for clusters.
    pytest.mark.filterwarnings("ignore:Task .* settings .* have no effect:UserWarning"),
]


README = DEFAULT_OUTPUT.parent / "pipelines" / "README.md"


def block() -> str:
    """What the README tells to paste."""
    (found,) = re.findall(r"```python\n(.*?kfp.*?)```", README.read_text(), re.DOTALL)
    return found


def paste(text: str, photos: Path, here: Path) -> Path:
    """Runs a text as it is in a folder like the repository's, and gives the folder that kfp's runner filled."""
    from kfp.local.config import LocalExecutionConfig

    shutil.copytree(photos, here / "photos")
    shutil.copy(DEFAULT_OUTPUT, here)
    try:
        with chdir(here):
            exec(compile(text, str(README), "exec"), {})
    finally:
        LocalExecutionConfig.instance = None
    return here / "kfp-local"


@pytest.fixture(scope="module")
def theirs(sample_photos: Path, built: None, tmp_path_factory) -> dict[str, Path]:
    """The folders of the tasks of a run by kfp's runner."""
    root = paste(block(), sample_photos, tmp_path_factory.mktemp("kfp"))
    folders = [file.parent for file in root.rglob("executor_output.json")]
    assert len({folder.name for folder in folders}) == len(folders)
    return {folder.name: folder for folder in folders}


def test_without_the_user_it_ends_with_what_the_readme_says(sample_photos, tmp_path, capfd):
    build.build("extract")  # no more is run
    text, changed = re.subn(r"DockerRunner\(.*\)", "DockerRunner()", block())
    assert changed == 1
    with pytest.raises(RuntimeError, match="extract"):
        paste(text, sample_photos, tmp_path)
    said = " ".join(capfd.readouterr().out.split())
    assert "The folder for the result cannot be made" in said
    assert "Permission denied" in said
    assert "The folder for the result cannot be made" in README.read_text()


def test_every_task_of_ours_is_one_of_theirs(theirs, in_containers):
    assert theirs.keys() == {path.parent.name for path in in_containers.glob("*/log.txt")}
    assert len(theirs) >= 6


def test_they_agree_on_every_output_and_every_number(theirs, in_containers):
    for task, folder in theirs.items():
        made = json.loads((in_containers / task / "task.json").read_text())["outputs"]
        said = json.loads((folder / "executor_output.json").read_text())["artifacts"]
        assert said.keys() == made.keys()
        for name, output in made.items():
            agree_on_metrics(said[name]["artifacts"][0]["metadata"], output["metadata"])
            assert (folder / name).exists() == output["on_disk"], f"{task} {name}"
            if output["on_disk"]:
                agree(folder / name, in_containers / task / name)
