"""A trained network, whichever library runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from components.common import published
from components.common.errors import FacenetError, UsageError
from components.common.preprocessing import Crop
from components.litert.identification import GalleryThreshold
from components.litert.specification import Threshold
from components.model import has_driver, load_tensorflow
from components.model.checkpoint import LITERT, describe, fingerprint, load

if TYPE_CHECKING:
    from components.model.precision import Precision


Embed = Callable[[npt.NDArray[np.uint8], Any], npt.NDArray[np.float32]]
# The least distance, 0 to 2, between the embeddings of two pictures as different as can be. Untrained networks have 0.4
# and more; a network that is given pixels in another scaling than it was made for has 0.01.
_LEAST_APART = 0.05


@dataclass(frozen=True)
class Network:
    """A network that embeds faces.

    Args:
        crop: how its faces are cut out of photos.
        image_size: side of its input in pixels.
        embedding_size: length of its output.
        sha256: names it in manifests and reports.
        embed: uint8 [n, image_size, image_size, 3] and a progress bar -> float32 [n, embedding_size], unit length; it
            raises a FacenetError where the network gives no embedding.
        thresholds: by ascending false-accept rate, where a file states them; a checkpoint states none.
        identification: those for galleries, likewise.
        as_published: whether a checkpoint is of dlib's network as it is; see `components.common.published.is_kept`.
        about: what else a file says of itself.
    """

    crop: Crop
    image_size: int
    embedding_size: int
    sha256: str
    embed: Embed
    thresholds: tuple[Threshold, ...] = ()
    identification: tuple[GalleryThreshold, ...] = ()
    as_published: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


def open_network(
    path: Path, precision: Precision | None = None, *, many: bool = False, threads: int | None = None
) -> Network:
    """Opens a network with LiteRT, or with TensorFlow; only the library that runs it is imported.

    TensorFlow runs a checkpoint folder where NVIDIA's driver is, where a precision is given, or where the folder has
    no LiteRT file.

    Args:
        path: the folder or the file.
        precision: of the layers' arithmetic, in TensorFlow; LiteRT's is the file's.
        many: whether it will be given many faces at a time; the embeddings are the same.
        threads: processors that a file is run on; all that this process may use when None.

    Raises:
        UsageError: the path is neither of them, or cannot be used.
    """
    network = _open(path, precision, many, threads)
    return replace(network, embed=_with_checks(path, network.embed))


def check_apart(path: Path, network: Network) -> None:
    """Checks that a network tells two pictures apart: one that is drawn here, and its negative.

    Args:
        path: where it lies.
        network: of `open_network`.

    Raises:
        FacenetError: it gives both the same embedding, or none.
    """
    pair = _unlike(network.image_size)
    one, other = network.embed(pair, None)
    if (apart := float(np.linalg.norm(one - other))) < _LEAST_APART:
        raise FacenetError(
            "This network gives all pictures the same embedding, so everybody would be one person.",
            received=f"{path}: a picture and its negative are {apart:.3f} apart; {_LEAST_APART} is the least",
            advice="Of a .tflite file, correct the scaling in its specification (components/litert/README.md), or "
            "convert it anew; train a checkpoint anew.",
        )


def _unlike(image_size: int) -> npt.NDArray[np.uint8]:
    """uint8 [2, image_size, image_size, 3]: coarse blocks of colour that nothing mirrors, and their negative."""
    # Bits without a pattern; NumPy's random numbers would take time to import.
    bits = np.unpackbits(np.frombuffer(hashlib.sha256(b"").digest(), np.uint8))
    blocks = bits[:48].reshape(4, 4, 3) * np.uint8(255)
    place = np.arange(image_size) * 4 // image_size
    picture = blocks[place][:, place]
    return np.stack([picture, 255 - picture])


def _with_checks(path: Path, embed: Embed) -> Embed:
    """The function, with each embedding checked before anybody compares it or writes it down."""

    def embed_and_check(images: npt.NDArray[np.uint8], progress: Any) -> npt.NDArray[np.float32]:
        embeddings = embed(images, progress)
        # Not "== 0": what is not a number cannot be compared either.
        bad = np.flatnonzero(~np.isclose(np.einsum("nd,nd->n", embeddings, embeddings), 1, atol=1e-3))
        if len(bad):
            raise FacenetError(
                "The network gave no embedding: not finite, or of length 0.",
                received=f"{path}, {len(bad)} of {len(images)} pictures",
                advice="Convert it anew, or train it anew: nothing can be compared with it.",
            )
        return embeddings

    return embed_and_check


def _open(path: Path, precision: Precision | None, many: bool, threads: int | None) -> Network:
    # Every file is for LiteRT, whatever its ending: it may be called model.lite.
    if not published.is_meant(path) and (path.is_file() or path.suffix == ".tflite"):
        if precision is not None:
            raise UsageError(
                "A LiteRT file has the precision that it was exported with.",
                received=f"{path}, --precision {precision}",
                advice="Leave out --precision, or give the checkpoint folder.",
            )
        return _litert(path, many, threads)
    description = describe(path)
    as_published = published.is_kept(description)
    # A GPU is TensorFlow's: LiteRT computes on processors alone.
    on_gpu = has_driver() and find_spec("tensorflow") is not None
    if precision is None and (path / LITERT).is_file() and not on_gpu:
        return replace(_litert_of(path, many, threads), as_published=as_published)
    try:
        load_tensorflow()  # takes seconds, and a wrong path should not wait for it
        from components.model.network import embedder_for
        from components.model.precision import remark
    except ModuleNotFoundError as missing:
        if missing.name not in ("tensorflow", "keras"):
            raise
        raise UsageError(
            "A checkpoint folder needs TensorFlow, which is not installed here.",
            received=path,
            advice="Give the .tflite file that was exported from it, or install TensorFlow: pip install -e '.[embed]'",
        ) from missing

    precision = precision or "float32"
    if (note := remark(precision)) is not None:
        print(note)
    checkpoint = load(path, precision)
    spec = checkpoint.preprocessing
    embed = embedder_for(checkpoint.network, spec)
    return Network(
        spec.crop,
        spec.image_size,
        checkpoint.architecture.embedding_size,
        checkpoint.sha256,
        embed,
        as_published=as_published,
    )


def _litert_of(checkpoint: Path, many: bool, threads: int | None) -> Network:
    """The LiteRT file in a checkpoint folder, by the checkpoint's name."""
    network, sha256 = _litert(checkpoint / LITERT, many, threads), fingerprint(checkpoint)
    if network.about.get("checkpoint_sha256") != sha256:
        raise UsageError(
            "The LiteRT file in this checkpoint is of another network than its weights.",
            received=checkpoint / LITERT,
            advice="Take the whole folder as it was written; or remove that file, and TensorFlow runs the weights.",
        )
    return replace(network, sha256=sha256)


def _litert(path: Path, many: bool, threads: int | None) -> Network:
    from components.litert.embedder import LiteRTEmbedder

    embed: Embed
    if many:
        from components.litert.parallel import ParallelEmbedder  # and with it a pool, which few faces need not wait for

        embed = parallel = ParallelEmbedder(path, threads)
        model = parallel.one
    else:
        embed = model = LiteRTEmbedder(path, threads)
    spec = model.specification
    return Network(
        *(spec.crop, model.image_size, model.embedding_size, model.sha256, embed),
        thresholds=spec.thresholds,
        identification=spec.identification,
        about=spec.about,
    )
