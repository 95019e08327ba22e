"""What the commands print with --json is what answers.schema.json says."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from PIL import Image

from components.extract.reasons import Reason
from components.verify.cluster import main as cluster
from components.verify.enroll import main as enroll
from components.verify.forget import main as forget
from components.verify.identify import main as identify
from components.verify.tracks import PATIENCE
from components.verify.verify import DIFFERENT
from components.verify.verify import main as verify
from components.verify.watch import main as watch
from tests.answers import problems as problems_of
from tests.conftest import REPOSITORY

DEFINITIONS = json.loads((REPOSITORY / "components/verify/answers.schema.json").read_text())["$defs"]


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    return problems_of(value, schema, DEFINITIONS)


@pytest.fixture
def empty(tmp_path):
    photo = tmp_path / "empty.png"
    Image.new("RGB", (200, 200), "green").save(photo)
    return str(photo)


def printed(capsys, call, *flags, code=0):
    assert call([*map(str, flags), "--json"]) == code
    return capsys.readouterr().out


def assert_is(command, *answers):
    assert answers
    for answer in answers:
        assert not problems(json.loads(answer), DEFINITIONS[command])


def test_verify(model, unevaluated, people, capsys):
    one, other, *_ = (photos[0] for photos in people.values())
    by_hand = printed(capsys, verify, one, other, "-c", unevaluated, "--threshold", "2")
    assert_is("verify", by_hand, printed(capsys, verify, one, other, "-c", model, "--far", "0.001", code=DIFFERENT))
    assert_is("verify", printed(capsys, verify, one, one, "-c", model))


def test_enroll_identify_and_forget(model, people, empty, tmp_path, capsys):
    gallery = ["-g", tmp_path / "g.db"]
    for name in list(people)[:2]:
        flags = [people[name][0], empty, "--name", name, *gallery, "-c", model]
        assert_is("enroll", printed(capsys, enroll, *flags))
    known = printed(capsys, identify, people[name][0], empty, *gallery, "-c", model)
    nobody = printed(capsys, identify, people[name][0], *gallery, "-c", model, "--threshold", "0")
    assert_is("identify", known, nobody, printed(capsys, identify, empty, *gallery, "-c", model, code=1))
    assert_is("forget", printed(capsys, forget, name, *gallery))


def test_watch(model, enrolled, people, empty, tmp_path, monkeypatch, capsys):
    flags = ["-g", enrolled, "-c", model]
    photo = next(iter(people.values()))[0]
    monkeypatch.setattr("components.verify.watch.folder", lambda root, pause: [photo, tmp_path / "empty.png"])
    assert_is("watch", *printed(capsys, watch, tmp_path, *flags).splitlines())
    with Image.open(photo) as picture:
        pictures = [picture.convert("RGB"), *[Image.new("RGB", (200, 200), "green")] * (PATIENCE + 1)]
    monkeypatch.setattr("components.verify.watch.pictures_of", lambda source, pause: pictures)
    seen = printed(capsys, watch, "0", *flags).splitlines()
    assert len(seen) == 2
    assert_is("watch", *seen)


def test_cluster(model, people, empty, tmp_path, capsys):
    photos = [photo for name in list(people)[:2] for photo in people[name]]
    assert_is("cluster", printed(capsys, cluster, *photos, empty, "-c", model))
    for photo in photos:
        (tmp_path / photo.parent.name).mkdir(exist_ok=True)
        shutil.copy(photo, tmp_path / photo.parent.name)
    flags = ["--corrections", tmp_path / "kept.json", "--same", *photos[::3], "--named"]
    assert_is("cluster", printed(capsys, cluster, tmp_path, *flags, "-c", model))


def test_every_reason_is_declared():
    assert DEFINITIONS["reason"]["enum"] == [*Reason]
    assert problems("no", DEFINITIONS["reason"]) == [" is 'no'"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"faces": True}, ".faces is True, not ['integer']"),
        ({"faces": -1}, ".faces is -1"),
        ({"faces": "3"}, ".faces is '3'"),
        ({"more": 1}, " has more"),
    ],
)
def test_what_is_not_as_declared_is_found(change, problem):
    answer = {"gallery": "g.db", "name": "Ada", "faces": 1, "corrections": {"file": "c.json", "faces": 0}}
    assert not problems(answer, DEFINITIONS["forget"])
    (found,) = problems({**answer, **change}, DEFINITIONS["forget"])
    assert found.startswith(problem)
    assert answer.pop("faces") and problems(answer, DEFINITIONS["forget"]) == [" lacks faces"]
