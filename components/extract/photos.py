"""Many photos -> what became of each, on several cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from components.extract.photo import Extraction, Outcome, extract_photo
from components.extract.reasons import Reason, Reject
from components.extract.workers import Died, in_order


def extract_photos(photos: Sequence[Path], extraction: Extraction, workers: int) -> Iterator[Outcome]:
    """Finds and cuts out the faces of photo files.

    Args:
        photos: the files.
        extraction: how faces are taken from each.
        workers: number of processes.

    Yields:
        An outcome for each photo, in their order.
    """
    for result in in_order(partial(extract_photo, extraction=extraction), photos, workers):
        yield _after_death(result) if isinstance(result, Died) else result


def _after_death(died: Died) -> Outcome:
    detail = f"its process ended with exit code {died.exit_code}"
    return Outcome(None, reject=Reject(Reason.WORKER_DIED, detail))
