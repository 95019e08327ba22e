"""Whether a result can be told from guessing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the least number of people is asked for before anything heavy is loaded
    from components.evaluate.bootstrap import Range

# The least number of people with a same-identity pair. By coincidence, each of five people fares better than by
# guessing in 1 of 32 evaluations (2^-5): more often than a range of 95 % may miss on that side (1 in 40).
LEAST_PEOPLE = 6
GUESSING = 0.5  # its AUC


def doubt(people: int, auc: Range | None) -> str:
    """Says in a sentence why a result cannot be told from guessing; "" when it can.

    Args:
        people: the number of people with a same-identity pair.
        auc: the range in which 95 % of the bootstrap's replicates of the AUC lie; None when there are none.
    """
    if people < LEAST_PEOPLE or auc is None:
        return (
            f"This result cannot be told from guessing: {people:,} of the people measured have two faces or more, and "
            f"{LEAST_PEOPLE} are the least that show anything."
        )
    if auc[0] <= GUESSING:
        return (
            f"This result cannot be told from guessing, which has an AUC of {GUESSING}: with other people like these "
            f"the AUC may well be anything from {auc[0]:.3f} to {auc[1]:.3f}."
        )
    return ""
