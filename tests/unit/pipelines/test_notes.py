"""What people say of a run: by a command, in lists and pages, and gone when it names somebody who is forgotten."""

import json
import os

import pytest

from pipelines.cli import main
from pipelines.look.history import run as run_as_it_is
from pipelines.records.notes import Notes, read_notes
from tests.ui.records import run_of

FIRST, SECOND = "20260101-000000-000", "20260102-000000-000"


@pytest.fixture
def runs(tmp_path):
    run_of(tmp_path, FIRST)
    run_of(tmp_path, SECOND)
    return tmp_path


def note(runs, *words):
    return main(["note", *words, "--runs", str(runs)])


def test_a_note_and_tags_are_set_changed_and_taken_off(runs, capsys):
    assert note(runs, FIRST, "wider margin", "--tag", "margin", "--tag", "keep") == 0
    assert capsys.readouterr().out == f"{FIRST}: wider margin [keep] [margin]\n"
    assert note(runs, FIRST, "--untag", "margin", "--tag", "good") == 0
    assert read_notes(runs, FIRST) == Notes("wider margin", ("good", "keep"))
    assert read_notes(runs, SECOND) == Notes()
    assert note(runs, FIRST, "", "--untag", "good", "--untag", "keep") == 0
    assert capsys.readouterr().out.endswith(f"{FIRST}: (no note)\n") and not (runs / FIRST / "notes.json").exists()


def test_lists_show_them(runs, capsys):
    note(runs, SECOND, "for the demo", "--tag", "demo")
    capsys.readouterr()
    main(["runs", "--runs", str(runs)])
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.endswith("for the demo; [demo]") and second.endswith("-")
    main(["runs", "--runs", str(runs), "--json"])
    assert [(run["note"], run["tags"]) for run in json.loads(capsys.readouterr().out)] == [
        ("for the demo", ["demo"]),
        ("", []),
    ]
    main(["show", SECOND, "--runs", str(runs)])
    assert "  note       for the demo\n  tags       demo\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"), [(["x" * 2001], "no note"), (["--tag", "two words"], "one word"), (["--tag", ""], "one word")]
)
def test_what_is_no_note_is_refused_and_changes_nothing(runs, capsys, words, said):
    note(runs, FIRST, "a note")
    assert note(runs, FIRST, *words) == 2
    assert said in capsys.readouterr().err
    assert read_notes(runs, FIRST) == Notes("a note")
    assert note(runs, "20260103-000000-000", "x") == 2


@pytest.mark.parametrize(
    "content", ['{"note": 3, "tags": []}', '{"note": ""}', "[]", "{", '{"note": "", "tags": "ab"}']
)
def test_notes_that_cannot_be_read_are_said_to_be_so(runs, content):
    (runs / FIRST / "notes.json").write_text(content)
    assert "cannot be read" in run_as_it_is(runs, FIRST).notes.note


def test_a_link_or_a_pipe_in_their_place_is_not_followed(runs):
    (runs / "secret").write_text('{"note": "a secret", "tags": []}')
    (runs / FIRST / "notes.json").symlink_to(runs / "secret")
    assert "secret" not in read_notes(runs, FIRST).note
    os.mkfifo(runs / SECOND / "notes.json")
    assert "cannot be read" in read_notes(runs, SECOND).note


def test_who_is_forgotten_is_named_in_none(runs, capsys):
    note(runs, FIRST, "Ada with glasses", "--tag", "Ada", "--tag", "good")
    note(runs, SECOND, "Adam")
    assert main(["forget", "Ada", "--runs", str(runs)]) == 0, capsys.readouterr().err
    assert read_notes(runs, FIRST) == Notes("(erased)", ("good",))
    assert read_notes(runs, SECOND) == Notes("Adam")
