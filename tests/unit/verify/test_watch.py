from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from PIL import Image

from components.verify import sources
from components.verify.tracks import PATIENCE
from components.verify.watch import main
from tests.conftest import REPOSITORY


def test_a_photo_in_a_folder_counts_when_it_is_whole_and_again_when_it_changes(tmp_path):
    (tmp_path / "before.jpg").write_bytes(b"there before")
    steps = iter(
        [
            lambda: (tmp_path / "new.jpg").write_bytes(b"ha"),
            lambda: (tmp_path / "new.jpg").write_bytes(b"half"),  # still being written
            lambda: (tmp_path / "notes.txt").write_bytes(b"no photo"),
            lambda: None,
            lambda: os.utime(tmp_path / "before.jpg", ns=(1, 1)),
            lambda: None,
            (tmp_path / "new.jpg").unlink,
            lambda: None,
        ]
    )

    def pause(seconds):
        step = next(steps, None)
        if step:
            step()
        return step is None

    assert [path.name for path in sources.folder(tmp_path, pause)] == ["new.jpg", "before.jpg"]


def test_a_folder_that_is_away_for_a_while_is_waited_for(tmp_path, capsys):
    inbox, elsewhere = tmp_path / "inbox", tmp_path / "elsewhere"
    inbox.mkdir()
    (inbox / "before.jpg").write_bytes(b"there before")
    steps = iter(
        [
            lambda: inbox.rename(elsewhere),
            lambda: None,
            lambda: elsewhere.rename(inbox),
            lambda: (inbox / "new.jpg").write_bytes(b"new"),
            lambda: None,
        ]
    )

    def pause(seconds):
        step = next(steps, None)
        if step:
            step()
        return step is None

    assert [path.name for path in sources.folder(inbox, pause)] == ["new.jpg"]
    assert capsys.readouterr().err == f"Waiting for {inbox}: There is no such photo folder.\n"


def started(*flags):
    return subprocess.Popen(
        [sys.executable, "-m", "components.verify", "watch", *map(str, flags)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watched_folder_is_answered_as_photos_come_until_it_is_told_to_stop(
    model, enrolled, people, tmp_path, number
):
    watch = started(tmp_path, "-g", enrolled, "-c", model, "--json")
    late = threading.Timer(60, watch.kill)
    late.start()
    try:
        while "Watching" not in watch.stderr.readline():
            assert watch.poll() is None
        name = list(people)[1]
        (tmp_path / "a.jpg").write_bytes(people[name][0].read_bytes())
        first = json.loads(watch.stdout.readline())
        Image.new("RGB", (200, 200), "green").save(tmp_path / "b.png")
        second = json.loads(watch.stdout.readline())
        watch.send_signal(number)
        assert watch.wait() == 0
    finally:
        late.cancel()
        watch.kill()
    assert first["photo"].endswith("a.jpg") and [face["name"] for face in first["faces"]] == [name]
    assert second["photo"].endswith("b.png") and (second["reason"], second["faces"]) == ("no-face", [])
    assert watch.stdout.read() == "" and "Traceback" not in watch.stderr.read()


def test_a_network_that_is_replaced_is_said_once_and_the_one_from_the_start_goes_on(
    model, enrolled, people, film, tmp_path, monkeypatch, capsys
):
    mine = tmp_path / "facenet.tflite"
    mine.write_bytes(model.read_bytes())
    frames = sources.pictures_of

    def replaced(*given):
        for number, picture in enumerate(frames(*given)):
            if number == 2:
                mine.write_bytes(b"\0" * mine.stat().st_size)  # in place, as `cp` does it
            yield picture

    monkeypatch.setattr("components.verify.watch.pictures_of", replaced)
    path, names = film
    assert main([str(path), "-g", str(enrolled), "-c", str(mine), "--far", "0.1", "--json"]) == 0
    said = capsys.readouterr()
    records = [json.loads(line) for line in said.out.splitlines()]
    assert [[face["name"] for face in record["faces"]] for record in records] == [[names[0]], [], [names[1]]]
    assert said.err.count("facenet.tflite has changed. The network from the start goes on") == 1


@pytest.fixture(scope="module")
def film(people, tmp_path_factory):
    """Two pictures of one enrolled person, some of nobody, one of another person; a camera shows it to OpenCV."""
    names = list(people)
    shown = [people[names[0]][0]] * 2 + [None] * (PATIENCE + 1) + [people[names[1]][0]]
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (480, 480))
    for photo in shown:
        picture = Image.new("RGB", (480, 480), "green")
        if photo is not None:
            with Image.open(photo) as portrait:
                picture.paste(portrait.convert("RGB"), (100, 100))
        writer.write(np.asarray(picture)[:, :, ::-1])
    writer.release()
    return path, names[:2]


def test_a_camera_is_answered_when_who_is_there_changes(model, enrolled, film, capsys):
    path, names = film
    assert main([str(path), "-g", str(enrolled), "-c", str(model), "--far", "0.1", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[face["name"] for face in record["faces"]] for record in records] == [[names[0]], [], [names[1]]]
    assert [face["track"] for record in records for face in record["faces"]] == [1, 2]
    assert main([str(path), "-g", str(enrolled), "-c", str(model), "--far", "0.1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and names[0] in lines[0] and lines[1].endswith("nobody") and names[1] in lines[2]


def test_what_is_no_folder_and_no_camera_is_said(model, enrolled, monkeypatch, capsys):
    flags = ["-g", str(enrolled), "-c", str(model)]
    assert main(["nowhere", *flags]) == 1
    assert "camera does not open" in capsys.readouterr().err
    assert main(flags) == 2
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert main(["0", *flags]) == 2
    assert "needs OpenCV" in capsys.readouterr().err
