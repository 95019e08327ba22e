"""A LiteRT file as a function from faces to embeddings."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from components.common.batches import embed_batches
from components.common.cores import cores
from components.common.errors import UsageError
from components.litert.file import ModelFile, read
from components.litert.specification import RANGES, Specification
from components.litert.tensors import Floats, dequantise, error_in_greys, quantise, scale_pixels

# Levels of grey, on average. Under the right scaling half a level is lost by rounding, and some at the ends where the
# input was calibrated on dull pictures; under another one 32 and more.
_LARGEST_ERROR = 16.0


class LiteRTEmbedder:
    """Embeds images with any LiteRT model that has one image input and one embedding as its output.

    Args:
        model: its path, or what `file.read` returned, to open the same bytes several times. A file of `facenet export`
            says itself what it wants of a face; for any other, a JSON file of the same name beside it does.
        threads: processors to use; all that this process may use when None.
        at_a_time: the batch where the model leaves it open, or fixes one image and was exported here: those networks
            look at each image alone.

    Attributes:
        specification: see `Specification`; with the size and the scaling, also where the record leaves them to the
            model's input.
        image_size: side of the input in pixels.
        batch: images that the model takes at a time.
        embedding_size: length of the output.

    Raises:
        UsageError: no model, a damaged one, one that LiteRT cannot run, one without a specification, one whose input
            and output are not an image and an embedding, or one whose input has no room for what the scaling makes of
            pixels.

    Example:
        >>> embed = LiteRTEmbedder(Path("facenet.tflite"))
        >>> embed(np.zeros((5, 160, 160, 3), np.uint8)).shape
        (5, 128)
    """

    def __init__(self, model: Path | ModelFile, threads: int | None = None, at_a_time: int = 1) -> None:
        file = read(model) if isinstance(model, Path) else model
        self._file, path = file, file.path
        self._interpreter = _open_interpreter(file, threads or cores())
        self.specification = file.specification()
        self._input, self._output = self._ends()
        shape = self._input["shape_signature"].tolist()
        self.image_size = _image_size_of(path, shape, self.specification)
        # A batch that the model leaves open is -1 in its shape.
        self.batch = at_a_time if shape[0] < 1 or (shape[0] == 1 and file.record is not None) else shape[0]
        self._allocate()
        fitting = _with_fitting_scaling(path, self.specification, self._input)
        self.specification = replace(fitting, image_size=self.image_size)
        self.embedding_size = int(np.prod(self._output["shape"][1:]))

    @functools.cached_property
    def sha256(self) -> str:
        """Names the model in manifests, reports and galleries; see `ModelFile.sha256`."""
        return self._file.sha256(self.specification)

    def __call__(self, images: npt.NDArray[np.uint8], progress: Any = None) -> Floats:
        """Embeds images.

        Args:
            images: uint8 [n, image_size, image_size, 3], RGB.
            progress: a bar to move by the number of images done.

        Returns:
            float32 [n, embedding_size], each row of length 1.
        """
        return embed_batches(self._embed, images, self.batch, self.embedding_size, progress)

    def _embed(self, images: npt.NDArray[np.uint8]) -> Floats:
        count = len(images)
        # The model fixes its batch: the last one is filled up with an image that is there already.
        full = np.concatenate([images, np.repeat(images[:1], self.batch - count, axis=0)])
        embeddings = self._run(full)
        if self.specification.flip_averaging:
            embeddings = _unit(embeddings + self._run(full[:, :, ::-1]))
        return embeddings[:count]

    def _run(self, images: npt.NDArray[np.uint8]) -> Floats:
        values = quantise(scale_pixels(images, self.specification), self._input)
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(values))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise _cannot_run_error(self._file.path, error) from error
        output = dequantise(self._interpreter.get_tensor(self._output["index"]), self._output)
        return _unit(output.reshape(self.batch, -1))

    def _ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(outputs) > 1:  # some also return the length, a measure of the quality
            outputs = [output for output in outputs if np.prod(output["shape"][1:]) > 1] or outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise UsageError(
                "A face embedder has one image as its input and one embedding as its output.",
                received=f"{self._file.path}, with inputs {_shapes(inputs)} and outputs {_shapes(outputs)}",
                advice="Export the network from its image to its embedding, and nothing else.",
            )
        return inputs[0], outputs[0]

    def _allocate(self) -> None:
        size = self.image_size
        three = (size, size, 3) if self.specification.layout == "NHWC" else (3, size, size)
        try:
            self._interpreter.resize_tensor_input(self._input["index"], (self.batch, *three))
            with silent_stderr():
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise _cannot_run_error(self._file.path, error) from error
        self._input, self._output = self._ends()
        if len(self._output["shape"]) < 2 or self._output["shape"][0] != self.batch:
            raise UsageError(
                "The output of this model is not one embedding for each image.",
                received=f"{self._file.path}, output {self._output['shape'].tolist()} for {self.batch} images",
                advice="Export the network up to its embedding, with an axis for the images before it.",
            )


def _open_interpreter(file: ModelFile, threads: int) -> Interpreter:
    try:
        # Not by its path: LiteRT would map the file, and another one copied over it would change the network.
        return Interpreter(model_content=file.content, num_threads=threads)
    except ValueError as error:
        raise UsageError(
            "This file is not a LiteRT model, or it is damaged.",
            received=f"{file.path} ({str(error).strip().splitlines()[0][:200]})",
            advice="Copy it again, whole, from where it was exported.",
        ) from error
    except RuntimeError as error:
        raise _cannot_run_error(file.path, error) from error


def _shapes(tensors: list[dict[str, Any]]) -> str:
    return ", ".join(f"{tensor['name']} {tensor['shape'].tolist()}" for tensor in tensors)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keeps LiteRT from writing to standard error that it uses XNNPACK, past Python and with no switch for it."""
    former = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(former, 2)
        os.close(former)


