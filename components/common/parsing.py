"""A command line -> the dataclass of its flags.

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
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn, TypeVar, get_origin, get_type_hints

from components.common.errors import UsageError
from components.common.flags import Field, fields_of

Settings = TypeVar("Settings")

# Before a word that is no flag: argparse would take it for one by its first letter. No word that is typed has a NUL.
_NO_FLAG = "\0"


def parse(
    settings: type[Settings], argv: Sequence[str] | None, *, prog: str, hint: Callable[[str, str], str] | None = None
) -> Settings:
    """Reads the flags of a command; `--help` prints them and exits.

    Args:
        settings: a dataclass; the fields of a dataclass that is the type of a field are flags like its own.
        argv: the arguments after the command's name; `sys.argv[1:]` when None. After `--` none is a flag.
        prog: the command as the user types it.
        hint: takes an unknown flag and the word after it; returns what may have been meant, or "".

    Raises:
        UsageError: a flag is unknown or missing, or a value does not fit.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    end = typed.index("--") if "--" in typed else len(typed)
    words = [*map(_with_underscores, typed[:end]), *(_NO_FLAG + word for word in typed[end + 1 :])]
    flags = list(fields_of(settings))
    of_a_stage = any(field.name == "executor_input" for field in flags)
    switches = {name for field in flags if field.value_type is bool for name in field.names}
    words = [*_with_values(words[:end], switches), *words[end:]]
    dash_advice = _dash_advice(typed[:end], flags, prog)
    parser = _Parser(
        dash_advice,
        prog=prog,
        usage=" ".join([prog, "[flags]", *(field.metavar for field in flags if field.flag.positional)]),
        description=inspect.getdoc(settings),
        formatter_class=_Help if of_a_stage else _HelpForPeople,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    help_asked = {"-h", "--help"} & set(words)  # finding docstrings takes as long as all else
    groups: dict[Any, Any] = {settings: parser}
    for field in flags:
        if field.owner not in groups:
            groups[field.owner] = parser.add_argument_group((inspect.getdoc(field.owner) or "").partition(".")[0])
        groups[field.owner].add_argument(*field.names, **_argument(field), help=_help(field) if help_asked else None)
    given, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        hinted = hint(unknown[0], "".join(unknown[1:2])) if hint else ""
        names = [name for field in flags for name in field.names]
        raise _unknown(unknown[0], names, prog, hinted, dash_advice)
    built: Settings = _build(settings, vars(given))
    return built


def _with_underscores(word: str) -> str:
    """`--max-pairs=3` as `--max_pairs=3`."""
    name, equals, value = word.partition("=")
    return f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else word


def _with_values(words: Sequence[str], switches: Collection[str]) -> Iterator[str]:
    """Gives each switch its value: people write `--x` and `--no_x`, and Kubeflow `--x true` and `--x false`."""
    left = list(words)
    while left:
        word = left.pop(0)
        if word in switches:
            word += f"={left.pop(0)}" if left and left[0].lower() in ("true", "false") else "=true"
        elif word.startswith("--no_") and f"--{word[5:]}" in switches:
            word = f"--{word[5:]}=false"
        yield word


def _dash_advice(words: Sequence[str], flags: Sequence[Field], prog: str) -> str:
    """How to write a word that begins with a dash and is no flag; "" where a command takes no words by themselves."""
    names = {name for field in flags for name in field.names}
    positional = [field.metavar for field in flags if field.flag.positional]
    doubtful = [word for word in words if word[:1] == "-" and _with_underscores(word).partition("=")[0] not in names]
    if not (positional and doubtful):
        return ""
    return (
        f"If {doubtful[0]} is no flag but a {positional[0]}, put it after --: `{prog} -- {shlex.quote(doubtful[0])}`."
    )


def _argument(field: Field) -> dict[str, Any]:
    """What `argparse` needs to know of a flag, besides its names and its help."""
    positional, argument = field.flag.positional, dict[str, Any]()
    if not positional:
        argument |= {"dest": field.key, "required": field.required}
    elif not field.required:
        argument |= {"default": field.default, "nargs": "?"}
    if get_origin(field.type) is tuple:
        argument |= {"action": "append"} if field.flag.repeated else {"nargs": "*"}
    if field.value_type is bool:
        return argument | {"type": _read_switch, "metavar": "{true,false}"}
    if field.choices:
        metavar = None if positional else f"{{{','.join(map(str, field.choices))}}}"
        return argument | {"type": partial(_read_choice, field.choices, field.names[-1]), "metavar": metavar}
    if positional:
        return argument | {"type": partial(_read_positional, field.value_type), "metavar": field.metavar}
    return argument | {"type": field.flag.read or field.value_type, "metavar": field.metavar}


def _read_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"true or false is needed, not {text!r}")
    return text.lower() == "true"


