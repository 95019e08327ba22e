"""What a source gave."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

# Rejected crops of each reason that are kept in memory, to show; the manifest has them all.
SHOWN = 12


@dataclass
class Imported:
    """What a source, or a part of it, gave.

    Args:
        kind: of source, see `layouts`.
        left_out: how many things in it were not taken for crops, by what they are.
        faces: number of faces.
        identities: number of faces of each person with at least one.
        reasons: number of rejected crops, by reason.
        examples: the first `SHOWN` rejected crops of each reason: what they are called, and the detail.
    """

    kind: str
    left_out: Counter[str]
    faces: int = 0
    identities: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def crops(self) -> int:
        """Number of crops, those that were rejected included."""
        return self.faces + self.reasons.total()

    def not_taken(self) -> str:
        """What was not taken for a crop, for people: `3 files that are no images`."""
        return ", ".join(f"{count:,} {what}" for what, count in sorted(self.left_out.items()) if count)
