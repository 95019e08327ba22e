"""Every error says what went wrong, what was received and what to do next; no command shows a traceback."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from components.common.command import guarded
from pipelines.cli import main

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ERRORS = ("UsageError", "FacenetError")
# A headline that says what is allowed is its own advice: "--margin must not be negative."
RULE = re.compile(r"\b(must|needs?|is (a|an|from)|has to|Say|Give|of .* is)\b|KINDS\[kind\]")
# Why a task failed: a part of the sentence of `facenet run`, which has the advice.
PARTS = {"pipelines/local/results.py", "pipelines/local/runner.py"}


def errors() -> list[tuple[str, ast.Call]]:
    """Everywhere that an error is made: the file and the call."""
    found = []
    for folder in ("components", "pipelines"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name not in PARTS and not name.startswith("pipelines/ui/"):  # its errors are pages
                calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
                found += [(name, call) for call in calls if isinstance(call.func, ast.Name) and call.func.id in ERRORS]
    return found


def test_every_error_says_what_to_do_next():
    assert len(errors()) > 200
    for name, call in errors():
        given = {keyword.arg for keyword in call.keywords}
        headline = ast.unparse(call.args[0])
        assert "advice" in given or RULE.search(headline), f"{name}, line {call.lineno}: no advice: {headline}"


def test_every_headline_is_a_sentence():
    for name, call in errors():
        headline = call.args[0]
        last = headline.values[-1] if isinstance(headline, ast.JoinedStr) else headline
        if isinstance(last, ast.Constant):
            assert last.value.endswith((".", "?")), f"{name}, line {call.lineno}: {last.value!r}"


# command -> exit code, and a word of its message; {tmp} is an empty folder, {file} a text in it.
COMMANDS = {
    "frobnicate": (2, "no such command"),
    "extract -i {tmp}/none -o {tmp}/x": (2, "no such photo folder"),
    "extract -i {file} -o {tmp}/x": (2, "not a file"),
    "extract -i {tmp} -o {tmp}/../x": (2, "no photos"),
    "extract -i {tmp} -o {tmp}/x": (2, "must not contain each other"),
    "extract -i {tmp} -o {tmp}/../x --margin 3": (2, "--margin"),
    "extract -i {tmp} -o {tmp}/../x --workers -1": (2, "--workers"),
    "extract -i {tmp} -o {tmp}/../x --shard 3/2": (2, "--shard"),
    "collect -o {tmp}/x": (2, "Say where the faces lie"),
    "collect -i {tmp} -o {tmp}/x": (2, "no faces manifest"),
    "collect -i {tmp} -o {tmp}/x --min_examples 0": (2, "--min_examples"),
    "collect -i {tmp} -o {tmp}/x --test 1": (2, "leave something to train on"),
    "mine-and-train -i {tmp} -c {tmp}/x": (2, "no dataset manifest"),
    "embed -i {tmp} -c {tmp} -o {tmp}/x": (2, "no dataset manifest"),
    "evaluate -i {tmp} -o {tmp}/x": (2, "no embeddings manifest"),
    "evaluate -i {tmp} -o {tmp}/x --folds 1": (2, "--folds"),
    "evaluate -i {tmp} -o {tmp}/x --seed -1": (2, "--seed"),
    "export -i {tmp} -c {tmp} -o {tmp}/x": (2, "no checkpoint here"),
    "export -i {tmp} -c {tmp} -o {tmp}/x --calibration 0": (2, "--calibration"),
    "sample -o {file}": (2, "a file is in its place"),
    "verify {file} {file} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "enroll": (2, "nothing to enroll"),
    "identify {file} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "cluster {tmp} -c {tmp}/x.tflite": (2, "no photos in this folder"),
    "watch {tmp} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "forget Ada -g {tmp}/none.db": (2, "no gallery here"),
    "forget Ada --runs {tmp}/none": (2, "no such runs folder"),
    "forget Ada --runs {tmp}": (2, "Nobody of this name"),
    "forget a/b --runs {tmp}": (2, "cannot be a person's name"),
    "run -i {tmp}/none --runs {tmp}/x": (2, "no such file or folder"),
    "run --runs {tmp}/x": (2, "needs a value for photos"),
    "run -i {tmp} --recipe none --runs {tmp}/x": (2, "no such recipe"),
    "run -i {tmp} --recipe {file}.yaml --runs {tmp}/x": (2, "no such recipe"),
    "run -i {tmp} --set nothing=1 --runs {tmp}/x": (2, "no such parameter"),
    "run -i {tmp} --set image_size=big --runs {tmp}/x": (2, "a whole number"),
    "run -i {tmp} --to none --runs {tmp}/x": (2, "no such task"),
    "run -i {tmp} --pipeline {file} --runs {tmp}/x": (2, "not a compiled pipeline"),
    "run -i {tmp} --pipeline {tmp}/none --runs {tmp}/x": (2, "cannot be read"),
    "rerun collect --runs {tmp}": (2, "no such run"),
    "images --variant none": (2, "variant"),
}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_that_cannot_be_done_is_answered_in_words(words, tmp_path, capsys):
    code, message = COMMANDS[words]
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "file").write_text("a text")
    places = {"tmp": folder, "file": tmp_path / "file"}
    try:
        answered = main([word.format(**places) for word in words.split()])
    except SystemExit as left:  # a flag that is none, or a value that it does not take
        answered = left.code
    error = capsys.readouterr().err
    assert answered == code and message in error, error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) >= 2, error
    assert not (folder / "x").exists() and not (tmp_path / "x").exists()


def test_a_fault_of_the_program_is_said_and_its_traceback_shown_only_on_demand(capsys, monkeypatch):
    def fault():
        return {}["nothing"]

    assert guarded(fault, prog="facenet x") == 1
    error = capsys.readouterr().err
    assert error.startswith("facenet x: Something went wrong") and "KeyError: 'nothing' (test_errors.py, line" in error
    assert "Traceback" not in error and "facenet --debug" in error
    monkeypatch.setenv("FACENET_DEBUG", "1")
    with pytest.raises(KeyError):
        guarded(fault, prog="facenet x")


def test_debug_before_a_command_shows_where_its_error_arose(tmp_path, monkeypatch):
    from components.common.errors import UsageError

    monkeypatch.setenv("FACENET_DEBUG", "0")
    with pytest.raises(UsageError):
        main(["--debug", "forget", "Ada", "--gallery", str(tmp_path / "none.db")])