def _cannot_run_error(path: Path, error: Exception) -> UsageError:
    return UsageError(
        "LiteRT cannot run this model.",
        received=f"{path} ({str(error).strip().splitlines()[0][:200]})",
        advice="Only operations that LiteRT has built in are run.",
    )


def _image_size_of(path: Path, shape: list[int], specification: Specification) -> int:
    """The image size of a model, checked; an axis that it leaves open is -1 in its shape."""
    channels_first = specification.layout == "NCHW"
    if len(shape) != 4:
        raise UsageError(
            "The input of this model is not a batch of images.",
            received=f"{path}, input {shape}",
            advice="Export it with four axes: [1, height, width, 3], or [1, 3, height, width].",
        )
    channels, height, width = shape[1:] if channels_first else (shape[3], *shape[1:3])
    if channels == 3 and min(height, width) > 0 and height != width:
        raise UsageError(
            "The pictures of this model are not square, and faces here are.",
            received=f"{path}, input {shape}",
            advice="Take a model for square pictures: no setting changes that.",
        )
    size = specification.image_size
    if size is None and shape[2] > 0:
        size = shape[2]
    expected = [3, size, size] if channels_first else [size, size, 3]
    fits = size and all(axis in (-1, wanted) for axis, wanted in zip(shape[1:], expected, strict=True))
    if not fits or size is None:
        raise UsageError(
            "The input of this model is not the image that its specification describes.",
            received=f"{path}, input {shape}; layout {specification.layout}, image_size {specification.image_size}",
            advice="Correct the layout, or give the image_size that the model was made for.",
        )
    return size


def _with_fitting_scaling(path: Path, specification: Specification, tensor: dict[str, Any]) -> Specification:
    """A specification with a scaling that fits the model's input.

    An input of whole numbers has a range: of one for 0 to 255, a scaling to [-1, 1] leaves black pictures, and any two
    people look the same.
    """
    given = specification.scaling
    for scaling in RANGES.values() if given is None else (given,):
        candidate = replace(specification, scaling=scaling)
        if error_in_greys(candidate, tensor) <= _LARGEST_ERROR:
            return candidate
    raise UsageError(
        "The input of this model has no room for pictures in this scaling.",
        received=f"{path}, input {np.dtype(tensor['dtype'])} with scale and zero point {tensor['quantization']}; "
        f"scaling {given or 'not given'}",
        advice="Give the scaling that the model was made for: components/litert/README.md describes the field.",
    )


def _unit(embeddings: Floats) -> Floats:
    # Whoever uses the embedding refuses infinity and NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)
