"""The Open Inference Protocol (V2): faces that are cut out already, as a tensor, and their embeddings.

https://github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`, and the extension by
which tensors follow the JSON as bytes, as KServe and Triton have it: reading numbers takes longer than a small network.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from components.common.errors import MALFORMED
from components.embed.network import Network
from components.serve.problem import ProblemError
from components.verify.model import Model

# The model, for it is the only one.
NAME = "facenet"
INPUT, OUTPUT = "images", "embeddings"
EXTENSION = "binary_tensor_data"
# Of a request or an answer whose tensors follow its JSON: how many bytes that has.
JSON_LENGTH = "Inference-Header-Content-Length"
SERVER = {"name": NAME, "version": "1", "extensions": [EXTENSION]}


def metadata(network: Network) -> dict[str, Any]:
    """What the model takes and gives."""
    size = network.image_size
    return {
        "name": NAME,
        "platform": "facenet_embedder",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, size, size, 3]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, network.embedding_size]}],
    }


def infer(body: bytes, json_length: str | None, model: Model) -> tuple[bytes, bytes]:
    """Answers a request for embeddings.

    Args:
        body: of the request.
        json_length: what its header `JSON_LENGTH` says; None without one.
        model: the network.

    Returns:
        The JSON of the answer, and the bytes that follow it, if any.

    Raises:
        ProblemError: the request is not as the protocol and this model have it.
    """
    request, raw = _request(body, json_length)
    images = _images(request["inputs"], raw, model.network.image_size)
    as_bytes = _wants_bytes(request)
    embeddings = model.network.embed(images, None)
    output: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": list(embeddings.shape)}
    tail = embeddings.astype("<f4").tobytes() if as_bytes else b""
    if as_bytes:
        output["parameters"] = {"binary_data_size": len(tail)}
    else:
        output["data"] = embeddings.ravel().tolist()
    identifier = {"id": request["id"]} if "id" in request else {}
    return json.dumps({"model_name": NAME, **identifier, "outputs": [output]}).encode(), tail


def _request(body: bytes, json_length: str | None) -> tuple[dict[str, Any], bytes]:
    length = len(body)
    if json_length is not None:
        if not (json_length.isascii() and json_length.isdecimal() and len(json_length) < 16):
            raise _wrong(f"The header {JSON_LENGTH} is a number of bytes.", json_length)
        length = int(json_length)
    if length > len(body):
        raise _wrong(f"The header {JSON_LENGTH} says more than there is.", f"{length} of {len(body)} bytes")
    try:
        request = json.loads(body[:length])
    except MALFORMED as error:
        raise _wrong("The request is not JSON.", str(error)[:200]) from error
    if not isinstance(request, dict):
        raise _wrong("The request is an object with the list `inputs`.", type(request).__name__)
    if not isinstance(request.get("id", ""), str):
        raise _wrong("The request's `id` is a text.", repr(request["id"])[:200])
    for key in ("inputs", "outputs"):
        tensors = request.setdefault(key, [])
        if not isinstance(tensors, list) or not all(isinstance(each, dict) for each in tensors):
            raise _wrong(f"The request's `{key}` is a list of objects.", repr(tensors)[:200])
    return request, body[length:]


def _images(inputs: list[dict[str, Any]], raw: bytes, size: int) -> npt.NDArray[np.uint8]:
    """uint8 [n, size, size, 3], at least one."""
    if len(inputs) != 1 or inputs[0].get("name") != INPUT or inputs[0].get("datatype") != "UINT8":
        said = [(str(each.get("name"))[:50], str(each.get("datatype"))[:50]) for each in inputs[:3]]
        raise _wrong(f"The model has one input, `{INPUT}` of UINT8.", f"{len(inputs)} inputs: {said}")
    shape = inputs[0].get("shape")
    if (
        not isinstance(shape, list)
        or not all(type(axis) is int for axis in shape)
        or shape[1:] != [size, size, 3]
        or not 0 < shape[0] < 2**31
    ):
        raise _wrong(f"The shape of `{INPUT}` is [n, {size}, {size}, 3].", repr(shape)[:200])
    expected = math.prod(shape)
    length = _parameters(inputs[0]).get("binary_data_size")
    if length is not None:
        if "data" in inputs[0] or type(length) is not int or length != len(raw) or length != expected:
            received = f"binary_data_size {repr(length)[:50]}, {len(raw)} bytes after the JSON, {expected} in the shape"
            raise _wrong("A tensor of bytes follows the JSON, as many as its shape and its size say.", received)
        return np.frombuffer(raw, np.uint8).reshape(shape)
    if raw:
        raise _wrong("What follows the JSON belongs to no input.", f"{len(raw)} bytes, and no binary_data_size")
    return _numbers(inputs[0].get("data"), expected).reshape(shape)


def _numbers(data: object, expected: int) -> npt.NDArray[np.uint8]:
    """uint8 [expected], of a list of them or of lists of lists."""
    try:
        values = np.array(data)
    except MALFORMED as error:
        raise _wrong(
            "The data of a tensor is a list of numbers, or of lists of one length.", str(error)[:200]
        ) from error
    if values.dtype.kind not in "iu" or values.size != expected:
        received = f"{values.size:,} values of type {values.dtype}"
        raise _wrong(f"The data of this tensor is {expected:,} whole numbers.", received)
    if values.min() < 0 or values.max() > 255:
        raise _wrong("A value of UINT8 is from 0 to 255.", f"{values.min()} to {values.max()}")
    return values.astype(np.uint8).ravel()


def _wants_bytes(request: dict[str, Any]) -> bool:
    outputs = request["outputs"]
    if any(output.get("name") != OUTPUT for output in outputs) or len(outputs) > 1:
        raise _wrong(f"The model has one output, `{OUTPUT}`.", repr(outputs)[:200])
    wanted = _parameters(request).get("binary_data_output", False)
    for output in outputs:
        wanted = _parameters(output).get("binary_data", wanted)
    if not isinstance(wanted, bool):
        raise _wrong("Whether an output follows as bytes is true or false.", repr(wanted)[:200])
    return wanted


def _parameters(of: dict[str, Any]) -> dict[str, Any]:
    parameters = of.get("parameters", {})
    if not isinstance(parameters, dict):
        raise _wrong("The parameters are an object.", repr(parameters)[:200])
    return parameters


def _wrong(headline: str, received: str) -> ProblemError:
    return ProblemError(
        headline, received=received, advice=f"GET /v2/models/{NAME} says what the model takes and gives."
    )
