"""Starts a network from the weights of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from components.common import published
from components.common.batches import ManyImages
from components.common.errors import UsageError
from components.common.preprocessing import SCALING
from components.model import backbones, dlib_weights, face_weights, named, tf_slim
from components.model.checkpoint import check_values, fill, load
from components.model.network import EMBEDDING_LAYER, EMBEDDING_NORMALISATION, Architecture, build
from components.model.starts import Kind, Start, check_members, find_start, unpack

_HEAD = (EMBEDDING_LAYER, EMBEDDING_NORMALISATION)
_WHOLE = "the whole network"
# Of the faces to train on, so many tell which filters of another network matter.
_SAMPLE = 256


@dataclass(frozen=True)
class Restored:
    """What was taken over.

    Args:
        count: of the network's variables.
        of: how many it has.
        left_out: what was not, and why, a line each.
        read_as: what the weights were found to be, "" where that goes without saying.
        scaling: what the network is to see of pixels; see `components.common.preprocessing.Preprocessing`.
    """

    count: int
    of: int
    left_out: tuple[str, ...] = ()
    read_as: str = ""
    scaling: str = SCALING

    def lines(self, path: Path) -> list[str]:
        """As sentences; `path` is where the weights are from."""
        read = f", read as {self.read_as}" if self.read_as else ""
        return [
            f"{self.count} of {self.of} variables restored from {path}{read}",
            *(f"left out: {each}" for each in self.left_out),
        ]

    def record(self, path: Path) -> dict[str, Any]:
        """As plain values, with the name and the SHA-256 of the weights, for the checkpoint's description."""
        restored = f"{self.count} of {self.of} variables"
        record = {"name": path.resolve().name, "sha256": find_start(path).sha256(), "restored": restored}
        return record | {"left_out": list(self.left_out), "scaling": self.scaling}


def start_from(
    network: keras.Model, architecture: Architecture, path: Path, faces: ManyImages | None = None
) -> Restored:
    """Copies weights into a network of the same backbone, in place.

    The embedding layer is copied from a checkpoint of our own, or of a network for faces, when both are of one size;
    otherwise it keeps its random weights. A backbone's variables are all restored, or none is changed. Each of several
    members starts from its own.

    Args:
        network: what `architecture` describes.
        architecture: of the network to train.
        path: a checkpoint of our own, TF-Slim's, Keras weights or facenet-pytorch's; see `components.model.starts`.
        faces: uint8 [n, image_size, image_size, 3], those to train on: by them dlib's filters are chosen for a
            narrower network, which cannot start without.

    Raises:
        UsageError: another backbone or number of members, a variable without a source, of another shape or with values
            that no network has, or a damaged file.
    """
    start = find_start(path)
    check_members(start, architecture.members)
    if start.kind is Kind.ARCHIVE:
        with unpack(start.path) as inside:
            return _from_tensorflow(network, architecture, inside, path)
    if start.kind is Kind.TENSORFLOW:
        return _from_tensorflow(network, architecture, start.path, path)
    if start.kind is Kind.KERAS:
        return _from_keras(network, architecture, start.path)
    if start.kind is Kind.DLIB:
        return _from_dlib(network, architecture, start.path, faces)
    if start.kind in (Kind.FACES, Kind.SAFETENSORS):
        return _from_faces(network, architecture, start)
    return _from_ours(network, architecture, start.path)


def _members(network: keras.Model) -> list[keras.Model]:
    """The networks side by side in one; itself, when it is the only one."""
    return [layer for layer in network.layers if isinstance(layer, keras.Model)] or [network]


def _with_weights(layers: list[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in layers if layer.weights]


def _of_backbone(network: keras.Model) -> list[keras.Layer]:
    return _with_weights([layer for layer in network.layers if layer.name not in _HEAD])


def _copy(targets: list[keras.Layer], sources: list[keras.Layer], path: Path, advice: str) -> int:
    """Copies weights from layer to layer, in order, and counts the variables; nothing unless all shapes agree."""
    for target, source in zip(targets, sources, strict=True):
        shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (source, target)]
        if shapes[0] != shapes[1]:
            raise UsageError(
                "A variable of the pretrained checkpoint has another shape.",
                received=f"{path}, layer {target.name}: {shapes[0]}, to train: {shapes[1]}",
                advice=advice,
            )
    for target, source in zip(targets, sources, strict=True):
        target.set_weights(source.get_weights())
    return sum(len(target.weights) for target in targets)


