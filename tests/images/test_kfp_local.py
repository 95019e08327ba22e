"""kfp's own local runner on the committed pipeline: a second implementation agrees with ours on every output."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.compile import DEFAULT_OUTPUT
from tests.images.agreement import agree, agree_on_metrics

pytestmark = [
    pytest.mark.docker,
    # kfp says once for each task that requests and limits are for clusters.
    pytest.mark.filterwarnings("ignore:Task .* settings .* have no effect:UserWarning"),
]


@pytest.fixture(scope="module")
def theirs(sample_photos: Path, settings: dict[str, Any], built: None, tmp_path_factory) -> dict[str, Path]:
    """The folders of the tasks of a run by kfp's runner."""
    from kfp import components, local

    root = tmp_path_factory.mktemp("kfp")
    # It mounts nothing but its own root.
    shutil.copytree(sample_photos, root / "photos")
    runner = local.DockerRunner(
        user=f"{os.getuid()}:{os.getgid()}",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": ""},
        network_disabled=True,
    )
    (root / "workspace").mkdir()
    local.init(runner, pipeline_root=str(root), workspace_root=str(root / "workspace"), raise_on_error=True)
    pipeline = components.load_component_from_file(str(DEFAULT_OUTPUT))
    pipeline(photos=str(root / "photos"), **settings)
    folders = [file.parent for file in root.rglob("executor_output.json")]
    assert len({folder.name for folder in folders}) == len(folders)
    return {folder.name: folder for folder in folders}


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
