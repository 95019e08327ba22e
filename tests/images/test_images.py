"""The images: what is in each, what it can do with the least rights, and the whole pipeline in them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.common.manifest import EMBEDDINGS, read
from components.specification import images
from components.specification.code import files_of
from pipelines import build
from pipelines.cache.conditions import variables
from tests.cluster.launcher import LEAST
from tests.conftest import run_pipeline
from tests.contract.test_imports import extra
from tests.images.agreement import agree, agree_on_metrics
from tests.unit.litert.published import SPECIFICATION, pair_model

pytestmark = pytest.mark.docker

HEAVY = ("dlib", "ai_edge_litert", "pyarrow", "tensorflow", "keras", "pandas", "matplotlib", "kfp", "pip", "setuptools")


@pytest.fixture(scope="module", params=images.COMPONENTS)
def image(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A component and its image, built when it is not there."""
    return request.param, build.build(request.param)


def python(image: str, code: str, *arguments: str) -> str:
    done = subprocess.run(
        ["docker", "run", *LEAST, "--tmpfs=/tmp", image, "python", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# By the rule of Python: compiled again is what was compiled from a file of another time or size, unless marked valid.
LOOK = """
import importlib, importlib.util, json, pathlib, struct, sys
heavy, modules = json.loads(sys.argv[1])
stale = []
for file in (file for folder in ("/app", "/opt/facenet/lib") for file in pathlib.Path(folder).rglob("*.py")):
    compiled = pathlib.Path(importlib.util.cache_from_source(file))
    marked, time, size = struct.unpack("<4x3I", compiled.read_bytes()[:16]) if compiled.exists() else (0, 0, 0)
    if not marked and (time, size) != (int(file.stat().st_mtime), file.stat().st_size):
        stale.append(str(file))
code = sorted(str(path.relative_to("/app")) for path in pathlib.Path("/app").rglob("*") if path.is_file())
packages = [name for name in heavy if importlib.util.find_spec(name)]
unusable = {}
for module in modules:
    try:
        importlib.import_module(module)
    except BaseException as error:
        unusable[module] = repr(error)
print(json.dumps({"packages": packages, "code": code, "stale": stale, "unusable": unusable}))
"""


@pytest.fixture(scope="module")
def looked(image: tuple[str, str]) -> dict[str, Any]:
    """What a container with the least rights finds in its image: one start for all that is asked."""
    component, name = image
    modules = sorted(
        ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
        for file in code_of(component)
        if file.endswith(".py")
    )
    if component in ("verify", "serve"):  # they can run checkpoints as well, where there is TensorFlow
        modules = [name for name in modules if not name.startswith("components.model.")]
    return json.loads(python(name, LOOK, json.dumps([HEAVY, modules])))


def code_of(component: str) -> list[str]:
    module = f"components.{component.replace('-', '_')}"
    return sorted(path.relative_to(images.REPOSITORY).as_posix() for path in files_of(module, images.REPOSITORY))


def test_an_image_has_its_own_packages_and_no_others(image, looked):
    assert set(looked["packages"]) == extra(image[0]) & set(HEAVY)


def test_an_image_has_its_own_code_compiled_and_no_other(image, looked):
    assert [file for file in looked["code"] if not file.endswith(".pyc")] == code_of(image[0])


def test_no_container_compiles_at_its_start(looked):
    assert not looked["stale"]


def test_every_module_of_an_image_can_be_imported_in_it_with_the_least_rights(looked):
    assert not looked["unusable"]


def test_an_image_has_no_entrypoint_and_is_no_larger_than_it_says(image):
    component, name = image
    told = json.loads(subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=True).stdout)[0]
    assert not told["Config"]["Entrypoint"]
    assert told["Config"]["User"] == "65532:65532"
    assert told["Size"] < {"extract": 420e6, "mine-and-train": 1.3e9, "embed": 1.3e9, "export": 1.3e9}.get(
        component, 400e6
    )
    history = subprocess.run(
        ["docker", "history", "--no-trunc", name], capture_output=True, text=True, check=True
    ).stdout
    assert "PIP_INDEX_URL" not in history


def test_an_image_that_is_there_is_not_built_again(image, capsys):
    component, name = image
    assert build.main(["--only", component]) == 0
    assert capsys.readouterr().out == f"{name}  is up to date\n"


def test_the_pipeline_in_containers_gives_what_it_gives_in_processes(in_containers, in_processes):
    for record in in_processes.glob("*/task.json"):
        made = json.loads(record.read_text())
        agree_on_metrics(
            made["metrics"], json.loads((in_containers / made["task"] / "task.json").read_text())["metrics"]
        )
        for name, output in made["outputs"].items():
            if output["on_disk"] and made["command"]:
                agree(record.parent / name, in_containers / made["task"] / name)


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
        ["docker", "run", *LEAST, "--tmpfs=/tmp", *mine, name, *command, *output],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    vectors = read(tmp_path / "embeddings", EMBEDDINGS)["embedding"]
    assert {len(vector) for vector in vectors.to_pylist()} == {192}


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--variant", "litert", "--only", "extract"], "Only embed has a variant litert"),
     (["--variant", "gpu", "--only", "embed"], "Only mine-and-train has a variant gpu")],
)  # fmt: skip
def test_a_component_without_the_variant_is_named(flags, message, capsys):
    assert build.main(flags) == 2
    assert message in capsys.readouterr().err


def test_what_containers_made_answers_a_run_of_processes(in_containers, sample_photos, monkeypatch):
    for name in variables(os.environ):  # left by stages that ran in this process: in a run each has its own
        monkeypatch.delenv(name)
    run_pipeline(sample_photos, in_containers.parent)
    records = in_containers.parent.glob("latest/*/task.json")
    states = {record.parent.name: json.loads(record.read_text())["state"] for record in records}
    assert states.pop("photos") == "succeeded"
    assert set(states.values()) == {"cached"}


def docker_with_buildkit() -> Path | None:
    """A Docker client here that builds with BuildKit: by its plug-in buildx, or so old that it needs none."""
    for folder in os.get_exec_path():
        docker = Path(folder, "docker")
        if docker.is_file():
            has_plugin = subprocess.run([docker, "buildx", "version"], capture_output=True, check=False).returncode == 0
            words = [docker, "version", "--format", "{{.Client.Version}}"]
            version = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            if has_plugin or int(version.partition(".")[0]) < 23:
                return docker
    return None


@pytest.mark.parametrize("builder", ["legacy", "buildkit"])
def test_both_builders_make_the_same_image(builder):
    docker = Path("docker") if builder == "legacy" else docker_with_buildkit()
    if docker is None:
        pytest.skip("no docker client here has BuildKit; install its plug-in buildx, then this is tested too")
    name = f"facenet-{builder}/verify"
    words = [docker, *build.command(name, "verify")[1:]]
    env = {**os.environ, "DOCKER_BUILDKIT": str(int(builder == "buildkit"))}
    subprocess.run(words, env=env, cwd=images.REPOSITORY, capture_output=True, check=True)
    code = "import pathlib; print(*sorted(p for f in ('/app', '/opt/facenet') for p in pathlib.Path(f).rglob('*')))"
    assert python(name, code) == python(build.build("verify"), code)
