"""Inception-ResNet-v1 trained on faces, in the files that people have it in besides TensorFlow's own.

There are two layouts, of the same networks of davidsandberg/facenet. Both were made from its checkpoints, and their
names from the names there:

- Keras 2's HDF5: nyoki-mtl/keras-facenet (facenet_keras.h5), faustomorales/keras-facenet (20180402-114759-weights.h5),
  serengil/deepface (facenet_weights.h5, facenet512_weights.h5);
- PyTorch's, stored by safetensors: timesler/facenet-pytorch (vggface2, casia-webface).

The length of the embedding says what they saw of pixels. The networks of 2017 have 128 numbers and want each face
brought to mean 0 and deviation 1 (facenet's `prewhiten`, nyoki's notebook, keras-facenet's metadata, deepface's
"Facenet"). Those of 2018 have 512 and want a fixed range: (pixel - 127.5) / 128 in facenet and facenet-pytorch
(`fixed_image_standardization`), / 127.5 in keras-facenet and deepface ("Facenet2018").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from components.common.errors import FacenetError, UsageError
from components.model.named import FIXED, PER_IMAGE, Pixels
from components.model.starts import Kind

BACKBONE = "inception_resnet_v1"
_ROOT = "InceptionResnetV1/"
_FIXED_SIZE = 512  # of the embeddings of 2018; see above
_FLOATS = ("F64", "F32", "F16")  # as safetensors calls them
# Of a group in a group; and more variables than any of these networks has, with the state of its training.
_DEEPEST, _MOST_VARIABLES = 4, 10_000
_TORCH_VARIABLES = {
    "weights": "weight",
    "biases": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_TORCH_REPEATS = {"repeat": "repeat_1", "repeat_1": "repeat_2", "repeat_2": "repeat_3"}


@dataclass(frozen=True)
class FaceWeights:
    """Weights in a file that is open.

    Args:
        label: whose layout it is, to people.
        shapes: of each variable by its name in the file, with the axes in TensorFlow's order.
        read: a value by name, likewise.
        names: the names in the file of variables by their names in a TF-Slim checkpoint; see `tf_slim.names`.
        bottleneck: the file's name of the layer that makes the embedding.
        fixed: what a network with 512 numbers saw of pixels.
    """

    label: str
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], npt.NDArray[Any]]
    names: Callable[[Iterable[str]], list[str]]
    bottleneck: str
    fixed: Pixels

    @property
    def embedding_size(self) -> int | None:
        """Length of the embedding, None without its layer."""
        return embedding_size(self.shapes, self.bottleneck)

    @property
    def pixels(self) -> Pixels:
        """What the network saw of pixels."""
        return pixels_of(self.embedding_size, self.fixed)

    def left_out(self, restored: Iterable[str]) -> list[str]:
        """Says what of the file was not restored, a line each."""
        rest = Counter(_reason(name) for name in self.shapes.keys() - set(restored))
        return [f"{count} variables, {reason}" for reason, count in sorted(rest.items())]


def embedding_size(shapes: Mapping[str, tuple[int, ...]], bottleneck: str) -> int | None:
    """Length of the embedding by the shape of the kernel that makes it; None without one."""
    shape = shapes.get(bottleneck, ())
    return shape[1] if len(shape) == 2 else None


def pixels_of(embedding_size: int | None, fixed: Pixels = FIXED) -> Pixels:
    """What a network that was trained on faces saw of pixels.

    Args:
        embedding_size: length of its embedding; None of one that has none, and so was trained on something else.
        fixed: what the networks of 2018 saw.
    """
    if embedding_size is None:
        return Pixels()
    return fixed if embedding_size == _FIXED_SIZE else PER_IMAGE


@contextmanager
def open_weights(path: Path, kind: Kind) -> Iterator[FaceWeights]:
    """Opens a file of either layout; what its reader raises inside the block says that it is damaged.

    Args:
        path: the file.
        kind: as `starts.find_start` found out.

    Raises:
        UsageError: it is damaged, or holds what no weights are.
    """
    try:
        if kind is Kind.SAFETENSORS:
            from safetensors import safe_open

            with safe_open(path, framework="numpy") as file:
                yield _torch(file, path)
        else:
            with h5py.File(path) as file:
                yield _keras(file, path)
    except FacenetError:
        raise
    except Exception as error:  # HDF5 raises whatever it met
        raise _refusal(path, (str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error


def _refusal(path: Path, reason: str) -> UsageError:
    return UsageError(
        "Weights cannot be read from this file.",
        received=f"{path} ({reason})",
        advice="It is damaged, or not what its authors publish: fetch it again.",
    )


def _keras(file: h5py.File, path: Path) -> FaceWeights:
    datasets: dict[str, h5py.Dataset] = {}
    for name, dataset in _datasets(file.get("model_weights", file)):
        # The layer, groups that repeat its name or not, and the variable, with the number of the operation it is of.
        layer, *_, variable = name.split("/")
        datasets[f"{layer}/{variable.partition(':')[0]}"] = dataset
        if len(datasets) > _MOST_VARIABLES:
            raise _refusal(path, f"more than {_MOST_VARIABLES} variables")

    def read(name: str) -> npt.NDArray[Any]:
        dataset = datasets[name]
        # Other files' bytes are no part of this one, and what it claims to hold it must have room for.
        if dataset.external or dataset.is_virtual or dataset.nbytes > path.stat().st_size:
            raise _refusal(path, f"{name} is not in it")
        return np.asarray(dataset)

    return FaceWeights(
        "Keras weights of FaceNet",
        {name: dataset.shape or () for name, dataset in datasets.items()},
        read,
        lambda names: [_keras_name(name) for name in names],
        "Bottleneck/kernel",
        Pixels(),
    )


def _datasets(group: h5py.Group, depth: int = 0) -> Iterator[tuple[str, h5py.Dataset]]:
    """What a group holds by path, without what lies in other files."""
    for name in group:
        if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield name, item
        elif isinstance(item, h5py.Group) and depth < _DEEPEST:
            yield from ((f"{name}/{below}", dataset) for below, dataset in _datasets(item, depth + 1))


def _keras_name(name: str) -> str:
    """By the rules of nyoki's notebook (tf_to_keras.ipynb), which all three follow."""
    *scopes, variable = name.removeprefix(_ROOT).split("/")
    layer = re.sub(r"^Repeat_(?:\d_)?b", "B", "_".join(scopes))
    layer = re.sub(r"^Block8_(?=[A-Z])", "Block8_6_", layer)  # the last one, which has no number in TF-Slim
    variable = {"weights": "kernel", "biases": "bias"}.get(variable, variable)
    return f"{layer}/{variable}"


