"""The recorder of a run by docker compose works in every image: what it imports of the components is in each."""

from __future__ import annotations

import ast

import pytest

from components.specification.code import files_of
from components.specification.images import COMPONENTS, REPOSITORY


def imported() -> set[str]:
    """The modules of `components` that importing the recorder runs; those that a function imports are not its."""
    found = set()
    for file in files_of("pipelines.local.composed", REPOSITORY):
        for node in ast.parse(file.read_text()).body if file.suffix == ".py" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("components."):
                found.add(node.module)
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_image_has_what_the_recorder_imports(component):
    files = files_of(f"components.{component.replace('-', '_')}", REPOSITORY)
    held = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files}
    assert imported() and imported() <= held
