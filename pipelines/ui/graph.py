"""Where the tasks of a run are drawn: in layers from top to bottom, each below all that it needs.

The tasks of a loop are one block in the drawing. A line to the next layer is drawn straight; lines that pass layers by
run in a lane beside them, one for each block that they come from, so that no line crosses a box.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

WIDTH, HEIGHT = 196, 54  # of a task's box
_SPACE = 14  # between the boxes of a block
_TITLE = 26  # for the name of a block
_COLUMNS = 4  # boxes side by side in a block
_APART = 40  # between blocks of a layer
_GAP = 38  # between layers, besides the lines that cross there
_TRACK = 12  # between lines
_ARRIVING = 24.0  # between lines that end at one box
_BEND = 8  # radius
_MARGIN = 6


@dataclass(frozen=True)
class Box:
    """A task, or the block of a loop, with its upper left corner."""

    name: str
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Its middle from left to right."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True)
class Line:
    """What one block hands to another: an SVG path from the giving one to the taking one, `far` if it passes layers."""

    giver: str
    taker: str
    path: str
    far: bool


@dataclass(frozen=True)
class Drawing:
    """A graph as it is drawn, in pixels: its tasks, the blocks of loops, and lines between blocks."""

    width: float
    height: float
    tasks: tuple[Box, ...]
    blocks: tuple[Box, ...]
    lines: tuple[Line, ...]


def lay_out(needs: Mapping[str, Collection[str]], block_of: Mapping[str, str]) -> Drawing:
    """Lays out a graph.

    Args:
        needs: for each task, in the order of the pipeline, the tasks that it needs.
        block_of: for each task its block: the tasks of a loop share one.
    """
    members: dict[str, list[str]] = {}
    for task in needs:
        members.setdefault(block_of[task], []).append(task)
    before = {
        block: list(dict.fromkeys(block_of[need] for task in tasks for need in needs[task] if block_of[need] != block))
        for block, tasks in members.items()
    }
    layers = _layers(before)
    boxes, gaps, width = _place(layers, {block: _size(len(tasks)) for block, tasks in members.items()})
    # Those between neighbours lie on top.
    lines = sorted(_lines(layers, boxes, gaps, width), key=lambda line: not line.far)
    return Drawing(
        width=width + _TRACK * len(layers.lanes) + _MARGIN,
        height=max((box.bottom for box in boxes.values()), default=0) + _MARGIN,
        tasks=tuple(box for block, names in members.items() for box in _inside(boxes[block], names)),
        blocks=tuple(boxes[block] for block, names in members.items() if len(names) > 1),
        lines=tuple(lines),
    )


@dataclass(frozen=True)
class _Layers:
    """Which block lies in which layer, and what passes between.

    Args:
        before: for each block those that it needs.
        depth: for each block the number of its layer, from the top.
    """

    before: Mapping[str, Sequence[str]]
    depth: Mapping[str, int]

    def far(self, giver: str, taker: str) -> bool:
        """Whether a line between two blocks passes a layer."""
        return self.depth[taker] > self.depth[giver] + 1

    @cached_property
    def lanes(self) -> list[str]:
        """The blocks whose lines run in a lane, that nearest to the boxes first."""
        far = {giver for taker, givers in self.before.items() for giver in givers if self.far(giver, taker)}
        return [block for block in self.before if block in far]

    def crossing(self, gap: int) -> list[str]:
        """The blocks whose lines go to or from their lane above this layer."""
        arriving = {
            giver
            for taker, givers in self.before.items()
            for giver in givers
            if self.depth[taker] == gap and self.far(giver, taker)
        }
        return [giver for giver in self.lanes if giver in arriving or self.depth[giver] + 1 == gap]


def _layers(before: Mapping[str, Sequence[str]]) -> _Layers:
    """Puts each block into a layer: the length of the longest way to it."""
    depth = dict.fromkeys(before, 0)
    for _ in before:  # as often as a way can be long; of tasks in their order once is enough
        former = dict(depth)
        for block, givers in before.items():
            depth[block] = max((depth[giver] + 1 for giver in givers), default=0)
        if depth == former:
            break
    return _Layers(before, depth)


def _size(count: int) -> tuple[float, float]:
    """Width and height of a block of so many tasks."""
    if count == 1:
        return WIDTH, HEIGHT
    columns, rows = min(count, _COLUMNS), -(-count // _COLUMNS)
    return columns * (WIDTH + _SPACE) + _SPACE, rows * (HEIGHT + _SPACE) + _TITLE


def _inside(block: Box, names: Sequence[str]) -> list[Box]:
    """The boxes of the tasks of a block."""
    if len(names) == 1:
        return [replace(block, name=names[0])]
    boxes = []
    for number, name in enumerate(names):
        row, column = divmod(number, _COLUMNS)
        x = block.x + _SPACE + column * (WIDTH + _SPACE)
        boxes.append(Box(name, x, block.y + _TITLE + row * (HEIGHT + _SPACE), WIDTH, HEIGHT))
    return boxes


def _place(layers: _Layers, sizes: Mapping[str, tuple[float, float]]) -> tuple[dict[str, Box], dict[int, float], float]:
    """The blocks, each layer in the middle; where the gap above each layer begins; the width of all."""
    rows: dict[int, list[str]] = {}
    for block, number in layers.depth.items():
        rows.setdefault(number, []).append(block)
    widths = {number: sum(sizes[block][0] + _APART for block in row) - _APART for number, row in rows.items()}
    width, y = max(widths.values(), default=0) + 2 * _MARGIN, float(_MARGIN)
    boxes, gaps = dict[str, Box](), dict[int, float]()
    for number, row in sorted(rows.items()):
        gaps[number] = y
        y += _GAP + _TRACK * len(layers.crossing(number)) if number else 0
        x = (width - widths[number]) / 2
        for block in row:
            boxes[block] = Box(block, x, y, *sizes[block])
            x += sizes[block][0] + _APART
        y += max(sizes[block][1] for block in row)
    return boxes, gaps, width


def _lines(layers: _Layers, boxes: Mapping[str, Box], gaps: Mapping[int, float], width: float) -> Iterator[Line]:
    def track(gap: int, giver: str) -> float:
        """The height at which the lines of a block cross a gap."""
        return gaps[gap] + _GAP / 2 + _TRACK * layers.crossing(gap).index(giver)

    for taker, givers in layers.before.items():
        box = boxes[taker]
        far = [giver for giver in layers.lanes if giver in givers and layers.far(giver, taker)]
        apart = min(_ARRIVING, (box.width / 2 - _SPACE) / max(1, len(far)))
        for giver in givers:
            source = boxes[giver]
            if giver not in far:
                yield Line(giver, taker, _curve(source.middle, source.bottom, box.middle, box.y), far=False)
                continue
            lane = width + _TRACK * (layers.lanes.index(giver) + 0.5)
            # The lane nearest to the boxes comes in farthest to the right: so lines to one box do not cross.
            x = box.middle + apart * (len(far) - far.index(giver))
            leaving, y0 = source.middle + source.width / 4, track(layers.depth[giver] + 1, giver)
            y1 = track(layers.depth[taker], giver)
            corners = [(leaving, source.bottom), (leaving, y0), (lane, y0), (lane, y1), (x, y1), (x, box.y)]
            yield Line(giver, taker, _bent(corners), far=True)


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    """A line from one point down to another."""
    if x0 == x1:
        return f"M{x0:g} {y0:g}V{y1:g}"
    half = (y0 + y1) / 2
    return f"M{x0:g} {y0:g}C{x0:g} {half:g} {x1:g} {half:g} {x1:g} {y1:g}"


def _bent(corners: Sequence[tuple[float, float]]) -> str:
    """A line along corners, each rounded."""
    path = [f"M{corners[0][0]:g} {corners[0][1]:g}"]
    for (before, corner), (_, after) in pairwise(pairwise(corners)):
        enter, leave = _towards(corner, before), _towards(corner, after)
        path.append(f"L{enter[0]:g} {enter[1]:g}Q{corner[0]:g} {corner[1]:g} {leave[0]:g} {leave[1]:g}")
    return "".join([*path, f"L{corners[-1][0]:g} {corners[-1][1]:g}"])


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The point of a bend's beginning, from a corner to another."""
    far = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    share = min(_BEND, far / 2) / far if far else 0
    return corner[0] + (other[0] - corner[0]) * share, corner[1] + (other[1] - corner[1]) * share
