import re
from itertools import pairwise

import pytest

from pipelines.compile import DEFAULT_OUTPUT
from pipelines.compiled import ir
from pipelines.ui.graph import lay_out

FACENET = {task.name: sorted(task.after) for task in ir.read(DEFAULT_OUTPUT).tasks}
SIDE_BY_SIDE = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"], "e": ["c"], "f": ["a", "e", "d"], "g": ["b"]}


def with_shards(count):
    """The same with a loop of so many extract tasks."""
    shards = [f"extract-{number}" for number in range(count)]
    needs = {
        task: [one for need in before for one in (shards if need == "extract" else [need])]
        for task, before in FACENET.items()
    }
    del needs["extract"]
    return {"photos": [], **{shard: ["photos"] for shard in shards}, **needs}


GRAPHS = [FACENET, SIDE_BY_SIDE, with_shards(2), with_shards(9), {"alone": []}, {}]


def block_of(task):
    return re.sub(r"-\d+$", "", task)


def laid_out(needs):
    drawing = lay_out(needs, {task: block_of(task) for task in needs})
    blocks = {block_of(box.name): box for box in (*drawing.tasks, *drawing.blocks)}
    return drawing, blocks


def corners(path):
    """The points of a line of straight pieces and bends."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def overlap(box, start, end):
    left, right = sorted((start[0], end[0]))
    top, bottom = sorted((start[1], end[1]))
    return left < box.x + box.width and right > box.x and top < box.bottom and bottom > box.y


@pytest.mark.parametrize("needs", GRAPHS)
def test_boxes_lie_apart_each_below_what_it_needs_within_the_drawing(needs):
    drawing, blocks = laid_out(needs)
    assert [box.name for box in drawing.tasks] == list(needs)
    for task, before in needs.items():
        for need in before:
            assert blocks[block_of(need)].bottom < blocks[block_of(task)].y
    for box in drawing.tasks:
        assert box.x >= 0 and box.y >= 0
        assert box.x + box.width <= drawing.width and box.bottom <= drawing.height
        for other in drawing.tasks:
            assert box is other or not overlap(other, (box.x, box.y), (box.x + box.width, box.bottom))


@pytest.mark.parametrize("needs", GRAPHS)
def test_every_need_is_one_line_between_blocks(needs):
    drawing, _ = laid_out(needs)
    wanted = {(block_of(need), block_of(task)) for task, before in needs.items() for need in before}
    assert sorted((line.giver, line.taker) for line in drawing.lines) == sorted(wanted)


@pytest.mark.parametrize("needs", GRAPHS)
def test_a_line_that_passes_layers_crosses_no_box_and_lies_on_no_line_of_another_block(needs):
    drawing, blocks = laid_out(needs)
    pieces = []
    for line in drawing.lines:
        if line.far:
            points = corners(line.path)
            assert points[0][1] == blocks[line.giver].bottom
            assert points[-1][1] == blocks[line.taker].y
            assert all(0 <= x <= drawing.width for x, _ in points)
            for start, end in pairwise(points):
                assert not [box for box in blocks.values() if overlap(box, start, end)]
                pieces.append((line.giver, start, end))
    for giver, (x0, y0), (x1, y1) in pieces:
        for other, (x2, y2), (x3, y3) in pieces:
            if giver != other and x0 == x1 == x2 == x3:
                assert max(y0, y1) <= min(y2, y3) or max(y2, y3) <= min(y0, y1)
            if giver != other and y0 == y1 == y2 == y3:
                assert max(x0, x1) <= min(x2, x3) or max(x2, x3) <= min(x0, x1)


def test_the_tasks_of_a_loop_are_one_block():
    drawing, _ = laid_out(with_shards(9))
    (block,) = drawing.blocks
    assert block.name == "extract"
    inside = [box for box in drawing.tasks if block_of(box.name) == "extract"]
    assert len(inside) == 9
    assert all(overlap(block, (box.x, box.y), (box.x + 1, box.y + 1)) for box in inside)
    assert len({box.x for box in inside}) == 4
    assert not laid_out(FACENET)[0].blocks


def test_needs_in_a_circle_as_only_a_spoiled_record_has_them_are_drawn_too():
    assert {box.name for box in laid_out({"a": ["b"], "b": ["a"]})[0].tasks} == {"a", "b"}
