"""Makes plain tasks of loops, once their items are known: what runs, is recorded and cached knows no loops."""

from __future__ import annotations

from dataclasses import replace

from components.common.errors import UsageError
from pipelines.plan.tasks import Constant, Loop, LoopItem, Pipeline, Task, TaskOutput
from pipelines.plan.values import Value


def expand(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with every task of a loop once for each item.

    Of several items, the tasks are called `extract-1`, `extract-2` and so on; of one, the task keeps its name. A task
    in the same loop reads what the same item gave; one elsewhere reads what all items gave, in their order.

    Raises:
        UsageError: a loop has no items, or two tasks would have one name.
    """
    made = {task.name: _names(task, pipeline) for task in pipeline.tasks}
    loops = {task.name: task.loop for task in pipeline.tasks}
    tasks = tuple(
        _instance(task, number, made, loops, pipeline)
        for task in pipeline.tasks
        for number in range(len(made[task.name]))
    )
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                "Two tasks of the pipeline would have one name.", received=name, advice="Give one of them another name."
            )
    return replace(pipeline, tasks=tasks)


def _items(loop: Loop, pipeline: Pipeline) -> list[Value]:
    items = loop.items.value if isinstance(loop.items, Constant) else pipeline.parameters[loop.items.name].default
    if not isinstance(items, list) or not items:
        raise UsageError("A loop needs a list with something in it.", received=f"{loop.name} over {items}")
    return items


def _names(task: Task, pipeline: Pipeline) -> tuple[str, ...]:
    count = len(_items(task.loop, pipeline)) if task.loop else 1
    return (task.name,) if count == 1 else tuple(f"{task.name}-{number}" for number in range(1, count + 1))


def _instance(
    task: Task, number: int, made: dict[str, tuple[str, ...]], loops: dict[str, Loop | None], pipeline: Pipeline
) -> Task:
    """The task of one item of its loop, counted from 0; of a task in no loop, the task itself."""

    def those(name: str) -> tuple[str, ...]:
        together = task.loop is not None and loops[name] == task.loop
        return (made[name][number],) if together else made[name]

    sources = dict(task.sources)
    for key, source in task.sources.items():
        if isinstance(source, LoopItem):
            assert task.loop is not None
            sources[key] = Constant(_items(task.loop, pipeline)[number])
        elif isinstance(source, TaskOutput):
            sources[key] = replace(source, task=those(source.task)[0])
    name = made[task.name][number]
    return replace(
        task,
        name=name,
        label=task.label if name == task.name else f"{task.label}-{number + 1}",
        sources=sources,
        artifacts={
            key: tuple(replace(origin, task=one) for origin in origins for one in those(origin.task))
            for key, origins in task.artifacts.items()
        },
        after=frozenset(one for earlier in task.after for one in those(earlier)),
        loop=None,
    )