def _torch(file: Any, path: Path) -> FaceWeights:
    slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    shapes = {name: tuple(each.get_shape()) for name, each in slices.items()}

    def read(name: str) -> npt.NDArray[Any]:
        kind = slices[name].get_dtype()
        if kind not in _FLOATS:
            raise _refusal(path, f"{name} is stored as {kind}; {', '.join(_FLOATS)} are read")
        scale = name.replace("running_mean", "weight")
        # Published ones are 1: facenet, whose weights these are, has none, and neither has our backbone.
        if scale != name and scale in slices and np.any(file.get_tensor(scale) != 1):
            raise UsageError(
                "A BatchNorm of these weights has a scale (gamma), for which this backbone has no place.",
                received=f"{path}, {scale}: not 1 throughout",
                advice="Give the weights as they are published: training by facenet-pytorch has changed these.",
            )
        return np.transpose(file.get_tensor(name), _axes(shapes[name]))

    return FaceWeights(
        "weights of facenet-pytorch",
        {name: tuple(shape[axis] for axis in _axes(shape)) for name, shape in shapes.items()},
        read,
        _torch_names,
        "last_linear.weight",
        FIXED,
    )


def _axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """PyTorch has outputs first, then inputs, height and width; TensorFlow has them last, after those."""
    return {4: (2, 3, 1, 0), 2: (1, 0)}.get(len(shape), tuple(range(len(shape))))


def _torch_names(names: Iterable[str]) -> list[str]:
    """Names of facenet-pytorch's modules; the convolutions of a branch are numbered there, if it has several."""
    names = list(names)
    branches: dict[str, list[str]] = {}
    for name in names:
        if (part := re.match(r"(.+/Branch_\d)/(\w+)/", name)) and part[2] not in branches.setdefault(part[1], []):
            branches[part[1]].append(part[2])
    return [_torch_name(name, branches) for name in names]


def _torch_name(name: str, branches: Mapping[str, list[str]]) -> str:
    scope, _, variable = name.rpartition("/")
    part, variable = "bn" if scope.endswith("/BatchNorm") else "conv", _TORCH_VARIABLES[variable]
    *blocks, convolution = scope.removeprefix(_ROOT).removesuffix("/BatchNorm").split("/")
    if convolution == "Bottleneck":
        return f"last_{'bn' if part == 'bn' else 'linear'}.{variable}"
    if not blocks:  # of the stem: without its size
        return f"{convolution.lower().rpartition('_')[0]}.{part}.{variable}"
    block = blocks[0].lower()
    if block in _TORCH_REPEATS:  # its blocks are counted from 1 in TF-Slim
        block = f"{_TORCH_REPEATS[block]}.{int(blocks[1].rpartition('_')[2]) - 1}"
    if not blocks[-1].startswith("Branch_"):
        return f"{block}.conv2d.{variable}"
    siblings = branches[_ROOT + "/".join(blocks)]
    number = f".{siblings.index(convolution)}" if len(siblings) > 1 else ""
    return f"{block}.branch{blocks[-1].removeprefix('Branch_')}{number}.{part}.{variable}"


def _reason(name: str) -> str:
    if name.endswith("bn.weight"):
        return "scales (gamma) of 1"
    if name.endswith("num_batches_tracked"):
        return "counters of the training"
    if name.startswith("logits."):
        return "the head logits"
    if name.startswith(("last_", "Bottleneck")):
        return "the embedding layer"
    return f"unknown to {BACKBONE}, such as {name}"
