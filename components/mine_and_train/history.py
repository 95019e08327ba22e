"""What each round saw and did: as a record, as a line, and as a table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.atomic import write_file
from components.evaluate.score import Score
from components.mine_and_train.losses import DISTILLATION, LOSSES


@dataclass(frozen=True)
class Round:
    """What a round saw and did. Distances are squared, from 0 to 4.

    Args:
        number: from 1.
        step: training steps since the beginning.
        phase: what was trained on.
        images: embedded and mined among, or pushed through the network where triplets are found inside batches.
        triplets_found: among them.
        triplets_kept: of those; a fair sample where there are more than `--max_triplets`.
        triplets_trained: those that the round's steps reached.
        active: share of triplets with a positive loss: of those trained on, or online of all in the batches; in rounds
            of another phase, what their `losses.Objective` says.
        loss: mean over the round's steps; 0 when there was none.
        positive_distance: mean d(a,p)^2 of the triplets trained on, as seen in training; with a teacher, of a face to
            the teacher's embedding of it; in a classification, to the centre of its identity.
        negative_distance: likewise d(a,n)^2; with a teacher, to those of other faces; in a classification, to the
            centres of others.
        spread: mean squared distance between the embeddings that a training step learns from, or between those of the
            faces mined among when there was no step; 0 when all are equal, about 2 when none are alike.
        learning_rate: of the last step.
        images_per_second: pushed through training steps, over the whole round's time.
        seconds: of the whole round.
        pairs_trained: pairs of anchor and positive that the round's steps reached, where the loss is about these.
        validation_accuracy: on identities that are not trained on; None in rounds without a validation.
        validation_auc: likewise.
        validation_val: VAL at a false-accept rate of 1e-2, likewise.
    """

    number: int
    step: int
    phase: str
    images: int
    triplets_found: int
    triplets_kept: int
    triplets_trained: int
    active: float
    loss: float
    positive_distance: float
    negative_distance: float
    spread: float
    learning_rate: float
    images_per_second: float
    seconds: float
    pairs_trained: int = 0
    validation_accuracy: float | None = None
    validation_auc: float | None = None
    validation_val: float | None = None


def as_it_started(score: Score | None) -> Round:
    """Round 0: a network from other weights, before anything was trained."""
    nothing: dict[str, Any] = dict.fromkeys(("images", "triplets_found", "triplets_kept", "triplets_trained"), 0)
    zero: dict[str, Any] = dict.fromkeys(("active", "loss", "positive_distance", "negative_distance", "spread"), 0.0)
    zero |= dict.fromkeys(("learning_rate", "images_per_second", "seconds"), 0.0)
    return Round(number=0, step=0, phase="start", **nothing, **zero, **validation(score))


def validation(score: Score | None) -> dict[str, Any]:
    """What a round records of a validation; None where there was none."""
    return {f"validation_{name}": score and getattr(score, name) for name in ("accuracy", "auc", "val")}


_ACTIVE = {one.phase: one.active for one in (*LOSSES.values(), DISTILLATION)}
_TYPES = {"number": pa.int32(), "step": pa.int64(), "phase": pa.string(), "images": pa.int64()}
_TYPES |= {name: pa.int64() for name in ("triplets_found", "triplets_kept", "triplets_trained", "pairs_trained")}
SCHEMA = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in Round.__dataclass_fields__])


def write(path: Path, rounds: Sequence[Round]) -> None:
    """Writes the rounds as a Parquet file, a row each; a former file is replaced."""
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(done) for done in rounds], SCHEMA), content)
    write_file(path, content.getvalue())


def line(done: Round, rounds: int, share: float = 1.0) -> str:
    """A round in one line, with the time that the rest will take at its speed.

    Args:
        done: the round, or what there is of one under way.
        rounds: of the whole training.
        share: of the round that is done.
    """
    left = round(done.seconds / share * (rounds - done.number + 1 - share))
    return (
        f"round {done.number}/{rounds}{f', {share:.0%} done' if share < 1 else ''}: {_trained_on(done)}; "
        f"loss {done.loss:.4f}, d(a,p)^2 {done.positive_distance:.3f}, d(a,n)^2 {done.negative_distance:.3f}; "
        f"{done.images_per_second:.0f} images/s, {left // 60} min {left % 60:02} s left{scores(done)}"
    )


def scores(done: Round) -> str:
    """How a round was validated, as the end of a line; "" when it was not."""
    if done.validation_accuracy is None or done.validation_val is None:
        return ""
    return (
        f"; unseen people: accuracy {done.validation_accuracy:.3f}, AUC {done.validation_auc:.4f}, "
        f"VAL {done.validation_val:.3f}"
    )


def _trained_on(done: Round) -> str:
    if active := _ACTIVE[done.phase]:
        pairs = f"{done.pairs_trained:,} pairs, " if done.pairs_trained else ""
        return f"{done.phase}, {pairs}{done.active:.1%} {active}"
    kept = "" if done.triplets_kept == done.triplets_found else f", a fair sample of {done.triplets_kept:,} kept"
    share = "" if done.triplets_trained == done.triplets_kept else f" ({done.triplets_trained:,} trained on)"
    return f"{done.triplets_found:,} triplets{kept}{share}, {done.active:.1%} active"


def best(rounds: Sequence[Round]) -> Round | None:
    """The first round with the highest score (AUC); None when none was scored."""
    scored = [(done.validation_auc, done) for done in rounds if done.validation_auc is not None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def verdict(taken: Round, rounds: Sequence[Round]) -> str:
    """Says which round is taken, as the best, and whether training was better than the start.

    Args:
        taken: the best of them.
        rounds: of a training, from round 0 where there is one.
    """
    auc = f"AUC {taken.validation_auc:.4f} on unseen people"
    if taken.number:
        start = best([done for done in rounds if not done.number])
        return f"Round {taken.number} is taken, the best: {auc}" + (
            f"; {start.validation_auc:.4f} as it started." if start else "."
        )
    trained = best([done for done in rounds if done.number])
    return f"The network is taken as it started: {auc}" + (
        f"; {trained.validation_auc:.4f} at best after training." if trained else "."
    )


def metrics(rounds: Sequence[Round], kept: Round, identities: int, faces: int) -> dict[str, float | int]:
    """The numbers that stand for a training of so many faces; the checkpoint holds the network of the round `kept`.

    Args:
        rounds: all of them, from round 0 where there is one.
        kept: one of them.
        identities: trained on, of people with names.
        faces: trained on, of anybody.
    """
    trained = [done for done in rounds if done.number]
    numbers: dict[str, float | int] = {"rounds": len(trained), "kept_round": kept.number}
    if trained:
        numbers |= {"identities": identities, "faces": faces, "loss": trained[-1].loss}
    if any(done.phase == "triplets" for done in trained):
        numbers["triplets_mined"] = sum(done.triplets_found for done in trained)
        numbers["triplets_trained"] = sum(done.triplets_trained for done in trained)
    if pairs := sum(done.pairs_trained for done in trained):
        numbers["pairs_trained"] = pairs
    if kept.validation_accuracy is not None and kept.validation_auc is not None:
        numbers |= {"validation_accuracy": kept.validation_accuracy, "validation_auc": kept.validation_auc}
    for name, some in (("start", [done for done in rounds if not done.number]), ("trained", trained)):
        if len(trained) < len(rounds) and (highest := best(some)) and highest.validation_auc is not None:
            numbers[f"{name}_auc"] = highest.validation_auc
    return numbers
