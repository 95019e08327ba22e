"""`facenet score`: how well a network that there is tells people apart, by the stages, one after another."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.collect.settings import Settings as Collect
from components.common.atomic import write_file
from components.common.command import run
from components.common.errors import UsageError
from components.common.flags import Checkpoint, Input, Output
from components.common.preprocessing import Detector
from components.embed.settings import Settings as Embed
from components.evaluate.settings import Settings as Evaluate
from components.extract.scan import identity_of, scan
from components.extract.settings import Settings as Extract
from components.specification.stages import package

if TYPE_CHECKING:
    from components.evaluate.pairs_list import Photo

_DRAWN = "drawn-pairs.txt"


@dataclass(frozen=True)
class Settings:
    """Score a network on people whom it was not trained on: photos in, a report out, and nothing is trained.

    Pairs of photos are compared as in LFW: each person counts alike, the threshold comes from other folds, and pairs
    of which a photo shows no face are counted as wrong as well as left out. People that the network was trained on
    flatter it.
    """

    checkpoint: Checkpoint
    """The network: a checkpoint folder, any LiteRT face embedder (MODEL.tflite), or `dlib`, dlib's network for faces.
    Faces are cut out as it asks for."""
    input: Input
    """The photo folder, with a folder for each person; or a benchmark set as it is published: CFP, AgeDB-30, CALFW,
    CPLFW, IJB-B or IJB-C, or a .bin file of insightface."""
    detector: Detector | None = None
    """What finds the faces, instead of what found those that the network was trained on: dlib or blazeface."""
    pairs: Path | None = None
    """The list of pairs to compare, in the format of LFW's pairs.txt or of such a set; without it a set's own list is
    taken, and of a photo folder pairs are drawn, always alike."""
    slices: Path | None = None
    """Also measure how groups of people differ: a CSV file whose first line is `identity,group`."""
    output: Output = Path("score")
    """Folder for the report and all that it is made of: faces, dataset and embeddings; former ones are replaced."""


def _pairs(settings: Settings) -> tuple[Path, str | None, Mapping[Photo, str]]:
    """The list of pairs, what to write as that list where there is none, and the files that it names.

    A list is read to see whether it can be. There are no files where photos are laid out by person.
    """
    # Not before they are needed: --help should appear at once.
    from components.evaluate.drawn_pairs import draw_pairs
    from components.evaluate.pairs_file import read_pairs_file
    from components.evaluate.templates import holds_templates, read_templates
    from pipelines.benchmark import is_bin, list_in

    if is_bin(settings.input) and (settings.pairs or settings.detector):
        raise UsageError(
            "A .bin set holds its own pairs, and crops in which no face is looked for.",
            received=settings.pairs or settings.detector,
            advice="Leave out --pairs and --detector.",
        )
    pairs = settings.pairs or list_in(settings.input)
    if pairs is None:
        photos = scan(settings.input).photos
        drawn = draw_pairs(photos, [identity_of(path) for path in photos], Evaluate.folds, Evaluate.seed)
        return settings.output / _DRAWN, drawn, {}
    return pairs, None, read_templates(pairs).files if holds_templates(pairs) else read_pairs_file(pairs).files


def _score(settings: Settings) -> None:
    pairs, drawn, files = _pairs(settings)
    from components.embed.network import open_network
    from components.evaluate.slices import Groups
    from pipelines.benchmark import faces_of_bin, is_bin, laid_out

    # Opened before the photos are: what cannot be used should not wait for thousands of them.
    if settings.slices:
        Groups.read(settings.slices)
    crop = open_network(settings.checkpoint).crop
    folder = settings.output
    faces, dataset, embeddings = (folder / name for name in ("faces", "dataset", "embeddings"))
    if is_bin(settings.input):
        faces_of_bin(settings.input, files, faces, crop)
    else:
        detector = settings.detector or crop.finder
        with laid_out(files, settings.input) if files else nullcontext(settings.input) as photos:
            extract = Extract(photos, faces, detector=detector, margin=crop.margin, alignment=crop.alignment)
            extract.check()
            if drawn is not None:
                write_file(pairs, drawn)
            _run("extract", extract)
    # Whoever a list names is measured, by each photo that it names.
    _run("collect", Collect(output=dataset, input=(faces,), min_examples=1, drop_duplicates=False, test=1))
    _run("embed", Embed(input=dataset, checkpoint=str(settings.checkpoint), output=embeddings))
    report = Evaluate(folder / "report", (embeddings,), pairs=pairs, faces=(faces,), slices=settings.slices)
    _run("evaluate", report)


def _run(stage: str, settings: Collect | Embed | Evaluate | Extract) -> None:
    settings.check()
    importlib.import_module(f"{package(stage)}.stage").run(settings)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return run(Settings, _score, argv, prog="facenet score")


if __name__ == "__main__":
    sys.exit(main())
