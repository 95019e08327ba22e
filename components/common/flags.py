"""Flags, read from a dataclass: a field is a flag of its name, and the field's docstring is its help.

Built on argparse, because a command should start at once: packages that do this and more take a tenth of a second to
import.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from components.common.errors import UsageError

Settings = TypeVar("Settings")

# Before a word that is no flag: argparse would take it for one by its first letter. No word that is typed has a NUL.
_NO_FLAG = "\0"
_WORDS = {str: "text", int: "int", float: "float", Path: "path"}


@dataclass(frozen=True)
class Flag:
    """What a field's name and type do not say: `photos: Annotated[tuple[Path, ...], Flag("PHOTO", positional=True)]`.

    Args:
        value: what the help calls its value; by default after the type.
        short: a second name, of one letter: `-i`.
        name: its name where that is no name for a field: `from`.
        positional: whether its value stands by itself, without the name.
        repeated: whether each value of a tuple follows the name again; by default all follow it once.
        choices: the only values that it takes, where they are not known to its type.
        help: what the help says of it, where several commands have the flag; a field's own docstring goes before it.
        read: makes the value of what was written, or raises argparse.ArgumentTypeError; by default the type does.
    """

    value: str | None = None
    short: str | None = None
    name: str | None = None
    positional: bool = False
    repeated: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    read: Callable[[str], Any] | None = None


def _one_of(choices: Sequence[Any], name: str, text: str) -> Any:
    from components.common.suggest import suggestion

    if text not in choices:
        raise UsageError(f"{name} has no such value.", received=text, advice=suggestion(text, choices))
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false is needed, not {text!r}")
    return text.lower() == "true"


Input = Annotated[Path, Flag("PATH", short="-i")]
# One manifest, or the shards of one; a pipeline names them in --executor_input instead.
Inputs = Annotated[tuple[Path, ...], Flag("PATH", short="-i")]
Output = Annotated[Path, Flag("PATH", short="-o")]
Checkpoint = Annotated[Path, Flag("PATH", short="-c")]
# Where `facenet run` keeps runs, and other commands look for them.
RUNS = Path("runs")
Runs = Annotated[Path, Flag("DIR", help="The runs folder, which holds all runs and their cache.")]
# What a stage shows of itself, beside its results.
Html = Annotated[Path | None, Flag("FILE", help="Also write the stage's card to this file, as HTML.")]
Markdown = Annotated[Path | None, Flag("FILE", help="Also write the numbers of the card to this file, as Markdown.")]
Pictures = Annotated[
    bool, Flag(help="Faces and photos in the card; without, it shows nobody's face and nobody's photo.")
]
Seed = Annotated[int, Flag(help="Seed of every random choice.")]
# `{{$}}` in the pipeline: where to write the metrics that Kubeflow's UI shows.
ExecutorInput = Annotated[
    str, Flag("JSON", help="Kubeflow's description of the task; leave it out when running a stage by hand.")
]


def parse(
    settings: type[Settings], argv: Sequence[str] | None, *, prog: str, hint: Callable[[str, str], str] | None = None
) -> Settings:
    """Reads the flags of a command; `--help` prints them and exits.

    Args:
        settings: a dataclass; the fields of a dataclass that is the type of a field are flags like its own.
        argv: the arguments after the command's name; `sys.argv[1:]` when None. After `--` none is a flag.
        prog: the command as the user types it.
        hint: is given a flag that there is not, and what follows it; says what may have been meant, or "".

    Raises:
        UsageError: a flag that there is not, one that is missing, or a value that does not fit.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    end = typed.index("--") if "--" in typed else len(typed)
    words = [*map(_underscored, typed[:end]), *(_NO_FLAG + word for word in typed[end + 1 :])]
    found = list(fields_of(settings))
    of_a_stage = any(one.name == "executor_input" for one in found)
    switches = {name for one in found if one.one is bool for name in one.names}
    words = [*_spelled_out(words[:end], switches), *words[end:]]
    names = [name for one in found for name in one.names]
    dashed = _dashed(typed[:end], found, prog)
    parser = _Parser(
        dashed,
        prog=prog,
        usage=" ".join([prog, "[flags]", *(one.value for one in found if one.flag.positional)]),
        description=inspect.getdoc(settings),
        formatter_class=_Help if of_a_stage else _HelpForPeople,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    asked = {"-h", "--help"} & set(words)  # finding docstrings takes as long as all else
    groups: dict[Any, Any] = {settings: parser}
    for one in found:
        if one.owner not in groups:
            groups[one.owner] = parser.add_argument_group((inspect.getdoc(one.owner) or "").partition(".")[0])
        groups[one.owner].add_argument(*one.names, **one.argument(), help=one.help() if asked else None)
    given, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        hinted = hint(unknown[0], "".join(unknown[1:2])) if hint else ""
        raise _unknown(unknown[0], names, prog, hinted, dashed)
    made: Settings = _made(settings, vars(given))
    return made


def _spelled_out(words: Sequence[str], switches: Collection[str]) -> Iterator[str]:
    """Switches with a value each: people write `--x` and `--no_x`, and Kubeflow `--x true` and `--x false`."""
    left = list(words)
    while left:
        word = left.pop(0)
        if word in switches:
            word += f"={left.pop(0)}" if left and left[0].lower() in ("true", "false") else "=true"
        elif word.startswith("--no_") and f"--{word[5:]}" in switches:
            word = f"--{word[5:]}=false"
        yield word


def _underscored(word: str) -> str:
    """`--max-pairs=3` as `--max_pairs=3`."""
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else word


def _dashed(words: Sequence[str], found: Sequence[Field], prog: str) -> str:
    """How to write a word that begins with a dash and is no flag; "" where a command takes no words by themselves."""
    flags = {name for one in found for name in one.names}
    alone = [one.value for one in found if one.flag.positional]
    doubtful = [word for word in words if word[:1] == "-" and _underscored(word).partition("=")[0] not in flags]
    if not (alone and doubtful):
        return ""
    return f"If {doubtful[0]} is no flag but a {alone[0]}, put it after --: `{prog} -- {shlex.quote(doubtful[0])}`."


@dataclass(frozen=True)
class Field:
    """A field that is a flag.

    Args:
        name: of the field.
        default: its value where the flag is not given; `dataclasses.MISSING` for a flag that must be.
        type: of the field, without what `Annotated` adds.
        flag: what `Annotated` adds.
        owner: the dataclass that it is a field of.
    """

    name: str
    default: Any
    type: Any
    flag: Flag
    owner: Any

    @property
    def key(self) -> str:
        """What it is called on the command line, unlike any other flag of the command."""
        return self.flag.name or self.name

    @property
    def names(self) -> list[str]:
        """What is written for it."""
        if self.flag.positional:
            return [self.name]
        return [*filter(None, [self.flag.short]), f"--{self.key}"]

    @property
    def one(self) -> Any:
        """The type of one value: `Path` of `Path | None` and of `tuple[Path, ...]`."""
        inner = self.type
        while get_origin(inner) in (Union, UnionType, tuple):
            inner = get_args(inner)[0]
        return inner

    @property
    def value(self) -> str:
        """What the help calls its value."""
        return self.flag.value or (self.name if self.flag.positional else _WORDS[self.one]).upper()

    def argument(self) -> dict[str, Any]:
        """What argparse is told, besides its names and help."""
        told: dict[str, Any] = {}
        if not self.flag.positional:
            told |= {"dest": self.key, "required": self.default is MISSING}
        elif self.default is not MISSING:
            told |= {"default": self.default, "nargs": "?"}
        if get_origin(self.type) is tuple:
            told |= {"action": "append"} if self.flag.repeated else {"nargs": "*"}
        if self.one is bool:
            return told | {"type": _switch, "metavar": "{true,false}"}
        if choices := self.flag.choices or (get_args(self.one) if get_origin(self.one) is Literal else ()):
            metavar = None if self.flag.positional else f"{{{','.join(map(str, choices))}}}"
            return told | {"type": partial(_one_of, choices, self.names[-1]), "metavar": metavar}
        told |= {"type": self.flag.read or self.one, "metavar": self.value}
        return told | ({"type": lambda text: self.one(text.removeprefix(_NO_FLAG))} if self.flag.positional else {})

    def help(self) -> str:
        """Its docstring, and its default where it says something."""
        default = ""
        if self.default is MISSING:
            default = " (required)"
        elif isinstance(self.default, bool):
            default = f" (default: {str(self.default).lower()})"
        elif self.default not in (None, "", ()):
            default = f" (default: {self.default})"
        repeated = " (repeatable)" if self.flag.repeated else ""
        said = _docstrings(self.owner).get(self.name) or self.flag.help
        return f"{said}{default}{repeated}".replace("%", "%%")


def fields_of(settings: Any) -> Iterator[Field]:
    """The fields of a dataclass that are flags, and those of the dataclasses among its fields."""
    types = get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        noted = types[field.name]
        type_, flag = get_args(noted) if get_origin(noted) is Annotated else (noted, Flag())
        if is_dataclass(type_):
            yield from fields_of(type_)
        else:
            yield Field(field.name, field.default, type_, flag, settings)


def _made(settings: Any, given: Mapping[str, Any]) -> Any:
    """The dataclass with what was given."""
    types, values = get_type_hints(settings), {}
    keys = {one.name: one.key for one in fields_of(settings) if one.owner is settings}
    for field in fields(settings):
        if is_dataclass(types[field.name]):
            values[field.name] = _made(types[field.name], given)
        elif keys[field.name] in given:
            value = given[keys[field.name]]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return settings(**values)


def values_of(settings: Any) -> dict[str, Any]:
    """The values of a dataclass by flag, those of the dataclasses among its fields too."""
    found: dict[str, Any] = {}
    keys = {one.name: one.key for one in fields_of(type(settings)) if one.owner is type(settings)}
    for field in fields(settings):
        value = getattr(settings, field.name)
        found |= values_of(value) if is_dataclass(value) else {keys[field.name]: value}
    return found


def _docstrings(settings: Any) -> dict[str, str]:
    """What stands below each field of a dataclass and of those that it is derived from."""
    found = {}
    for one in reversed(settings.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in pairwise(definition.body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                found[ast.unparse(field.target)] = inspect.cleandoc(ast.literal_eval(below.value))
    return found


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as every error here is said, and what there is to say of a word that may be no flag."""

    def __init__(self, dashed: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._dashed = dashed

    def error(self, message: str) -> NoReturn:
        advice = f"`{self.prog} --help` lists the flags."
        raise UsageError(f"{message[0].upper()}{message[1:]}.", advice=" ".join(filter(None, [self._dashed, advice])))


class _Help(argparse.HelpFormatter):
    """Keeps the paragraphs of a description apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(_Help, self)._fill_text(part, width, indent) for part in text.split("\n\n"))


class _HelpForPeople(_Help):
    """Shows flags as people write them, with hyphens and switches without a value; those of stages as Kubeflow does."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if action.type is _switch:
            name = action.option_strings[-1].removeprefix("--").replace("_", "-")
            return f"--{name}, --no-{name}"
        return re.sub(r"--\w+", lambda flag: flag[0].replace("_", "-"), super()._format_action_invocation(action))


def _unknown(word: str, names: Sequence[str], prog: str, hinted: str, dashed: str) -> UsageError:
    from components.common.suggest import near

    advice = f"`{prog} --help` lists the flags."
    if not word.startswith("-"):
        received = word.removeprefix(_NO_FLAG)
        return UsageError("This is more than the command takes.", received=received, advice=advice)
    alike = near(word, names)
    meant = hinted or (f"Did you mean {' or '.join(alike)}?" if alike else dashed)
    return UsageError("There is no such flag.", received=word, advice=" ".join(filter(None, [meant, advice])))
