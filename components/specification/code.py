"""Which files are a task's code: the module that its command names, and all that it reaches through imports.

`python -m components.specification.code MODULE FOLDER` copies them: that is what a component's image holds.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Takes a file and its package; returns the modules that the file may import.
Names = Callable[[Path, str], frozenset[str]]

# Kubeflow's specification and text for people: neither changes what a task computes.
_NOT_CODE = ("component.py", "README.md")


def module_of(command: Sequence[str]) -> str | None:
    """The module of a command like `python -u -m components.extract`, or None for another command."""
    for flag, module in itertools.pairwise(command):
        if flag == "-m":
            return module
    return None


@functools.cache
def _files_of(module: str, root: Path) -> tuple[Path, ...]:
    """The files that run when a module is imported: those of the packages above it, and its own; () outside `root`."""
    parts = module.split(".")
    own = root.joinpath(*parts)
    if not all(part.isidentifier() for part in parts):
        return ()
    if own.with_suffix(".py").is_file():
        last = own.with_suffix(".py")
    elif (own / "__init__.py").is_file():
        last = own / "__init__.py"
    else:
        return ()
    above = (root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts)))
    return *(file for file in above if file.is_file()), last


def _named_in(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules that a file may import, at its top, in its functions, or by a name in a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            # What is imported from a package may be a module of it.
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            yield node.value


def names_in(file: Path, package: str) -> frozenset[str]:
    """The modules of the same top-level package that a file of a package may import; some of them may not exist."""
    top = package.partition(".")[0]
    names = _named_in(ast.parse(file.read_bytes()), package)
    return frozenset(name for name in names if name.partition(".")[0] == top)


@functools.cache
def _imports(file: Path, root: Path, names: Names) -> frozenset[Path]:
    """The files of the same top-level package that a file imports."""
    package = ".".join(file.relative_to(root).parent.parts)
    return frozenset(imported for name in names(file, package) for imported in _files_of(name, root))


def _data_beside(package: Path) -> Iterator[Path]:
    """The files of a package that are no Python, such as templates, also in folders that are no packages."""
    for path in package.iterdir():
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir() and not (path / "__init__.py").exists():
            yield from _data_beside(path)
        elif path.is_file() and path.suffix != ".py":
            yield path


def files_of(module: str, root: Path, names: Names = names_in) -> list[Path]:
    """Every file below `root` that running a module can load, sorted.

    Args:
        module: a name such as `components.extract`; a package is run by its `__main__`.
        root: the folder that holds the top-level package.
        names: reads the imports of a file: `names_in`, or a function that remembers its answers.
    """
    waiting = set(_files_of(module, root)) | set(_files_of(f"{module}.__main__", root))
    files: set[Path] = set()
    while waiting:
        file = waiting.pop()
        files.add(file)
        waiting |= _imports(file, root, names) - files
    data = {path for package in {file.parent for file in files} for path in _data_beside(package)}
    return sorted(path for path in files | data if path.name not in _NOT_CODE)


def code_of(command: Sequence[str], root: Path, names: Names = names_in) -> list[Path]:
    """The code below `root` that a command runs; `names` as for `files_of`."""
    module = module_of(command)
    return files_of(module, root, names) if module else []


def sha256_of(files: Sequence[Path], root: Path) -> str:
    """Hash of files below `root`, by name and content."""
    whole = hashlib.sha256()
    for file in files:
        try:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:  # deleted meanwhile
            content = "gone"
        whole.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


def sha256_of_code(command: Sequence[str], root: Path) -> str:
    """Hash of the code that a command runs."""
    return sha256_of(code_of(command, root), root)


def copy(module: str, root: Path, target: Path) -> None:
    """Copies every file that running a module can load to its place below another folder."""
    for file in files_of(module, root):
        copied = target / file.relative_to(root)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copied)


if __name__ == "__main__":
    copy(sys.argv[1], Path(__file__).resolve().parents[2], Path(sys.argv[2]))
