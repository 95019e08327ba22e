"""`facenet runs --prune`: what is kept and why, what goes, and what it frees."""

import hashlib
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from components.common.preprocessing import Crop
from components.embed.network import Network
from components.model.checkpoint import fingerprint
from components.verify.gallery import open_gallery
from pipelines import prune
from pipelines.cli import main
from pipelines.records.alive import alive
from pipelines.records.folder import point_latest
from pipelines.records.record import FAILED, RUNNING
from tests.ui.records import run_of, task_of

DAYS = [f"202601{day:02d}-000000-000" for day in range(1, 13)]


def scored(accuracy, **others):
    return {"evaluate": {"accuracy": accuracy, "auc": accuracy, **others}}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Twelve runs; the folder to work in is empty, so that no network is used in it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    folder = tmp_path / "runs"
    for number, day in enumerate(DAYS):
        run_of(folder, day, parameters={"photos": "/photos"}, metrics=scored(0.5 + number / 100))
        (folder / day / "big").write_bytes(bytes(1000))
    return folder


def left(runs):
    return sorted(path.name for path in runs.iterdir() if path.is_dir() and not path.is_symlink())


def pruned(runs, *flags):
    assert main(["runs", "--prune", "--runs", str(runs), *flags]) == 0
    return left(runs)


def with_file(runs, day, content):
    file = runs / day / "export" / "model" / "facenet-int8.tflite"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def gallery_of(path, sha256):
    network = Network(Crop(0.0, "none"), 32, 4, sha256, lambda images, progress: np.zeros((1, 4), np.float32))
    with open_gallery(path, network, create=True):
        pass


def test_the_newest_and_the_best_are_kept_and_it_says_what_goes(runs, capsys):
    run_of(runs, DAYS[2], parameters={"photos": "/photos"}, metrics=scored(0.99, eer=0.3))
    run_of(runs, DAYS[3], parameters={"photos": "/photos"}, metrics={"evaluate": {"eer": 0.01}})
    run_of(runs, DAYS[4], parameters={"photos": "/elsewhere"}, metrics=scored(0.1))
    size = sum(file.stat().st_size for day in (*DAYS[:2], *DAYS[5:10]) for file in (runs / day).rglob("*"))
    before = left(runs)
    assert pruned(runs, "--keep", "2", "--dry-run") == before
    told = capsys.readouterr().out
    assert "7 runs would be deleted, which frees" in told
    assert pruned(runs, "--keep", "2") == [*DAYS[2:5], *DAYS[10:]]
    said = capsys.readouterr().out
    assert (
        said.replace("  deleted,", "  would be deleted,").replace(
            "deleted, which freed", "would be deleted, which frees"
        )
        == told
    )
    lines = {line[:19]: line[19:].strip() for line in said.splitlines()}
    assert lines[DAYS[2]] == "the best Accuracy on its photos"
    assert lines[DAYS[3]] == "the best EER on its photos"
    assert lines[DAYS[11]] == "it is one of the newest"
    assert said.splitlines()[-1] == f"7 runs deleted, which freed {size / 1000:.3g} kB; 5 kept."
    assert pruned(runs, "--keep", "2") == [*DAYS[2:5], *DAYS[10:]]
    assert "0 runs deleted" in capsys.readouterr().out


def test_scores_in_doubt_are_the_best_only_where_all_are(runs):
    run_of(runs, DAYS[0], parameters={"photos": "/photos"}, metrics=scored(1.0, better_than_chance=0))
    run_of(runs, DAYS[1], parameters={"photos": "/other"}, metrics=scored(1.0, better_than_chance=0))
    assert pruned(runs, "--keep", "1") == [DAYS[1], DAYS[11]]


def test_what_is_latest_tagged_unreadable_or_not_a_run_stays(runs):
    point_latest(runs, DAYS[0])
    main(["note", DAYS[1], "--tag", "keep", "--runs", str(runs)])
    (runs / DAYS[2] / "run.json").write_text("{")
    (runs / "by-hand").mkdir()
    (runs / DAYS[3] / "run.json").unlink()
    assert pruned(runs, "--keep", "1") == [*DAYS[:4], DAYS[11], "by-hand"]