def _read_choice(choices: Sequence[Any], name: str, text: str) -> Any:
    from components.common.suggest import suggestion

    if text not in choices:
        raise UsageError(f"{name} has no such value.", received=text, advice=suggestion(text, choices))
    return text


def _read_positional(value_type: Callable[[str], Any], text: str) -> Any:
    return value_type(text.removeprefix(_NO_FLAG))


def _help(field: Field) -> str:
    """The docstring of a flag, and its default where that says something."""
    default = ""
    if field.required:
        default = " (required)"
    elif isinstance(field.default, bool):
        default = f" (default: {str(field.default).lower()})"
    elif field.default not in (None, "", ()):
        default = f" (default: {field.default})"
    repeated = " (repeatable)" if field.flag.repeated else ""
    text = _docstrings(field.owner).get(field.name) or field.flag.help
    return f"{text}{default}{repeated}".replace("%", "%%")


def _docstrings(settings: Any) -> dict[str, str]:
    """The docstring below each field of a dataclass and of those that it is derived from."""
    docstrings = {}
    for class_ in reversed(settings.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(class_))).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in pairwise(definition.body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                docstrings[ast.unparse(field.target)] = inspect.cleandoc(ast.literal_eval(below.value))
    return docstrings


def _build(settings: Any, given: Mapping[str, Any]) -> Any:
    """The dataclass with the values that were given."""
    types, values = get_type_hints(settings), {}
    keys = {field.name: field.key for field in fields_of(settings) if field.owner is settings}
    for field in fields(settings):
        if is_dataclass(types[field.name]):
            values[field.name] = _build(types[field.name], given)
        elif keys[field.name] in given:
            value = given[keys[field.name]]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return settings(**values)


class _Parser(argparse.ArgumentParser):
    """Raises a `UsageError`, with what there is to say of a word that may be no flag."""

    def __init__(self, dash_advice: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._dash_advice = dash_advice

    def error(self, message: str) -> NoReturn:
        advice = f"`{self.prog} --help` lists the flags."
        raise UsageError(
            f"{message[0].upper()}{message[1:]}.", advice=" ".join(filter(None, [self._dash_advice, advice]))
        )


class _Help(argparse.HelpFormatter):
    """Keeps the paragraphs of a description apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(_Help, self)._fill_text(part, width, indent) for part in text.split("\n\n"))


class _HelpForPeople(_Help):
    """Shows flags as people write them, with hyphens and switches without a value; those of stages as Kubeflow does."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if action.type is _read_switch:
            name = action.option_strings[-1].removeprefix("--").replace("_", "-")
            return f"--{name}, --no-{name}"
        return re.sub(r"--\w+", lambda flag: flag[0].replace("_", "-"), super()._format_action_invocation(action))


def _unknown(word: str, names: Sequence[str], prog: str, hinted: str, dash_advice: str) -> UsageError:
    from components.common.suggest import near

    advice = f"`{prog} --help` lists the flags."
    if not word.startswith("-"):
        received = word.removeprefix(_NO_FLAG)
        return UsageError("This is more than the command takes.", received=received, advice=advice)
    alike = near(word, names)
    meant = hinted or (f"Did you mean {' or '.join(alike)}?" if alike else dash_advice)
    return UsageError("There is no such flag.", received=word, advice=" ".join(filter(None, [meant, advice])))
