import json
from pathlib import Path

import pytest

from components.verify.runs import newest
from pipelines.records.record import RunRecord, TaskRecord
from pipelines.records.summary import command, duration, summary


def task(name, seconds=1.0, outputs=(), **metrics):
    made = {output: {"path": f"1/{name}/{output}", "on_disk": True} for output in outputs}
    return TaskRecord(name, name, "succeeded", metrics=metrics, seconds=seconds, log=f"1/{name}/log.txt", outputs=made)


def run(**changes):
    record = RunRecord("1", "facenet", "pipeline.yaml", "laptop", {}, {}, [], "succeeded", seconds=200.0)
    for name, value in changes.items():
        setattr(record, name, value)
    return record


TASKS = {
    "extract": task(
        "extract", 12.3, photos=1300, faces=1290, identities=24, rejected=10, rejected_no_face=7, rejected_too_small=3
    ),
    "collect": task(
        "collect", faces=1280, identities=23, train_identities=16, validation_identities=2, test_identities=5
    ),
    "mine-and-train": task(
        "mine-and-train",
        180.0,
        ["checkpoint"],
        triplets_mined=123456,
        triplets_trained=2000,
        rounds=20,
        loss=0.01234,
    ),
    "evaluate": task(
        "evaluate",
        1.0,
        ["report"],
        accuracy=0.9531,
        accuracy_standard_error=0.0212,
        auc=0.98,
        eer=0.05,
        pairs=1234,
        identities=5,
        train_identities=0,
        **{"val_at_far_0.01": 0.8},
    ),
    "export": task("export", 9.0, ["model"], files=2, float32_bytes=5_040_000, int8_bytes=1_320_000, int8_accuracy=0.9),
}


def test_the_summary_says_what_was_found_learned_and_scored():
    text = summary(run(), TASKS, Path("/runs"))
    for part in (
        "1,290 faces found in 1,300 photos",
        "10 photos rejected (7 no-face, 3 too-small)",
        "1,280 faces of 23 people kept: 16 to train on, 2 for validation, 5 never seen in training",
        "123,456 triplets mined, 2,000 trained on, 20 rounds, loss 0.0123",
        "accuracy 0.953 +- 0.021 (standard error over people) on 1,234 pairs of 5 people kept out of training\n",
        "AUC 0.980, EER 0.050, VAL 0.800 at FAR 0.01",
        "3 min 00 s",
        "total         3 min 20 s",
        "/runs/1/evaluate/report/report.html",
        "float32 5.0 MB, int8 1.3 MB",
        "for a Pi      /runs/1/export/model",
        "\n  facenet verify A.jpg B.jpg -c /runs/1/export/model/facenet-int8.tflite",
    ):
        assert part in text


def test_a_training_without_triplets_says_on_how_many_pairs_it_was():
    tasks = {"mine-and-train": task("mine-and-train", pairs_trained=45000, rounds=20, loss=1.2)}
    assert " 45,000 pairs trained on, 20 rounds, loss 1.2000\n" in summary(run(), tasks, Path("/runs"))


def test_numbers_that_no_task_reported_are_left_out():
    tasks = {"extract": task("extract", faces=3, photos=4), "evaluate": task("evaluate", auc=0.5)}
    text = summary(run(), tasks, Path("/runs"))
    assert "3 faces found in 4 photos\n" in text
    assert "AUC 0.500\n" in text
    for absent in ("rejected", "accuracy", "None", "dataset", "verify", "report"):
        assert absent not in text


def test_people_that_were_trained_on_are_not_called_kept_out_of_training():
    scores = TASKS["evaluate"].metrics | {"train_identities": 3}
    text = summary(run(), {"evaluate": task("evaluate", **scores)}, Path("/runs"))
    assert "on 1,234 pairs of 5 people\n" in text
    assert "3 of the 5 people measured are of the train split\n" in text
    older = {name: value for name, value in scores.items() if name != "train_identities"}
    assert "split" not in (text := summary(run(), {"evaluate": task("evaluate", **older)}, Path("/runs")))
    assert "kept out" not in text


def test_a_result_that_cannot_be_told_from_guessing_is_called_so():
    scores = TASKS["evaluate"].metrics
    for better, said in ((1, False), (0, True)):
        tasks = {"evaluate": task("evaluate", **scores, better_than_chance=better)}
        assert ("Cannot be told from guessing\n" in summary(run(), tasks, Path("/runs"))) == said


def test_an_export_that_is_switched_off_is_not_shown():
    tasks = TASKS | {"export": task("export", 0.4, ["model"], files=0)}
    text = summary(run(), tasks, Path("/runs"))
    assert "for a Pi" not in text
    assert text.endswith("facenet verify A.jpg B.jpg -c /runs/1/mine-and-train/checkpoint")


def test_the_network_to_compare_with_is_the_one_that_verify_takes_by_itself(tmp_path):
    model = tmp_path / "1" / "export" / "model"
    model.mkdir(parents=True)
    for variant in ("float32", "int8"):
        (model / f"facenet-{variant}.tflite").touch()
        (model / "export.json").write_text(json.dumps({"best": f"facenet-{variant}.tflite"}))
        assert summary(run(), TASKS, tmp_path).endswith(f"-c {newest(tmp_path).path}")
        assert newest(tmp_path).path.name == f"facenet-{variant}.tflite"


def test_a_cached_task_is_marked_and_shows_the_time_that_it_took():
    cached = task("extract", 0.01)
    cached.state, cached.origin = "cached", {"run": "0", "seconds": 75.0}
    assert "extract  1 min 15 s  cached" in summary(run(), {"extract": cached}, Path("/runs"))


def test_a_failed_run_proposes_no_comparison():
    text = summary(run(state="failed"), TASKS, Path("/runs"))
    assert text.startswith("Run 1 failed")
    assert "verify" not in text


def test_paths_below_the_working_folder_are_shown_as_one_would_type_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "-c runs/1/export/model/facenet-int8.tflite" in summary(run(), TASKS, tmp_path / "runs")


def test_a_command_is_shown_as_it_works_from_here(tmp_path, monkeypatch):
    (tmp_path / "my env" / "bin").mkdir(parents=True)
    program = tmp_path / "my env" / "bin" / "facenet"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.argv", ["my env/bin/facenet", "run"])
    assert command("show", "a b") == "'my env/bin/facenet' show 'a b'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert command("show") == "facenet show"
    monkeypatch.setattr("sys.argv", ["/else/pipelines/cli.py"])
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    assert command("show") == "bin/python -m pipelines.cli show"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (192.4, "3 min 12 s"), (7500, "2 h 05 min")],
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
