"""`facenet runs`, `show` and `tensorboard` over a real run and over hostile names."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.compile import DEFAULT_OUTPUT
from pipelines.look.show import main as show
from pipelines.look.tensorboard import main as tensorboard
from pipelines.look.words import bytes_in_words, plain, table
from pipelines.records.files import write_run, write_task
from pipelines.records.record import FAILED, RUNNING, SUCCEEDED, RunRecord, TaskRecord
from pipelines.runs import main as runs
from tests.answers import problems
from tests.conftest import REPOSITORY

SCHEMA = REPOSITORY / "pipelines/look/answers.schema.json"

HOSTILE = ["<script>alert(1)</script>", "\x1b[31mred\x07", "\u202egnp.exe", "../../etc", "😀", "x" * 300]


def output(capsys, command, folder: Path, *flags: str) -> str:
    assert command([*flags, "--runs", str(folder)]) == 0
    return capsys.readouterr().out


def printed(capsys, folder: Path, *flags: str):
    return json.loads(output(capsys, show, folder, *flags, "--json"))


def test_runs_lists_a_real_run_with_its_scores(in_processes, capsys):
    head, line = output(capsys, runs, in_processes.parent).splitlines()
    (run,) = json.loads(output(capsys, runs, in_processes.parent, "--json"))
    assert line.split()[:2] == [in_processes.name, "succeeded"]
    assert f"{run['metrics']['accuracy']:.4g}" in line[head.index("Accuracy") :].split()
    said = ["backbone=small_resnet, image_size=32, rounds=2, export=int8", *run["doubts"]]
    assert line.endswith("; ".join(said))
    assert run["settings"]["rounds"] == 2
    assert run["seconds"] > 0


def test_show_is_the_latest_run_with_its_tasks(in_processes, capsys):
    text = output(capsys, show, in_processes.parent)
    assert text.startswith(f"Run {in_processes.name} succeeded after ")
    assert "runner process, without limits of processors and memory\n" in text
    for task in printed(capsys, in_processes.parent)["tasks"]:
        assert f"\n{task['label']} " in text


def test_show_of_a_task_says_what_went_in_and_came_out_and_the_end_of_its_log(in_processes, capsys):
    text = output(capsys, show, in_processes.parent, "latest/mine-and-train")
    assert "  margin=0.2" in text.replace("parameters ", "")
    assert f"dataset: {in_processes.name}/collect/dataset" in text
    assert "facenet rerun mine-and-train --run" in text
    last = (in_processes / "mine-and-train" / "log.txt").read_text().splitlines()[-1].rpartition("\r")[2]
    assert text.endswith(f"  | {last}\n")
    record = printed(capsys, in_processes.parent, "latest/mine-and-train")
    assert record["parameters"]["margin"] == 0.2


def test_show_of_an_artifact_is_its_preview(in_processes, capsys):
    table_shown = printed(capsys, in_processes.parent, "latest/extract/faces", "--rows", "3")
    assert (table_shown["preview"], len(table_shown["rows"])) == ("table", 3)
    text = output(capsys, show, in_processes.parent, "latest/extract/faces", "--search", "person-00003")
    assert text.startswith("4 of 96 rows\n")
    assert '"backbone": "small_resnet"' in output(capsys, show, in_processes.parent, "latest/mine-and-train/checkpoint")
    assert output(capsys, show, in_processes.parent, "latest/evaluate/report/report.md").startswith(
        "# Face verification"
    )
    assert "opened in a browser" in output(capsys, show, in_processes.parent, "latest/evaluate/card")


def test_two_runs_are_shown_side_by_side(in_processes, capsys):
    folder, name = in_processes.parent, in_processes.name
    text = output(capsys, show, folder, "latest", "--with", name)
    assert text.startswith("The settings are the same.\n")
    told = printed(capsys, folder, "latest", "--with", name)
    (accuracy,) = (one["values"] for one in told["metrics"] if (one["task"], one["name"]) == ("evaluate", "accuracy"))
    assert accuracy == [told["runs"][0]["metrics"]["accuracy"]] * 2
    assert re.search(rf"evaluate +accuracy +{accuracy[0]:.4g} +{accuracy[0]:.4g}\n", text)
    assert show(["latest/evaluate", "--with", name, "--runs", str(folder)]) == 2
    assert "Name the runs alone" in capsys.readouterr().err


def test_of_several_runs_the_best_number_is_marked(tmp_path, capsys):
    for number, (accuracy, faces) in enumerate([(0.7, "aa"), (0.9, "aa"), (0.8, "bb")], 1):
        rounds = {"rounds": number}
        write_run(tmp_path, RunRecord(str(number), "facenet", "p.yaml", None, rounds, rounds, ["embed"], SUCCEEDED))
        task = TaskRecord("embed", "embed", SUCCEEDED, metrics={"accuracy": accuracy, "pairs": 40 + number})
        task.inputs = {"dataset": [{"task": "collect", "path": "d", "sha256": faces}]}
        write_task(tmp_path, str(number), task)
    text = output(capsys, show, tmp_path, "1", "--with", "2", "3")
    assert re.search(r"rounds +1 +2 +3\n", text)
    assert re.search(r"accuracy +0\.7 +0\.9 \* +0\.8\n", text)
    assert re.search(r"pairs +41 +42 +43\n", text)
    assert text.endswith("* the best of a line\nTheir scores were measured on different datasets.\n")
    told = printed(capsys, tmp_path, "1", "--with", "2", "3")
    assert told["settings"] == {"rounds": [1, 2, 3]}
    assert [one["best"] for one in told["metrics"]] == [[1], []]
    assert told["same_faces"] is False
    assert printed(capsys, tmp_path, "1", "--with", "2")["same_faces"] is True


def test_a_name_that_is_not_there_is_wrong_use(in_processes, capsys):
    assert show(["latest/evalaute", "--runs", str(in_processes.parent)]) == 2
    assert "Did you mean evaluate?" in capsys.readouterr().err
    assert show(["latset", "--runs", str(in_processes.parent)]) == 2
    assert "Did you mean latest?" in capsys.readouterr().err
    assert runs(["--runs", str(in_processes / "none")]) == 2
    assert "Name it with --runs" in capsys.readouterr().err


@pytest.fixture
def hostile(tmp_path) -> Path:
    settings = dict.fromkeys(HOSTILE, HOSTILE[1])
    write_run(tmp_path, RunRecord("1", HOSTILE[0], "p.yaml", HOSTILE[1], settings, {}, ["one"], RUNNING))
    inputs = {name: [{"task": name, "path": name, "sha256": ""}] for name in HOSTILE}
    metadata = dict.fromkeys(HOSTILE, 1)
    outputs = {
        name: {
            "path": f"1/one/{number}",
            "kind": "system.Artifact",
            "sha256": "",
            "metadata": metadata,
            "on_disk": name != "../../etc",
        }
        for number, name in enumerate(HOSTILE)
    }
    task = TaskRecord("one", HOSTILE[2], RUNNING, dict.fromkeys(HOSTILE, HOSTILE[2]), inputs, outputs=outputs)
    task.message, task.log, task.metrics = "".join(HOSTILE), "1/one/log.txt", metadata
    write_task(tmp_path, "1", task)
    (tmp_path / "1" / "one" / "log.txt").write_text("1 of 2\r2 of 2\x1b[2J\u202e\nlast\n")
    for number, name in enumerate(HOSTILE):
        (tmp_path / "1" / "one" / str(number)).write_text(f"{name}\n")
    return tmp_path


@pytest.mark.parametrize("what", ["1", "1/one", *(f"1/one/{name}" for name in HOSTILE if "/" not in name)])
def test_no_name_steers_the_terminal(hostile, capsys, what):
    text = output(capsys, show, hostile, what) + output(capsys, runs, hostile)
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert "<script>alert(1)</script>" in text


def test_no_name_steers_the_terminal_in_a_message_either(hostile, capsys):
    assert show(["1/one/\x1b[31mrad", "--runs", str(hostile)]) == 2
    error = capsys.readouterr().err
    assert "Did you mean \\x1b[31mred\\x07?" in error
    assert "\x1b" not in error


def test_a_log_shows_of_a_line_written_over_the_last(hostile, capsys):
    text = output(capsys, show, hostile, "1/one")
    assert text.splitlines()[-2:] == ["  | 2 of 2\\u202e", "  | last"]


def test_a_lost_run_says_how_to_go_on(hostile, capsys):
    (hostile / "1" / ".alive").touch()
    assert "the same command goes on from there" in output(capsys, show, hostile, "1")
    assert output(capsys, runs, hostile).splitlines()[1].split()[:2] == ["1", "lost"]


def test_a_log_outside_the_runs_folder_is_not_read(hostile, capsys, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("secret words")
    (hostile / "1" / "one" / "log.txt").unlink()
    (hostile / "1" / "one" / "log.txt").symlink_to(secret)
    assert "secret words" not in output(capsys, show, hostile, "1/one")


def test_tensorboard_that_is_not_installed_says_how_to_install_it(in_processes, capsys):
    assert tensorboard(["--runs", str(in_processes.parent)]) == 1
    error = capsys.readouterr().err
    assert "pip install tensorboard" in error
    assert "mine-and-train/training/events" in error


def test_tensorboard_is_started_on_the_events(in_processes, tmp_path):
    """It is not among the locked packages: something that only prints what it was given stands for it."""
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "__init__.py").touch()
    (tmp_path / "tensorboard" / "main.py").write_text("import sys; print(sys.argv[1:])")
    path = os.pathsep.join([str(tmp_path), str(DEFAULT_OUTPUT.parent)])
    command = [sys.executable, "-m", "pipelines.cli", "tensorboard", "latest", "--runs", str(in_processes.parent)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert str(in_processes / "mine-and-train" / "training" / "events") in done.stdout
    assert list((in_processes / "mine-and-train" / "training" / "events").glob("*.tfevents.*"))


def test_a_run_without_a_training_has_no_events(hostile, capsys):
    assert tensorboard(["1", "--runs", str(hostile)]) == 2
    assert "no events" in capsys.readouterr().err


def test_words():
    assert plain("a\x1b[2Jb\u202ec\nd é😀") == "a\\x1b[2Jb\\u202ec\\nd é😀"
    assert table(("a", "b"), [["x" * 100, "y" * 100], [None, 0.123456]]).splitlines()[2].split() == ["-", "0.1235"]
    assert len(table(("a", "b"), [["x" * 100, "y" * 100]]).splitlines()[1]) == 40 + 2 + 100
    assert [bytes_in_words(count) for count in (None, 999, 1000, 340_000_000, 1_234_000_000)] == [
        "-", "999 bytes", "1 kB", "340 MB", "1.23 GB",
    ]  # fmt: skip


def test_a_failed_run_is_shown_with_the_error_that_its_task_has(tmp_path, capsys):
    log = tmp_path / "1" / "embed" / "log.txt"
    task = TaskRecord("embed", "embed", FAILED, message="exit code 2", log="1/embed/log.txt")
    write_run(tmp_path, RunRecord("1", "facenet", "pipeline.yaml", None, {}, {}, ["embed"], FAILED))
    write_task(tmp_path, "1", task)
    log.write_text("facenet embed: The first.\nfacenet embed: These faces were cut.\nReceived: faces: 1\n")
    assert "exit code 2: These faces were cut.\n" in output(capsys, show, tmp_path, "1")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("show_run", ["latest"]),
        ("show_task", ["latest/evaluate"]),
        ("comparison", ["latest", "--with", "latest", "latest"]),
        ("table", ["latest/collect/dataset"]),
        ("folder", ["latest/mine-and-train/checkpoint"]),
        ("values", ["latest/evaluate/report/metrics.json"]),
        ("text", ["latest/evaluate/report/report.md"]),
        ("page", ["latest/evaluate/card"]),
        ("nothing", ["latest/mine-and-train/checkpoint/model.weights.h5"]),
    ],
)
def test_what_is_printed_for_programs_is_as_the_schema_says(kind, words, in_processes, capsys):
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    assert not problems(printed(capsys, in_processes.parent, *words), definitions[kind], definitions)
    listed = json.loads(output(capsys, runs, in_processes.parent, "--json"))
    assert listed and not problems(listed, definitions["runs"], definitions)
    assert problems([{**listed[0], "id": 3}], definitions["runs"], definitions) == ["[0].id is 3, not ['string']"]
