"""What a folder of photos gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from components.extract.scan import Scan


@dataclass
class Extracted:
    """What a folder of photos gave.

    Args:
        scan: what lay in the folder.
        faces: number of faces.
        identities: number of faces of each person with at least one.
        rejects: rows of the rejects manifest.
    """

    scan: Scan
    faces: int = 0
    identities: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def photos(self) -> int:
        """Number of photos, those that were rejected included."""
        return len(self.scan.photos) + len(self.scan.rejects)

    def reasons(self) -> dict[str, int]:
        """Number of rejected photos by reason, the commonest first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())
