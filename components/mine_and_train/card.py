"""What a training shows of itself: one HTML page, and a Markdown summary with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from components.mine_and_train.augmentation import Augmentation
from components.mine_and_train.hardest import HardTriplet
from components.mine_and_train.health import diagnose
from components.mine_and_train.history import Round, best, verdict
from components.mine_and_train.losses import LOSSES
from components.page.figures import DIFFERENT, INK, SAME, axes
from components.page.templates import Card, fill_card

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 10  # points of a line: up to so many, each is marked
POINTS = 300  # of a line, at most


@dataclass(frozen=True)
class ShownFace:
    """A face of a hard triplet: whom it shows, and how it looks as a data URI, "" without pictures."""

    identity: str
    picture: str


def card(
    rounds: Sequence[Round],
    kept: Round,
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    hardest: Sequence[HardTriplet],
    face: Callable[[int], ShownFace],
) -> Card:
    """Fills the templates `card.html` and `card.md` of this folder.

    Args:
        rounds: of the training, from round 0, the network as it started, where that is known.
        kept: that of them whose network the checkpoint holds.
        settings: what the result depends on, by flag.
        defaults: likewise, as they are when nothing is given.
        hardest: the triplets to show.
        face: what to show of a face, by its number in them.
    """
    highest, start, last = best(rounds), best(rounds[:1]), rounds[-1]
    trained = [done for done in rounds if done.number]
    values: dict[str, Any] = {
        "last": last,
        "verdict": verdict(kept, rounds) if start and not start.number and kept is highest else "",
        "kept": kept,
        "better": highest if highest is not None and highest.validation_auc != kept.validation_auc else None,
        "seconds": sum(done.seconds for done in rounds),
        "images_per_second": sum(done.images_per_second * done.seconds for done in rounds)
        / max(sum(done.seconds for done in rounds), 1e-9),
        "found": sum(done.triplets_found for done in rounds),
        "trained": sum(done.triplets_trained for done in rounds),
        "pairs": sum(done.pairs_trained for done in rounds),
        "diagnosis": diagnose(trained, float(settings["margin"])) if trained else None,
        "changed": {
            name: _as_typed(value) for name, value in settings.items() if name in defaults and value != defaults[name]
        },
        "defaults": {name: _as_typed(value) for name, value in defaults.items()},
        "augmentation": {name: _as_typed(settings[name]) for name in Augmentation.__dataclass_fields__},
        "figures": figures(rounds),
        "points": POINTS,
        "offline": LOSSES[settings["loss"]].mined,
        "hardest": [(face(hard.anchor), face(hard.positive), face(hard.negative), hard) for hard in hardest],
    }
    return fill_card(Path(__file__).parent, values)


def _as_typed(value: Any) -> Any:
    """A setting as a flag takes it."""
    return str(value).lower() if isinstance(value, bool) else value


def figures(rounds: Sequence[Round]) -> list[tuple[str, str]]:
    """The curves as `<svg>` elements, each with a sentence below it."""
    svgs: list[str] = []
    sentences: list[str] = []

    def curve(
        name: str,
        sentence: str,
        lines: Mapping[str, tuple[str, str]],
        *,
        share: bool = False,
        counts: bool = False,
    ) -> None:
        with axes(name, svgs, (5, 2.8)) as plot:
            for field, (label, colour) in lines.items():
                _line(plot, rounds, field, label, colour)
            plot.set_xlabel("round")
            plot.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if share:
                plot.yaxis.set_major_formatter(PercentFormatter(1))
            elif counts:
                plot.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            if len(lines) > 1:
                plot.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=9)
            else:
                plot.set_title(name, fontsize=11)
        sentences.append(sentence)

    if any(done.validation_auc is not None for done in rounds):
        curve(
            "Unseen people",
            "Verification of people who are not trained on; VAL is at a false-accept rate of 1%.",
            {
                "validation_accuracy": ("accuracy", SAME),
                "validation_auc": ("AUC", INK),
                "validation_val": ("VAL", DIFFERENT),
            },
            share=True,
        )
    rounds = [done for done in rounds if done.number]  # the rest is about training
    if not rounds:
        return list(zip(svgs, sentences, strict=True))
    curve("Loss", "What training steps minimise, a mean over each round.", {"loss": ("loss", SAME)})
    curve(
        "Distances",
        "Squared distances, in training: the same person below others is what is wanted; a spread of 0 is collapse.",
        {
            "positive_distance": ("same person", SAME),
            "negative_distance": ("others", DIFFERENT),
            "spread": ("spread of all", INK),
        },
    )
    active = "The share of triplets with a loss, of pairs with a nearer negative, or of wrong classes."
    curve("Active", active, {"active": ("active", SAME)}, share=True)
    if any(done.triplets_found for done in rounds):
        curve(
            "Triplets",
            "Found in each round, and reached by its training steps.",
            {"triplets_found": ("found", INK), "triplets_trained": ("trained on", SAME)},
            counts=True,
        )
    curve("Learning rate", "At the last step of each round.", {"learning_rate": ("learning rate", SAME)})
    return list(zip(svgs, sentences, strict=True))


def _line(plot: Axes, rounds: Sequence[Round], field: str, label: str, colour: str) -> None:
    points = [(done.number, getattr(done, field)) for done in rounds if getattr(done, field) is not None]
    points = [points[i] for i in np.unique(np.linspace(0, len(points) - 1, min(len(points), POINTS)).astype(int))]
    marker = "o" if len(points) <= _FEW else None
    plot.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=label)