def test_a_network_in_use_stays(runs):
    first = with_file(runs, DAYS[0], b"a network")
    gallery_of(runs.parent / "here" / "gallery.db", first)
    gallery_of(runs.parent / "family.db", with_file(runs, DAYS[1], b"another"))
    with_file(runs, DAYS[2], b"copied to a Pi")
    (runs.parent / "here" / "facenet.tflite").write_bytes(b"copied to a Pi")
    checkpoint = runs / DAYS[3] / "mine-and-train" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.weights.h5").write_bytes(b"weights")
    (checkpoint / "facenet.json").write_text("{}")
    gallery_of(runs.parent / "checkpoint.db", fingerprint(checkpoint))
    with_file(runs, DAYS[4], b"the newest network")  # what `verify` takes without -c
    galleries = [f"--gallery={runs.parent / name}.db" for name in ("family", "checkpoint")]
    assert pruned(runs, "--keep", "1", *galleries) == [*DAYS[:5], DAYS[11]]
    assert pruned(runs, "--keep", "1", galleries[0]) == [*DAYS[:3], DAYS[4], DAYS[11]]


def test_what_a_kept_run_took_from_others_stays(runs):
    """A chain: the newest took an answer of the cache, whose maker read a result of a third, a rerun of a fourth."""
    (runs / DAYS[5] / "checkpoint").mkdir()
    path = {"task": "a", "sha256": "ab"}
    run_of(runs, DAYS[11], task_of("a", origin={"run": DAYS[0], "seconds": 1.0}))
    run_of(runs, DAYS[0], task_of("b", inputs={"x": [{**path, "path": f"{DAYS[1]}/a/x"}]}))
    run_of(runs, DAYS[1], task_of("c", {"y": ("system.Model", f"{DAYS[2]}/c/y")}), origin=DAYS[3])
    run_of(runs, DAYS[3], task_of("d", parameters={"teacher": str(runs / DAYS[5] / "checkpoint")}))
    (runs / DAYS[5] / "e").mkdir()
    (runs / DAYS[5] / "e" / "z").symlink_to(f"../../{DAYS[6]}/e/z")
    assert pruned(runs, "--keep", "1") == [*DAYS[:4], *DAYS[5:7], DAYS[10], DAYS[11]]  # the tenth is the best


def test_nothing_is_deleted_while_a_run_is_going_on(runs, capsys):
    run_of(runs, DAYS[0], state=RUNNING)
    with alive(runs, DAYS[0]):
        assert main(["runs", "--prune", "--keep", "1", "--runs", str(runs)]) == 2
        assert "going on" in capsys.readouterr().err
        assert main(["runs", "--prune", "--keep", "1", "--runs", str(runs), "--dry-run"]) == 0
        assert f"{DAYS[0]}  it is going on" in capsys.readouterr().out
    assert left(runs) == DAYS
    assert pruned(runs, "--keep", "1") == [DAYS[11]]  # its runner was killed


def test_a_gallery_that_cannot_be_read_stops_it(runs, capsys):
    with closing(sqlite3.connect(runs.parent / "here" / "gallery.db")) as other:
        other.execute("CREATE TABLE x (y)")
    assert main(["runs", "--prune", "--keep", "1", "--runs", str(runs)]) == 2
    assert "not a gallery" in capsys.readouterr().err and left(runs) == DAYS


def test_a_deletion_that_is_cut_off_is_ended_by_the_next(runs, monkeypatch):
    def cut_off(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(prune.shutil, "rmtree", cut_off)
    assert main(["runs", "--prune", "--keep", "1", "--runs", str(runs)]) == 130
    monkeypatch.undo()
    monkeypatch.chdir(runs.parent / "here")
    assert f".{DAYS[10]}.partial" in left(runs)
    assert pruned(runs, "--keep", "1") == [DAYS[11]]


def test_the_runs_that_failed_go_too_and_wrong_use_is_refused(runs, capsys):
    run_of(runs, DAYS[0], state=FAILED)
    assert DAYS[0] not in pruned(runs, "--keep", "11")
    for flags in (["--keep", "0", "--prune"], ["--prune", "--json"], ["--dry-run"], ["-g", "x.db"]):
        assert main(["runs", "--runs", str(runs), *flags]) == 2
    assert json.loads((runs / DAYS[11] / "run.json").read_text())["id"] == DAYS[11]
