"""What the result of a task is made from: the key under which it is remembered, and what of it changes meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.common.errors import UsageError
from components.specification.code import Names
from pipelines.cache.content import Contents
from pipelines.cache.named import files_named
from pipelines.plan.render import WITHOUT_FILE, Artifact
from pipelines.plan.tasks import Container, Task
from pipelines.plan.values import Value


@dataclass(frozen=True)
class Program:
    """What a task's command runs.

    Args:
        identity: what its results depend on, by what people call it, as JSON has it: its code, for instance.
        files: those that it is read from while it runs; none for what an image holds.
    """

    identity: Mapping[str, Any]
    files: Sequence[Path] = ()


class Ingredients:
    """What a task's result is made from, looked at before it begins, and again when it has ended.

    Args:
        task: what is executed, in a container or as a process.
        parameters: the values of its parameters.
        inputs: its input artifacts, with the content that they had when they were made or imported.
        program: what the command runs now, given what reads a file's imports.
        contents: what hashes files.
    """

    def __init__(
        self,
        task: Task,
        parameters: Mapping[str, Value],
        inputs: Mapping[str, Sequence[Artifact]],
        program: Callable[[Container, Names], Program],
        contents: Contents,
    ) -> None:
        assert isinstance(task.executor, Container)
        self._executor = task.executor
        self._inputs, self._program, self._contents = inputs, program, contents
        self._parameters = parameters
        self._asked = {
            "command": task.executor.command,
            "env": dict(task.executor.env),
            "outputs": dict(task.outputs),
            "output_parameters": sorted(task.output_parameters),
            "parameters": dict(parameters),
        }
        self._touched: dict[str, Any] = {}
        self._content = self._looked_at(contents.sha256, lambda one: one.sha256)

    @property
    def key(self) -> str:
        """What the result depends on, as one hash."""
        return hashlib.sha256(json.dumps([self._asked, self._content], sort_keys=True).encode()).hexdigest()

    def begin(self) -> None:
        """Notes when what the task reads was last written to; the task begins after that."""
        self._touched = self._touches()

    def changed(self) -> list[str]:
        """What was written to since the task began, or is not what the key says, by what people call it.

        Nobody knows whether the task read the one or the other, even where all is now as it was before. Content is
        compared too, because what is written twice within one tick of the clock looks untouched.
        """
        sha256 = partial(_or_gone, self._contents.sha256)

        def of_artifact(one: Artifact) -> str:
            metadata_only = one.kind in WITHOUT_FILE and not one.path.exists()
            return one.sha256 if metadata_only else sha256(one.path)

        looks = ((self._content, self._looked_at(sha256, of_artifact)), (self._touched, self._touches()))
        names = [name for then, now in looks for name in then | now if then.get(name) != now.get(name)]
        return list(dict.fromkeys(names))

    def _touches(self) -> dict[str, Any]:
        touched = partial(_or_gone, self._contents.touched)
        files = self._program(self._executor, self._contents.names_in).files
        return {"the code": list(map(touched, files))} | self._read(touched, lambda one: touched(one.path))

    def _looked_at(self, of_file: Callable[[Path], str], of_artifact: Callable[[Artifact], str]) -> dict[str, Any]:
        program = self._program(self._executor, self._contents.names_in)
        content = dict(program.identity) | self._read(of_file, of_artifact)
        self._contents.commit()
        return content

    def _read(self, of_file: Callable[[Path], str], of_artifact: Callable[[Artifact], str]) -> dict[str, Any]:
        """Something of all that the task reads, by what people call it."""
        files = {f"what {name} names": of_file(path) for name, path in files_named(self._parameters).items()}
        return files | {name: list(map(of_artifact, artifacts)) for name, artifacts in self._inputs.items()}


def _or_gone(look: Callable[[Path], str], path: Path) -> str:
    """What is seen of a path; at the end of a task it may be gone, or have become what nobody can read."""
    try:
        return look(path)
    except (OSError, UsageError):
        return "gone"
