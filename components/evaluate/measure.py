"""From pairs and their distances to what a report holds: its numbers, as in `metrics.json`, and its pairs manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from components.common.batches import slices
from components.common.manifest import PAIRS
from components.common.quantity import quantity
from components.evaluate.bootstrap import Interval, accuracy_error, intervals
from components.evaluate.chance import doubt
from components.evaluate.compared import Compared
from components.evaluate.embeddings import Embeddings, Indices, Texts
from components.evaluate.metrics import (
    Curve,
    Distances,
    Flags,
    FoldAccuracy,
    area_under_curve,
    equal_error_rate,
    fold_accuracies,
    roc,
    val_at_far,
)
from components.evaluate.protocols import Faces, Protocol

# The small rates are steps of three: a gallery takes one by its size, and a smaller rate than it needs costs VAL.
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 3e-3, 1e-3, 3e-4)
# What is published of IJB-B and IJB-C.
_OF_TEMPLATES = (1e-4, 1e-5)
# In a fold of so many pairs, one pair is a tenth of the accuracy.
_LARGE_FOLD = 10
_TEXTS_AT_ONCE = 1 << 15


def measure(protocol: Protocol, scored: Distances, compared: Compared, identity: Indices, seed: int) -> dict[str, Any]:
    """All numbers about some pairs, as plain finite values.

    Args:
        protocol: the pairs.
        scored: float64 [pairs], the distances of `protocol.scored`.
        compared: `protocol.compared`, measured, with the best threshold of the scored pairs.
        identity: int64 [faces], the identities of the faces that the pairs point to, as numbers from 0.
        seed: seed of the bootstrap.

    Returns:
        The keys accuracy, threshold, confusion, auc, auc_interval, doubt, eer, val_at_far, roc and slices of
        `metrics.json`; see metrics.schema.json.
    """
    whole = compared.curve
    rates = FALSE_ACCEPT_RATES + (_OF_TEMPLATES if protocol.kind == "templates" else ())
    rate, rate_threshold = equal_error_rate(whole)
    folds = list(fold_accuracies(scored, protocol.scored.same, protocol.fold))
    accepted = _accepted(protocol, scored, folds)
    pairs = protocol.scored
    error = accuracy_error(accepted == pairs.same, pairs.same, identity[pairs.first], identity[pairs.second], seed)
    people = np.unique(identity[compared.faces])
    uncertain = intervals(compared.same.sample, compared.different.sample, identity, people, rates, seed)
    return {
        "accuracy": _accuracy(folds, error, protocol.missing.pairs_per_fold),
        "threshold": compared.threshold,
        "confusion": _confusion(whole, compared.threshold),
        "auc": area_under_curve(whole),
        "auc_interval": list(uncertain.auc) if uncertain else None,
        "doubt": doubt(len(np.unique(identity[compared.same.sample.first])), uncertain.auc if uncertain else None),
        "eer": {"value": rate, "threshold": rate_threshold},
        "val_at_far": [_val_at_far(whole, far, uncertain.rates if uncertain else {}) for far in rates],
        "roc": [list(point) for point in roc(whole)],
        "slices": _slices(protocol, accepted),
    }


def _accepted(protocol: Protocol, distances: Distances, folds: Sequence[FoldAccuracy]) -> Flags:
    """Which scored pairs are called the same person, each at the threshold of its fold."""
    chosen = {fold.fold: fold.threshold for fold in folds}
    accepted: Flags = distances <= np.array([chosen[int(fold)] for fold in protocol.fold])
    return accepted


def _accuracy(folds: Sequence[FoldAccuracy], error: float | None, missing: Sequence[int]) -> dict[str, Any]:
    values = np.array([fold.accuracy for fold in folds])
    deviation = float(np.std(values, ddof=1))
    return {
        "mean": float(np.mean(values)),
        "deviation": deviation,
        "standard_error": deviation / len(values) ** 0.5,
        "standard_error_over_people": error,
        "mean_missing_wrong": _missing_wrong(folds, missing) if missing else None,
        "folds": [asdict(fold) for fold in folds],
    }


def _missing_wrong(folds: Sequence[FoldAccuracy], missing: Sequence[int]) -> float:
    """The mean accuracy of the folds when their missing pairs count as wrong; a fold of those alone has none right."""
    right, pairs = np.zeros(len(missing)), np.array(missing)
    for fold in folds:
        measured = fold.same_pairs + fold.different_pairs
        right[fold.fold] = fold.accuracy * measured
        pairs[fold.fold] += measured
    return float(np.mean(right / pairs))


def _confusion(whole: Curve, threshold: float) -> dict[str, int]:
    """The pairs of each kind that are accepted and rejected at a threshold."""
    point = int(np.searchsorted(whole.thresholds, threshold, side="right")) - 1
    same, different = int(whole.accepted_same[point]), int(whole.accepted_different[point])
    return {
        "same_accepted": same,
        "same_rejected": whole.same_pairs - same,
        "different_accepted": different,
        "different_rejected": whole.different_pairs - different,
    }


def _val_at_far(curve: Curve, far: float, uncertain: Mapping[float, Interval]) -> dict[str, Any]:
    val, threshold = val_at_far(curve, far) or (None, None)
    interval = None if val is None else uncertain.get(far)
    return {
        "far": far,
        "val": val,
        "val_interval": list(interval.val) if interval else None,
        "threshold": threshold,
        "threshold_interval": list(interval.threshold) if interval else None,
        "same_pairs": curve.same_pairs,
        "different_pairs": curve.different_pairs,
    }


def _slices(protocol: Protocol, accepted: Flags) -> list[dict[str, Any]]:
    """How the named parts of the scored pairs fare, each pair at the threshold of its fold."""
    if protocol.slice is None:
        return []
    same = protocol.scored.same
    rows = []
    for name in dict.fromkeys(name for name in protocol.slice if name is not None):
        inside = protocol.slice == name
        kinds = [accepted[inside & kind] for kind in (same, ~same)]
        rows.append(
            {
                "slice": name,
                "accuracy": float(np.mean((accepted == same)[inside])),
                "same_accepted": float(np.mean(kinds[0])) if len(kinds[0]) else None,
                "different_accepted": float(np.mean(kinds[1])) if len(kinds[1]) else None,
                "same_pairs": len(kinds[0]),
                "different_pairs": len(kinds[1]),
            }
        )
    return rows


def describe(protocol: Protocol, faces: Indices, measured: Embeddings, **settings: object) -> dict[str, Any]:
    """What was measured, and on what: the key protocol of `metrics.json`.

    Args:
        protocol: the pairs.
        faces: int64 [n], the faces that are in any compared pair.
        measured: the faces that the pairs point to.
        settings: what else the record should hold, for instance the split.
    """
    compared, scored = protocol.compared, protocol.scored
    codes = measured.identity_codes()
    people, first = np.unique(codes[faces], return_index=True)
    of_each = Counter(measured.split[faces[first]].tolist())
    splits = {split: of_each[split] for split in sorted(of_each)}
    return {
        **settings,
        "kind": protocol.kind,
        "notes": [*protocol.notes, *_trained_on_note(protocol, splits), *_small_folds_note(protocol)],
        "folds": len(np.unique(protocol.fold)),
        "faces": len(faces),
        "identities": len(people),
        "splits": splits,
        "identities_in_several_folds": _in_several_folds(protocol, codes),
        "scored": {"same_pairs": scored.same_count, "different_pairs": len(scored) - scored.same_count},
        "compared": {"same_pairs": compared.same_count, "different_pairs": len(compared) - compared.same_count},
    }


def _trained_on_note(protocol: Protocol, splits: Mapping[str, int]) -> list[str]:
    """A note when people of the train split are measured; for a pairs file, their pairs are counted instead."""
    trained, people = splits.get("train", 0), sum(splits.values())
    if not trained or protocol.kind == "pairs-file":
        return []
    return [
        f"{trained:,} of the {people:,} people measured are of the train split: a network that was trained on it knows "
        "them, and the numbers flatter it."
    ]


def _small_folds_note(protocol: Protocol) -> list[str]:
    smallest = np.unique(protocol.fold, return_counts=True)[1].min()
    if smallest >= _LARGE_FOLD:
        return []
    return [
        f"Folds hold as few as {quantity(smallest, 'pair')}: how the accuracy spreads over them is mostly coincidence."
    ]


def _in_several_folds(protocol: Protocol, identity: Indices) -> int:
    """Counted, not concluded from the kind of protocol."""
    faces = np.concatenate([protocol.scored.first, protocol.scored.second])
    seen = np.zeros((identity.max() + 1, protocol.fold.max() + 1), bool)
    seen[identity[faces], np.tile(protocol.fold, 2)] = True
    return int(np.count_nonzero(seen.sum(axis=1) > 1))


def _texts_of(texts: Texts, rows: Faces) -> pa.ChunkedArray:
    """Each text that is asked for is read once, and few are Python's at a time."""
    different, place = np.unique(rows, return_inverse=True)
    pieces = [pa.array(texts[different[some]], pa.string()) for some in slices(len(different), _TEXTS_AT_ONCE)]
    known = pa.concat_arrays(pieces)
    # Some at a time, because an array of texts overflows at 2^31 bytes.
    taken = [known.take(pa.array(place[some])) for some in slices(len(place), _TEXTS_AT_ONCE)]
    return pa.chunked_array(taken, pa.string())


def pairs_table(embeddings: Embeddings, protocol: Protocol, distances: Distances) -> pa.Table:
    """A pairs manifest of the scored pairs of a protocol, with their distances."""
    pairs = protocol.scored
    return pa.table(
        {
            "face_id_a": _texts_of(embeddings.face_id, pairs.first),
            "face_id_b": _texts_of(embeddings.face_id, pairs.second),
            "same": pairs.same,
            "fold": protocol.fold,
            "slice": pa.nulls(len(pairs), pa.string())
            if protocol.slice is None
            else pa.array(protocol.slice, pa.string()),
            "distance": distances.astype("float32"),
        },
        schema=PAIRS.schema,
    )
