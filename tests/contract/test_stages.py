"""What every stage has: whoever adds a line to the table of stages is told here what is missing."""

from __future__ import annotations

import re

import pytest

from components.specification.images import requirements
from components.specification.stages import STAGES, command, package
from pipelines import description
from pipelines.compile import DEFAULT_OUTPUT, SOURCE_OUTPUT
from pipelines.compiled import ir
from pipelines.plan.tasks import Container
from tests.contract.test_imports import EXTRAS
from tests.stages import WORK

REPOSITORY = DEFAULT_OUTPUT.parent
# With the two ways in beside each other: photos, and crops that others made.
TASKS = {
    task.name: task
    for file in (SOURCE_OUTPUT, DEFAULT_OUTPUT)
    for task in ir.read(file).tasks
    if isinstance(task.executor, Container)
}


def test_the_stages_are_the_tasks_of_the_pipeline():
    modules = {word for task in TASKS.values() for word in task.executor.command if word.startswith("components.")}
    assert modules == set(map(package, STAGES)), "the table of stages, or pipelines/facenet.py"
    for file in (DEFAULT_OUTPUT, SOURCE_OUTPUT):
        run = [task.name for task in ir.read(file).tasks if task.name in STAGES]  # `teach` embeds, too
        assert run == [stage for stage in STAGES if stage in run], "the order of a run"
    assert {task for _, task, _ in description.LINES} <= set(STAGES), "the lines of a summary"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_whole(stage):
    folder = REPOSITORY / package(stage).replace(".", "/")
    files = ("README.md", "__init__.py", "__main__.py", "component.py", "settings.py", "stage.py")
    assert not [name for name in files if not (folder / name).is_file()]
    assert stage in EXTRAS and stage in re.findall(r"[\w-]+", *EXTRAS["all"]), "its packages in pyproject.toml"
    assert (REPOSITORY / requirements(stage)).is_file(), f"make lock ONE={stage}"
    assert f"\n| {stage} | " in (REPOSITORY / "README.md").read_text(), "its row in the README's table of stages"
    design = (REPOSITORY / "docs/design.md").read_text()
    assert f"\n      {folder.name + '/':<18} " in design, "its row among the rooms of docs/design.md"
    assert f"\n| {stage} | `facenet {command(stage)} " in design, "its row among the results there"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_killed_starved_and_shown_in_tests(stage):
    """Killed anywhere, short of memory and room, its card with the worst names: each is made from its entry in WORK."""
    work = WORK[stage]
    place, _, output = work.result.partition("/")
    assert place == stage and output in TASKS[stage].outputs
    assert work.former != work.new and all(work.megabytes)
