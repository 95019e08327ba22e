"""A run is never answered with what was made from something else: what counts, and what changes while a task runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from threading import Thread

import pytest

import components.specification.images
from components.sample.__main__ import main as sample
from pipelines.look.show import main as show
from pipelines.records.files import read_task
from pipelines.records.record import RUNNING
from pipelines.rerun import main as rerun
from pipelines.run import main as run
from tests.pipeline.conftest import in_a_container, in_a_process

SUCCEEDED = {"importer": "succeeded", "count": "succeeded", "report": "succeeded"}
CACHED = {"importer": "succeeded", "count": "cached", "report": "cached"}
COUNTED = {"importer": "succeeded", "count": "succeeded", "report": "cached"}


def command_of(tiny, name):
    return tiny.ir["deploymentSpec"]["executors"][f"exec-{name}"]["container"]


def meanwhile(tiny, code):
    """Lets count do something when it has read the photos, as somebody else may at that moment."""
    command_of(tiny, "count")["command"][2] += f"\nphoto = pathlib.Path(photos, 'ada', '1.jpg')\n{code}\n"


def with_a_text(tiny, name):
    """Gives count a parameter that is text."""
    parameters = tiny.ir["components"]["comp-count"]["inputDefinitions"]["parameters"]
    parameters[name] = {"parameterType": "STRING", "defaultValue": "", "isOptional": True}


@in_a_process
@pytest.mark.parametrize(
    "code",
    [
        "photo.write_text('longer than before')",
        "photo.write_text('other'); photo.write_text('12345')",
        "other = photo.with_name('2.jpg'); other.touch(); other.unlink()",
        "photo.with_name('2.jpg').write_text('new')",
    ],
    ids=["written", "written and put back", "came and went", "came"],
)
def test_photos_that_change_while_a_task_works_are_no_answer_to_later_runs(tiny, code, capsys):
    meanwhile(tiny, code)
    assert tiny.run() == 0
    assert tiny.states() == SUCCEEDED
    assert tiny.reported() == "<p>15"
    assert "count     not cached  photos changed while it ran" in capsys.readouterr().out
    assert tiny.task_record("count")["message"] == "not cached: photos changed while it ran"
    shutil.rmtree(tiny.photos)
    tiny.photos.joinpath("ada").mkdir(parents=True)
    (tiny.photos / "ada" / "1.jpg").write_text("12345")
    assert tiny.run() == 0
    assert tiny.states() == COUNTED, "the report is made from the count, whatever that was made from"
    show(["latest", "--runs", str(tiny.runs)])
    assert "not cached: photos changed while it ran" in capsys.readouterr().out


@in_a_process
def test_photos_that_are_gone_at_the_end_are_no_answer_to_later_runs(tiny):
    meanwhile(tiny, "import shutil; shutil.rmtree(photos)")
    assert tiny.run() == 0
    assert "photos changed" in tiny.task_record("count")["message"]


@in_a_process
def test_what_a_task_left_that_failed_while_its_input_changed_is_nothing_to_go_on_from(tiny):
    meanwhile(tiny, "kept.write_text('a part')\nphoto.write_text('other')\nsys.exit(1)")
    assert tiny.run() == 1
    (tiny.photos / "ada" / "1.jpg").write_text("12345")
    tiny.run()
    assert "going on" not in (tiny.runs / "latest" / "count" / "log.txt").read_text()


@in_a_process
def test_code_that_changes_while_a_task_works_is_no_answer_to_later_runs(tiny, monkeypatch):
    package = tiny.folder / "code" / "components"
    (package / "stage").mkdir(parents=True)
    for name in ("__init__.py", "stage/__init__.py"):
        (package / name).touch()
    (package / "number.py").write_text("NUMBER = 1")
    (package / "stage" / "__main__.py").write_text(
        "import sys, pathlib\nfrom components import number\n"
        "pathlib.Path(sys.argv[2]).mkdir()\n(pathlib.Path(sys.argv[2]) / 'report.html').write_text('made')\n"
        "if number.NUMBER == 1:\n    pathlib.Path(number.__file__).write_text('NUMBER = 22')\n"
    )
    monkeypatch.setattr(components.specification.images, "REPOSITORY", package.parent)
    command_of(tiny, "report")["command"] = ["python", "-m", "components.stage"]
    assert tiny.run() == 0
    assert tiny.task_record("report")["message"] == "not cached: the code changed while it ran"
    (package / "number.py").write_text("NUMBER = 1")
    # Python compares its compiled files by time in seconds and size.
    shutil.rmtree(package / "__pycache__", ignore_errors=True)
    assert tiny.run() == 0
    assert tiny.states()["report"] == "succeeded"


@in_a_process
@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("model.ckpt-275", ["model.ckpt-275.index", "model.ckpt-275.data-00000-of-00001"]),
        ("{folder}/model.ckpt-275.index", ["model.ckpt-275.data-00000-of-00001", "model.ckpt-275.index"]),
        ("net.tflite", ["net.json", "net.tflite"]),
        ("weights", ["weights/variables"]),
        ("./weights", ["weights/variables"]),
    ],
)
def test_weights_are_seen_and_count_with_all_that_belongs_to_them(tiny, monkeypatch, given, files):
    monkeypatch.chdir(tiny.folder)
    Path("weights").mkdir()
    for name in ("model.ckpt-275.index", "model.ckpt-275.data-00000-of-00001", "net.tflite", "net.json"):
        Path(name).write_text("before")
    Path("weights/variables").write_text("before")
    with_a_text(tiny, "pretrained")
    command_of(tiny, "count")["command"][2] += f"\nprint('sees', *(pathlib.Path(name).read_text() for name in {files}))"
    flags = ("--set", f"count.pretrained={given.format(folder=tiny.folder)}")
    assert tiny.run(*flags) == 0
    assert "sees before" in (tiny.runs / "latest" / "count" / "log.txt").read_text()
    tiny.run(*flags)
    assert tiny.states() == CACHED
    for name in files:
        Path(name).write_text("after!")
        tiny.run(*flags)
        assert tiny.states() == COUNTED, name


@in_a_container
def test_a_container_holds_all_that_belongs_to_the_weights_that_a_task_names(tiny, monkeypatch):
    monkeypatch.chdir(tiny.folder)
    named = {
        "pretrained": ("model.ckpt-1", ["model.ckpt-1.index", "model.ckpt-1.data-00000-of-00001"]),
        "network": ("weights", ["weights/variables"]),
        "one": (f"{tiny.folder}/model.ckpt-2.index", ["model.ckpt-2.index", "model.ckpt-2.data-00000-of-00001"]),
        "another": ("net.tflite", ["net.json", "net.tflite"]),
        "third": ("./others", ["others/variables"]),
    }
    files = [file for _, belonging in named.values() for file in belonging]
    for file in map(Path, files):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"of {file}")
    settings = []
    for name, (given, _) in named.items():
        with_a_text(tiny, name)
        settings += ["--set", f"count.{name}={given}"]
    command_of(tiny, "count")["command"][2] += f"\nprint(*(pathlib.Path(name).read_text() for name in {files}))"
    assert tiny.run(*settings) == 0
    assert " ".join(f"of {file}" for file in files) in (tiny.runs / "latest" / "count" / "log.txt").read_text()


@in_a_process
def test_weights_that_change_while_a_task_works_are_no_answer_to_later_runs(tiny):
    with_a_text(tiny, "pretrained")
    for ending in ("index", "data-00000-of-00001"):
        (tiny.folder / f"model.ckpt-275.{ending}").write_text("before")
    changed = tiny.folder / "model.ckpt-275.data-00000-of-00001"
    meanwhile(tiny, f"pathlib.Path({str(changed)!r}).write_text('after!')")
    tiny.run("--set", f"count.pretrained={tiny.folder}/model.ckpt-275")
    assert tiny.task_record("count")["message"] == "not cached: what pretrained names changed while it ran"


@in_a_process
def test_the_specification_beside_an_imported_model_counts(tiny):
    model = tiny.folder / "net.tflite"
    model.write_text("a network")
    model.with_suffix(".json").write_text("{}")
    tiny.run()
    given = ("report", "--input", f"result={model}")
    tiny.rerun(*given)
    keys = [tiny.task_record("report")["cache_key"]]
    model.with_suffix(".json").write_text('{"colours": "BGR"}')
    tiny.rerun(*given)
    keys.append(tiny.task_record("report")["cache_key"])
    assert keys[0] != keys[1]


@in_a_process
def test_a_container_sees_all_that_a_task_is_given_by_name(tiny, capsys):
    with_a_text(tiny, "pretrained")
    for ending in ("index", "data-00000-of-00001"):
        (tiny.folder / f"model.ckpt-275.{ending}").write_text("before")
    tiny.run()
    capsys.readouterr()
    given = ("--set", f"pretrained={tiny.folder}/model.ckpt-275", "--runner", "compose", "--shell")
    assert rerun(["count", *given, "--runs", str(tiny.runs)]) == 0
    command = capsys.readouterr().out
    for place in (tiny.folder / "model.ckpt-275.index", tiny.folder / "model.ckpt-275.data-00000-of-00001"):
        assert f"target={place}" in command


@in_a_process
def test_a_variable_that_changes_numbers_counts_and_one_about_logs_does_not(tiny, monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    tiny.run()
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    tiny.run()
    assert tiny.states() == CACHED
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    tiny.run()
    assert tiny.states() == SUCCEEDED
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    tiny.run()
    assert tiny.states() == CACHED


@in_a_process
def test_another_version_of_a_package_counts(tiny, monkeypatch):
    tiny.run()
    (tiny.folder / "site" / "numpy-0.1.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(tiny.folder / "site")
    tiny.run()
    assert tiny.states() == SUCCEEDED
    (tiny.folder / "site" / "numpy-0.1.dist-info").rename(tiny.folder / "site" / "numpy-0.2.dist-info")
    tiny.run()
    assert tiny.states() == SUCCEEDED
    monkeypatch.undo()
    tiny.run()
    assert tiny.states() == CACHED


@pytest.mark.long
def test_a_photo_that_changes_while_extract_works_is_no_answer_to_later_runs(tmp_path, capsys):
    assert sample(["-o", str(tmp_path / "photos"), "--identities", "6", "--photos", "2"]) == 0
    first, last = (sorted(tmp_path.glob("photos/*/*.jpg"))[place] for place in (0, -1))
    before = last.read_bytes()
    runs = tmp_path / "runs"

    def change() -> None:
        while not any(
            (record := read_task(runs, one.name, "extract")) and record.state == RUNNING for one in runs.glob("2*")
        ):
            time.sleep(0.01)
        shutil.copyfile(first, last)

    arguments = ["-i", str(tmp_path / "photos"), "--runs", str(runs), "--to", "extract", "--set", "collect.test=0.5"]
    somebody = Thread(target=change)
    somebody.start()
    assert run(arguments) == 0
    somebody.join()
    assert "extract  not cached  photos changed while it ran" in capsys.readouterr().out
    last.write_bytes(before)
    assert run(arguments) == 0
    assert "cached" not in capsys.readouterr().out
    assert run(arguments) == 0
    assert "extract  cached" in capsys.readouterr().out