def _from_ours(network: keras.Model, architecture: Architecture, path: Path) -> Restored:
    source = load(path)
    if source.architecture.backbone != architecture.backbone:
        raise UsageError(
            "The pretrained checkpoint has another backbone.",
            received=f"{path}: {source.architecture.backbone}, to train: {architecture.backbone}",
            advice=f"Give --backbone {source.architecture.backbone}, or another checkpoint.",
        )
    of_one_size = source.architecture.embedding_size == architecture.embedding_size
    targets, sources = (
        [
            layer
            for member in _members(model)
            for layer in (_with_weights(member.layers) if of_one_size else _of_backbone(member))
        ]
        for model in (network, source.network)
    )
    advice = f"Give --image_size {source.architecture.image_size}, the size it was trained with."
    count = _copy(targets, sources, path, advice)
    sizes = f"embedding size {source.architecture.embedding_size}, to train: {architecture.embedding_size}"
    left_out = () if of_one_size else (f"{', '.join(_HEAD)} ({sizes})",)
    return Restored(count, len(network.weights), left_out, scaling=source.preprocessing.scaling)


def _layers_to_fill(network: keras.Model, architecture: Architecture, stored_size: int | None) -> list[keras.Layer]:
    """The layers that get the weights of a network whose embedding has a length, or which has none."""
    return _with_weights(network.layers) if stored_size == architecture.embedding_size else _of_backbone(network)


def _of_another_size(architecture: Architecture, stored_size: int | None) -> tuple[str, ...]:
    if stored_size in (None, architecture.embedding_size):
        return ()
    sizes = f"{stored_size} numbers, to train: {architecture.embedding_size}"
    return (f"the embedding ({sizes}; --embedding_size {stored_size} takes it over)",)


def _from_faces(network: keras.Model, architecture: Architecture, start: Start) -> Restored:
    if architecture.backbone != face_weights.BACKBONE:
        raise UsageError(
            "These weights are of another backbone.",
            received=f"{start.path}: {face_weights.BACKBONE}, to train: {architecture.backbone}",
            advice=f"Give --backbone {face_weights.BACKBONE}, or other weights.",
        )
    with face_weights.open_weights(start.path, start.kind) as stored:
        size, pixels = stored.embedding_size, stored.pixels
        ours = tf_slim.names(architecture.backbone, _layers_to_fill(network, architecture, size))
        wanted = dict(zip(stored.names(ours), ours.values(), strict=True))
        named.restore(wanted, stored.shapes, stored.read, start.path, pixels)
        left_out = (*_of_another_size(architecture, size), *stored.left_out(wanted))
    read_as = f"{stored.label}, for {pixels.label}"
    return Restored(len(wanted), len(network.weights), left_out, read_as, pixels.scaling)


