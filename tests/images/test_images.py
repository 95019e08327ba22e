"""The images: what is in each, what it can do with the least rights, and the whole pipeline in them."""

from __future__ import annotations

import filecmp
import json
import os
import subprocess
from pathlib import Path

import pytest

from components.common.manifest import EMBEDDINGS, read
from pipelines import build, images
from pipelines.local import sources
from pipelines.run import main as run
from tests.unit.litert.published import SPECIFICATION, pair_model

pytestmark = pytest.mark.docker

# Heavy packages by the components whose images have them.
HOLDERS = {
    "dlib": {"extract", "verify"},
    "ai_edge_litert": {"embed", "export", "verify"},
    "pyarrow": {"extract", "collect", "mine-and-train", "embed", "evaluate", "export"},
    "tensorflow": {"mine-and-train", "embed", "export"},
    "keras": {"mine-and-train", "embed", "export"},
    "pandas": {"collect"},
    "matplotlib": {"extract", "collect", "mine-and-train", "evaluate"},
    "kfp": set(),
    "pip": set(),
    "setuptools": set(),
}
LEAST = [
    "--rm",
    "--user=54321:12345",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp",
]


@pytest.fixture(scope="module", params=images.COMPONENTS)
def image(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A component and its image, built when it is not there."""
    return request.param, build.build(request.param)


def python(image: str, code: str) -> str:
    done = subprocess.run(
        ["docker", "run", *LEAST, image, "python", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_image_has_its_own_packages_and_no_others(image):
    component, name = image
    packages = sorted(HOLDERS)
    code = f"import importlib.util as u, json; print(json.dumps([bool(u.find_spec(name)) for name in {packages}]))"
    there = {package for package, found in zip(packages, json.loads(python(name, code)), strict=True) if found}
    assert there == {package for package, holders in HOLDERS.items() if component in holders}


def test_an_image_has_its_own_code_compiled_and_no_other(image):
    component, name = image
    module = f"components.{component.replace('-', '_')}"
    wanted = sorted(
        path.relative_to(images.REPOSITORY).as_posix() for path in sources.files_of(module, images.REPOSITORY)
    )
    code = "import pathlib; print(*sorted(str(p) for p in pathlib.Path('/app').rglob('*') if p.is_file()), sep='\\n')"
    there = [line.removeprefix("/app/") for line in python(name, code).splitlines()]
    assert [file for file in there if not file.endswith(".pyc")] == wanted
    assert len([file for file in there if file.endswith(".pyc")]) == len(
        [file for file in wanted if file.endswith(".py")]
    )


def test_every_module_of_an_image_can_be_imported_in_it_with_the_least_rights(image):
    component, name = image
    module = f"components.{component.replace('-', '_')}"
    files = [path.relative_to(images.REPOSITORY) for path in sources.files_of(module, images.REPOSITORY)]
    modules = sorted(
        ".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files if file.suffix == ".py"
    )
    if component == "verify":  # it can run checkpoints as well, where there is TensorFlow
        modules = [name for name in modules if not name.startswith("components.model.")]
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)\nprint('all imported')"
    assert python(name, code) == "all imported\n"


def test_an_image_has_no_entrypoint_and_is_no_larger_than_it_says(image):
    component, name = image
    told = json.loads(subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=True).stdout)[0]
    assert not told["Config"]["Entrypoint"]
    assert told["Config"]["User"] == "65532:65532"
    assert told["Size"] < {"mine-and-train": 1.3e9, "embed": 1.3e9, "export": 1.3e9}.get(component, 400e6)
    history = subprocess.run(
        ["docker", "history", "--no-trunc", name], capture_output=True, text=True, check=True
    ).stdout
    assert "PIP_INDEX_URL" not in history


def test_an_image_that_is_there_is_not_built_again(image, capsys):
    component, name = image
    assert build.main(["--only", component]) == 0
    assert capsys.readouterr().out == f"{name}  is up to date\n"


def test_the_pipeline_in_containers_gives_what_it_gives_in_processes(sample_photos, tmp_path, capsys):
    settings = [
        "--set",
        "rounds=1",
        "--set",
        "mine-and-train.max_batches=2",
        "--set",
        "image_size=32",
        "--set",
        "collect.test=0.4",
        "--set",
        "export=int8",
    ]
    for runner in ("compose", "process"):
        flags = ["-i", str(sample_photos), "--runs", str(tmp_path / runner), "--runner", runner, *settings]
        assert run(flags) == 0, capsys.readouterr()
    for manifest in ("extract/faces", "extract/rejects", "collect/dataset"):
        one, other = (tmp_path / runner / "latest" / manifest for runner in ("compose", "process"))
        names = sorted(path.name for path in one.iterdir())
        assert names == sorted(path.name for path in other.iterdir())
        assert filecmp.cmpfiles(one, other, names, shallow=False) == (names, [], [])
    # Now what the containers made answers a run of processes.
    assert run(["-i", str(sample_photos), "--runs", str(tmp_path / "compose"), *settings]) == 0
    assert capsys.readouterr().out.count("cached, not run again") == 6


def test_embed_has_a_variant_without_tensorflow(dataset, tmp_path):
    name = build.build("embed", "litert")
    code = "import importlib.util as u; print([bool(u.find_spec(name)) for name in ('tensorflow', 'ai_edge_litert')])"
    assert python(name, code) == "[False, True]\n"
    (tmp_path / "model.tflite").write_bytes(pair_model())
    (tmp_path / "model.json").write_text(json.dumps(SPECIFICATION))
    command = [*images.command("embed"), "-i", str(dataset), "-c", str(tmp_path / "model.tflite")]
    mine = [f"--volume={folder}:{folder}" for folder in (dataset.parent, tmp_path)]
    mine.append(f"--user={os.getuid()}:{os.getgid()}")
    output = ["-o", str(tmp_path / "embeddings")]
    done = subprocess.run(
        ["docker", "run", *LEAST, *mine, name, *command, *output], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    vectors = read(tmp_path / "embeddings", EMBEDDINGS)["embedding"]
    assert {len(vector) for vector in vectors.to_pylist()} == {192}


def test_variants_are_locked_for_raspberry_pis_too():
    lock = (images.REPOSITORY / images.requirements("embed", "litert")).read_text()
    assert "tensorflow" not in lock
    assert "ai-edge-litert" in lock


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--variant", "litert", "--only", "extract"], "Only embed has a variant litert"),
     (["--variant", "gpu", "--only", "embed"], "Only mine-and-train has a variant gpu")],
)  # fmt: skip
def test_a_component_without_the_variant_is_named(flags, message, capsys):
    assert build.main(flags) == 2
    assert message in capsys.readouterr().err


def test_the_variant_for_gpus_is_locked():
    lock = Path(images.REPOSITORY / images.requirements("mine-and-train", "gpu")).read_text()
    assert "nvidia-cudnn" in lock
    assert images.reference("mine-and-train", "gpu") != images.reference("mine-and-train")
    assert images.reference("mine-and-train", "gpu").endswith("-gpu")
