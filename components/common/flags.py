"""Flags as a dataclass: each field is a flag of its name, and the field's docstring is its help.

`components.common.parsing` reads them from a command line, and `components.specification.component` makes the
parameters of a Kubeflow component of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

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
        choices: the only values that it takes, where its type does not know them.
        help: its help, where several commands have the flag; a field's own docstring goes before it.
        read: makes the value of a text, or raises argparse.ArgumentTypeError; by default the type does.
    """

    value: str | None = None
    short: str | None = None
    name: str | None = None
    positional: bool = False
    repeated: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    read: Callable[[str], Any] | None = None


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
Pictures = Annotated[bool, Flag(help="Show faces and photos in the card; false leaves all of them out.")]
Seed = Annotated[int, Flag(help="Seed of every random choice.")]
# `{{$}}` in the pipeline: where to write the metrics that Kubeflow's UI shows.
ExecutorInput = Annotated[
    str, Flag("JSON", help="Kubeflow's description of the task; leave it out when running a stage by hand.")
]


@dataclass(frozen=True)
class Field:
    """A field that is a flag.

    Args:
        name: the field's name.
        default: its value where the flag is not given; `dataclasses.MISSING` for a flag that must be given.
        type: its type, without what `Annotated` adds.
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
        """Its name on the command line, unlike that of any other flag of the command."""
        return self.flag.name or self.name

    @property
    def names(self) -> list[str]:
        """What people write to give it."""
        if self.flag.positional:
            return [self.name]
        return [*filter(None, [self.flag.short]), f"--{self.key}"]

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    @property
    def value_type(self) -> Any:
        """The type of one value: `Path` for `Path | None` and for `tuple[Path, ...]`."""
        inner = self.type
        while get_origin(inner) in (Union, UnionType, tuple):
            inner = get_args(inner)[0]
        return inner

    @property
    def choices(self) -> tuple[Any, ...]:
        """The only values that it takes; () when it takes any."""
        return self.flag.choices or (get_args(self.value_type) if get_origin(self.value_type) is Literal else ())

    @property
    def metavar(self) -> str:
        """What the help calls its value."""
        return self.flag.value or (self.name if self.flag.positional else _WORDS[self.value_type]).upper()


def fields_of(settings: Any) -> Iterator[Field]:
    """The fields of a dataclass that are flags, and those of the dataclasses among its fields."""
    types = get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        annotation = types[field.name]
        type_, flag = get_args(annotation) if get_origin(annotation) is Annotated else (annotation, Flag())
        if is_dataclass(type_):
            yield from fields_of(type_)
        else:
            yield Field(field.name, field.default, type_, flag, settings)


def values_of(settings: Any) -> dict[str, Any]:
    """The values of a dataclass by flag, with those of the dataclasses among its fields."""
    values: dict[str, Any] = {}
    keys = {field.name: field.key for field in fields_of(type(settings)) if field.owner is type(settings)}
    for field in fields(settings):
        value = getattr(settings, field.name)
        values |= values_of(value) if is_dataclass(value) else {keys[field.name]: value}
    return values
