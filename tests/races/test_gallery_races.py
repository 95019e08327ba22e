"""Two commands at one time on one gallery, or on one model."""

from __future__ import annotations

import shutil

import pytest

from components.verify.enroll import main as enroll
from components.verify.forget import main as forget
from components.verify.gallery import open_gallery
from components.verify.identify import main as identify
from components.verify.verify import main as verify
from tests.races.stopped import Stopped

pytestmark = pytest.mark.long

WRITES = ("sqlite3.connect", "*gallery.db*")
LOOKS = ("open", "*person-*")


def faces_of(gallery, name: str) -> int:
    with open_gallery(gallery) as people:
        return people.faces_of(name)


@pytest.mark.parametrize("nth", [1, 2])
def test_two_who_enroll_both_do(tmp_path, gallery, model, people, nth):
    where = ["-g", gallery, "-c", model]
    *_, one, other = people
    first = Stopped(tmp_path, enroll, *people[one], "--name", one, *where, before=WRITES, nth=nth)
    second = Stopped(tmp_path, enroll, *people[other], "--name", other, *where, before=WRITES, nth=nth)
    assert first.go_on() == second.go_on() == 0, first.output() + second.output()
    assert faces_of(gallery, one) == faces_of(gallery, other) == 2


@pytest.mark.parametrize("nth", [1, 2])
def test_somebody_is_forgotten_while_somebody_else_is_enrolled(tmp_path, gallery, model, people, nth):
    gone, *_, new = people
    words = [*people[new], "--name", new, "-g", gallery, "-c", model]
    enrolling = Stopped(tmp_path, enroll, *words, before=WRITES, nth=nth)
    assert forget([gone, "-g", str(gallery)]) == 0
    assert enrolling.go_on() == 0, enrolling.output()
    assert faces_of(gallery, new) == 2 and gone.encode() not in gallery.read_bytes()


def test_somebody_is_forgotten_while_a_photo_of_theirs_is_identified(tmp_path, gallery, model, people):
    """The answer is of before or of after, and whole."""
    gone = next(iter(people))
    words = [people[gone][0], "-g", gallery, "-c", model]
    before = Stopped(tmp_path, identify, *words, before=LOOKS)  # the gallery has been read
    after = Stopped(tmp_path, identify, *words, before=WRITES)
    assert forget([gone, "-g", str(gallery)]) == 0
    assert before.go_on() == after.go_on() == 0, before.output() + after.output()
    assert gone in before.output().replace(str(people[gone][0]), "")
    assert gone not in after.output().replace(str(people[gone][0]), "")


@pytest.mark.parametrize("in_place", [True, False])
def test_a_model_is_replaced_while_photos_are_compared(tmp_path, model, unevaluated, people, in_place):
    """The answer is that of the model that was read."""
    used = shutil.copy(model, tmp_path / "facenet.tflite")
    one, other, *_ = people
    words = [people[one][0], people[other][0], "-c", used]
    alone = Stopped(tmp_path, verify, *words)
    code = alone.go_on()
    comparing = Stopped(tmp_path, verify, *words, before=LOOKS)
    if in_place:
        shutil.copyfile(unevaluated, used)
    else:
        shutil.copyfile(unevaluated, tmp_path / "new")
        (tmp_path / "new").replace(used)
    assert comparing.go_on() == code and comparing.output() == alone.output()
