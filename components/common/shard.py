"""The part of some work that a task does when several tasks share it: `2/4` is the second of four."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from components.common.errors import UsageError
from components.common.flags import Flag

# As text, because a pipeline takes it from a list of texts; see `Shard.read`.
ShardText = Annotated[str, Flag("K/N")]


@dataclass(frozen=True, order=True)
class Shard:
    """A part of some work.

    Args:
        number: from 1 to `count`.
        count: how many parts there are.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def read(cls, text: str) -> Shard:
        """Reads `number/count`.

        Raises:
            UsageError: it is not of that form, or there is no such part.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match and 1 <= int(match[1]) <= int(match[2]):
            return cls(int(match[1]), int(match[2]))
        raise UsageError(
            "--shard says which part of how many.", received=text, advice="Write --shard 2/4 for the second of four."
        )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def bounds(self, total: int) -> tuple[int, int]:
        """Where the part begins and ends among `total` things; with fewer things than parts, some parts are empty."""
        return total * (self.number - 1) // self.count, total * self.number // self.count


WHOLE = Shard()