def _from_tensorflow(network: keras.Model, architecture: Architecture, path: Path, shown: Path) -> Restored:
    backbone = architecture.backbone
    if backbone not in tf_slim.ROOTS:
        raise UsageError(
            "This backbone has no TF-Slim checkpoint.",
            received=f"{shown}, to train: {backbone}",
            advice=f"Give --backbone {' or '.join(tf_slim.ROOTS)}, or a checkpoint folder of ours.",
        )
    shapes, reader = tf_slim.read(path)
    size = face_weights.embedding_size(shapes, f"{tf_slim.ROOTS[backbone]}/Bottleneck/weights")
    wanted = tf_slim.names(backbone, _layers_to_fill(network, architecture, size))
    if not any(name.startswith(f"{tf_slim.ROOTS[backbone]}/") for name in shapes):
        roots = sorted({name.partition("/")[0] for name in shapes})
        raise UsageError(
            f"This checkpoint is not of the backbone {backbone}.",
            received=f"{shown}, with variables under {', '.join(roots[:5])}",
            advice=f"Those of {backbone} are under {tf_slim.ROOTS[backbone]}/.",
        )

    def value(name: str) -> npt.NDArray[Any]:
        try:
            return reader.get_tensor(name)
        except Exception as error:  # TensorFlow raises whatever its reader met, down to RuntimeError
            raise tf_slim.damaged_error(shown, error) from error

    pixels = face_weights.pixels_of(size)
    named.restore(wanted, shapes, value, shown, pixels)
    left_out = (*_of_another_size(architecture, size), *tf_slim.left_out(backbone, list(shapes), set(wanted)))
    read_as = "" if size is None else f"a network for faces, for {pixels.label}"
    return Restored(len(wanted), len(network.weights), left_out, read_as, pixels.scaling)


def _from_dlib(network: keras.Model, architecture: Architecture, path: Path, faces: ManyImages | None) -> Restored:
    if architecture.backbone == published.BACKBONE:
        (count, of_one_size), read_as = dlib_weights.restore(network, path), ""
    elif architecture.backbone in dlib_weights.SLIM and faces is not None:
        sample = faces[np.linspace(0, len(faces) - 1, min(len(faces), _SAMPLE)).astype(int)]
        (count, of_one_size), read_as = dlib_weights.restore_slim(network, sample, path), "the filters that give most"
    else:
        raise UsageError(
            f"dlib's network for faces is of the backbone {published.BACKBONE}.",
            received=f"{path}, to train: {architecture.backbone}",
            advice=f"Give --backbone {published.BACKBONE} --image_size {published.IMAGE_SIZE}; or "
            f"{' or '.join(dlib_weights.SLIM)}, which begin with a part of it, and a --teacher.",
        )
    sizes = f"embedding size {published.EMBEDDING_SIZE}, to train: {architecture.embedding_size}"
    left_out = () if of_one_size else (f"{EMBEDDING_LAYER} ({sizes})",)
    return Restored(count, len(network.weights), left_out, read_as)


def _from_keras(network: keras.Model, architecture: Architecture, path: Path) -> Restored:
    """Reads the weights into each model that the file may be of, until one fits.

    Of a .keras file the weights alone are read: what else it holds could be code.
    """
    refusals = []
    for name, build_model in _possible(architecture).items():
        model = build_model()
        try:
            fill(model, path)
        except UsageError as error:
            refusals.append(f"\n  as {name}: {error.received}")
            continue
        check_values({variable.path: variable for variable in model.weights}, path)
        targets, sources = _with_weights(network.layers), _with_weights(model.layers)
        if name != _WHOLE:
            targets = _of_backbone(network)
        more = [layer.name for layer in sources[len(targets) :]]
        count = _copy(targets, sources[: len(targets)], path, "It is of another network.")
        left_out = (f"{', '.join(more)}, the head",) if more else ()
        return Restored(count, len(network.weights), left_out, name)
    raise UsageError(
        f"These Keras weights are not of the backbone {architecture.backbone}.",
        received=f"{path}{''.join(refusals)}",
        advice="Give --backbone and --image_size as they were when the weights were saved.",
    )


def _possible(architecture: Architecture) -> dict[str, Callable[[], keras.Model]]:
    """The models whose weights a file may hold, by what they are to people."""
    models: dict[str, Callable[[], keras.Model]] = {_WHOLE: lambda: build(architecture)}
    if architecture.members > 1:  # that start from the same weights would not differ
        return models
    models["the backbone alone"] = lambda: backbones.build(architecture.backbone, architecture.image_size)
    if architecture.backbone == "inception_resnet_v2":
        # Its convolutions come in the same order as ours: without its top, it is read as the backbone alone.
        application = "keras.applications.InceptionResNetV2 with its top"
        models[application] = lambda: keras.applications.InceptionResNetV2(weights=None)
    return models
