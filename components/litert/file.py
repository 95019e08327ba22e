"""A LiteRT file and its specification, read once: whatever happens to the files later, the network stays the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from components.common.errors import UsageError
from components.litert import metadata
from components.litert.specification import Specification, parse, path_beside

# Of the flatbuffer, in bytes 4 to 7; see https://github.com/google-ai-edge/LiteRT for its schema.
_IDENTIFIER = b"TFL3"


@dataclass(frozen=True)
class ModelFile:
    """A model as it was read.

    Args:
        path: where the model lies.
        content: its bytes.
        beside: the specification beside it, as JSON; None where there is none.
    """

    path: Path
    content: bytes
    beside: bytes | None

    @cached_property
    def record(self) -> bytes | None:
        """The specification in the file itself, as JSON, None without one; the content must have been verified."""
        return metadata.read(self.content)

    def specification(self) -> Specification:
        """What the model wants of a face, as far as it is said: in the file itself or else beside it.

        Raises:
            UsageError: nowhere, or in words that are not understood.
        """
        own, name = self.record, path_beside(self.path)
        if own is None and self.beside is None:
            raise UsageError(
                "This model does not say what it wants of a face.",
                received=f"{self.path}, without metadata of `facenet export` and without {name.name} beside it",
                advice=f"Write {name}: components/litert/README.md describes its fields.",
            )
        return parse(self.beside or b"", str(name)) if own is None else parse(own, str(self.path))

    def sha256(self, specification: Specification) -> str:
        """Names the network in manifests, reports and galleries.

        Of the file, which holds all that makes an embedding. What stands beside a file makes it another network too, as
        far as it changes embeddings.

        Args:
            specification: with everything that the record leaves to the model's input.
        """
        content = hashlib.sha256(self.content).hexdigest()
        if self.record is not None:
            return content
        fields = asdict(specification)
        del fields["thresholds"], fields["identification"], fields["about"], fields["crop"]["detector"]
        return hashlib.sha256(f"{content}\n{json.dumps(fields, sort_keys=True)}".encode()).hexdigest()


def read(path: Path) -> ModelFile:
    """Reads a model.

    Raises:
        UsageError: there is none, or a file of another kind.
    """
    if not path.is_file():
        raise UsageError("There is no LiteRT model here.", received=path, advice="A model is a file: NAME.tflite")
    with path.open("rb") as file:
        head = file.read(8)
        if head[4:] != _IDENTIFIER:
            raise UsageError(
                "This file is not a LiteRT model.",
                received=path,
                advice="Give a LiteRT file or a checkpoint folder. What other libraries wrote (.pth, .onnx, .h5) "
                "has to be converted first.",
            )
        content = head + file.read()
    beside = path_beside(path)
    return ModelFile(path, content, beside.read_bytes() if beside.is_file() else None)
