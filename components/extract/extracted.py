"""What a folder of photos gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from components.extract.reasons import Reason
from components.extract.scan import Scan


@dataclass
class Extracted:
    """What a folder of photos gave.

    Args:
        scan: what lay in the folder.
        faces: number of faces.
        identities: number of faces of each person with at least one.
        rejects: rows of the rejects manifest.
        misnamed: number of photos of another format than their name says, by what `Outcome.misnamed` says.
    """

    scan: Scan
    faces: int = 0
    identities: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str | None]] = field(default_factory=list)
    misnamed: Counter[str] = field(default_factory=Counter)

    @property
    def photos(self) -> int:
        """Number of photos, those that were rejected included."""
        return len(self.scan.photos) + len(self.scan.rejects)

    def reasons(self) -> dict[str, int]:
        """Number of rejected photos by reason, the commonest first."""
        return dict(Counter(str(row["reason"]) for row in self.rejects).most_common())

    def misnamed_as(self) -> str:
        """The photos of another format than their name says, for people: `2 HEIF named .jpg`."""
        return ", ".join(f"{count} {what}" for what, count in self.misnamed.most_common())

    def unread(self) -> dict[str, int]:
        """Number of photos in formats that nothing installed reads, by format and what to install."""
        return dict(
            Counter(str(row["detail"]) for row in self.rejects if row["reason"] == Reason.NO_READER).most_common()
        )
