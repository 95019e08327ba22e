"""Many photos -> what became of each, on several cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from components.extract.photo import Extraction, Outcome, extract_photo
from components.extract.reasons import Reason, Reject
from components.extract.workers import Died, Late, in_order

# A hundred million pixels take a Raspberry Pi about ten: whoever needs so much longer hangs.
SECONDS_PER_PHOTO = 120.0


def extract_photos(photos: Sequence[Path], extraction: Extraction, workers: int) -> Iterator[Outcome]:
    """Finds and cuts out the faces of photo files.

    Args:
        photos: the files.
        extraction: how faces are taken from each.
        workers: number of processes.

    Yields:
        An outcome for each photo, in their order.
    """
    work = partial(extract_photo, extraction=extraction)
    for result in in_order(work, photos, min(workers, len(photos)), SECONDS_PER_PHOTO):
        yield Outcome(None, reject=without_result(result)) if isinstance(result, Died | Late) else result


def without_result(result: Died | Late) -> Reject:
    """Why a photo gave no face whose process gave no result."""
    if isinstance(result, Late):
        return Reject(Reason.TOO_SLOW, f"not done after {result.seconds:g} seconds; its process was ended")
    return Reject(Reason.WORKER_DIED, f"its process ended with exit code {result.exit_code}")
