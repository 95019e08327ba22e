"""Flags of a dataclass: what is read, what is refused, what `--help` says."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from components.common.errors import UsageError
from components.common.flags import Flag, Inputs, Output
from components.common.parsing import parse
from pipelines.cli import COMMANDS


@dataclass(frozen=True)
class Group:
    """Flags that belong together."""

    margin: float = 0.2
    """How far, in %."""


@dataclass(frozen=True)
class Base:
    """What several commands have."""

    output: Output
    """Where to."""


@dataclass(frozen=True)
class Settings(Base):
    """A command.

    It does something.
    """

    what: Annotated[tuple[str, ...], Flag(positional=True)] = ()
    """Which."""
    input: Inputs = ()
    """Where from."""
    set: Annotated[tuple[str, ...], Flag("NAME=VALUE", repeated=True)] = ()
    """Settings."""
    from_task: Annotated[str | None, Flag("TASK", name="from")] = None
    """Begin here."""
    max_pairs: int = 1
    """How many."""
    kind: Literal["one", "two"] = "one"
    """Which kind."""
    flip: bool = True
    """Whether."""
    json: bool = False
    """As JSON."""
    group: Group = field(default_factory=Group)


POSITIONALS = [
    ("pipelines.forget", "NAME"),
    ("components.verify.forget", "NAME"),
    ("pipelines.rerun", "TASK"),
    ("pipelines.look.show", "RUN[/TASK[/ARTIFACT[/FILE]]]"),
    ("components.verify.verify", "PHOTO"),
    ("components.verify.enroll", "PHOTO|FOLDER"),
    ("components.verify.identify", "PHOTO"),
    ("components.verify.rehearse", "FOLDER"),
    ("components.verify.watch", "SOURCE"),
]


def parsed(*argv):
    return parse(Settings, ["-o", "x", *argv], prog="facenet test")


def test_what_is_not_given_has_its_default():
    assert parsed() == Settings(Path("x"))


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["-i", "a", "b"], "input", (Path("a"), Path("b"))),
        (["--input"], "input", ()),
        (["--set", "a=1", "--set", "b=--c"], "set", ("a=1", "b=--c")),
        (["--from", "embed"], "from_task", "embed"),
        (["--from="], "from_task", ""),
        (["--max_pairs", "-3"], "max_pairs", -3),
        (["--max-pairs=3"], "max_pairs", 3),
        (["--kind", "two"], "kind", "two"),
        (["--flip", "false"], "flip", False),
        (["--flip", "True"], "flip", True),
        (["--no-flip"], "flip", False),
        (["--no-flip", "--flip"], "flip", True),
        (["--json"], "json", True),
        (["--margin", "1e-3"], "group", Group(0.001)),
        (["a", "--json", "b"], "what", ("a", "b")),
    ],
)
def test_flags_are_read(argv, name, value):
    assert getattr(parsed(*argv), name) == value


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--flip=maybe"], "--flip: true or false is needed, not 'maybe'"),
        (["--max_pairs", "x"], "--max_pairs"),
        (["--kind", "three"], "Known: one, two"),
        (["--max_piars", "3"], "Did you mean --max_pairs"),
        (["--max", "3"], "no such flag"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(argv, said):
    with pytest.raises(UsageError) as error:
        parsed(*argv)
    assert said in str(error.value)


def test_after_two_dashes_nothing_is_a_flag():
    said = parsed("-i", "a", "--json", "--", "-rf", "--help", "--my-name=1", "--", "-i")
    assert said.what == ("-rf", "--help", "--my-name=1", "--", "-i")
    assert (said.input, said.json) == ((Path("a"),), True)
    with pytest.raises(UsageError, match=r"more than the command takes\.\nReceived: -y\n"):
        parse(Base, ["-o", "x", "--", "-y"], prog="facenet test")


def test_a_name_that_looks_like_a_flag_is_answered_with_two_dashes():
    for module, wanted in POSITIONALS:
        with pytest.raises(UsageError, match=f"is no flag but a {re.escape(wanted)}, put it after --: .* -- -rf`"):
            parse(importlib.import_module(module).Settings, ["-rf"], prog="facenet test")


def test_a_missing_flag_is_named():
    with pytest.raises(UsageError, match="--output"):
        parse(Settings, [], prog="facenet test")


def test_a_word_too_much_is_refused():
    with pytest.raises(UsageError, match="more than the command takes"):
        parse(Base, ["-o", "x", "y"], prog="facenet test")


def test_help_says_what_each_flag_is_and_its_default(capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed("--help")
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "usage: facenet test [flags] WHAT A command. It does something." in said
    for flag in (
        "--output PATH Where to. (required)",  # after "-o PATH," or, since Python 3.13, "-o,"
        "How far, in %. (default: 0.2)",
        "(default: true)",
        "Settings. (repeatable)",
    ):
        assert flag in said


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("pipelines.submit", ["--run-name NAME", "--cache, --no-cache", "--dry-run, --no-dry-run"]),
        ("components.collect.__main__", ["--min_examples INT", "--drop_duplicates {true,false}"]),  # as Kubeflow writes
    ],
)
def test_help_writes_flags_as_whoever_reads_it_does(module, words, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module(module).main(["--help"])
    said = capsys.readouterr().out
    assert all(word in said for word in words)


@pytest.mark.parametrize("module", [module for module, _ in COMMANDS.values()])
def test_every_flag_of_every_command_has_its_help(module, capsys):
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(module).main(["--help"])
    assert stopped.value.code == 0
    assert "usage: facenet" in capsys.readouterr().out
