"""What the server answers to, as an OpenAPI document (3.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components import verify
from components.embed.network import Network
from components.serve import form, open_inference

_ANSWERS = Path(verify.__file__).parent / "answers.schema.json"
_TEXT = {"type": "string"}
_JSON = "application/json"


def document(network: Network) -> dict[str, Any]:
    """The document, for a server of this network."""
    # OpenAPI 3.1 takes JSON Schema as it is; only definitions lie elsewhere.
    answers = json.loads(_ANSWERS.read_text(encoding="utf-8").replace("#/$defs/", "#/components/schemas/"))["$defs"]
    model = f"/v2/models/{open_inference.NAME}"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "facenet serve",
            "version": "1",
            "description": "Who is in photos, by a gallery of known people. Distances are 0 to 2. Nothing here tells a "
            "face from a photo of a face.",
        },
        "security": [{"token": []}, {}],
        "paths": {
            "/verify": _post("Whether the photos show one person, pair by pair.", _form(2), "verify"),
            "/identify": _post("Every face in the photos, and who it is.", _form(1), "identify"),
            "/embed": _post("The embedding of every face in the photos.", _form(1), "embed"),
            "/enroll": _post("Puts photos of one person into the gallery.", _form(1, named=True), "enroll"),
            "/forget": _post("Removes a person from the gallery.", _form(0, named=True), "forget"),
            "/metrics": {"get": _operation("Counts and times of requests.", {"text/plain": {"schema": _TEXT}})},
            "/v2": {"get": _operation("The server.", _json("server"))},
            "/v2/health/live": {"get": _operation("Whether the server answers.", _json("live"), security=[])},
            "/v2/health/ready": {"get": _operation("Whether it can answer all.", _json("ready"), security=[])},
            model: {"get": _operation("What the model takes and gives.", _json("metadata"))},
            f"{model}/ready": {"get": _operation("Whether the model can answer.", _json("model_ready"))},
            f"{model}/infer": {
                "post": {
                    **_operation("Embeddings of faces that are cut out already.", _json("inference_response")),
                    "requestBody": {"required": True, "content": _json("inference_request")},
                }
            },
        },
        "components": {
            "schemas": answers | _schemas(network),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _json(schema: str) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _operation(summary: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    responses = {
        "200": {"description": "The answer.", "content": content},
        "default": {"description": "Why there is no answer.", "content": _json("error")},
    }
    return {"summary": summary, "responses": responses, **more}


def _post(summary: str, body: dict[str, Any], answer: str) -> dict[str, Any]:
    return {"post": {**_operation(summary, _json(answer)), "requestBody": body}}


def _form(photos: int, *, named: bool = False) -> dict[str, Any]:
    """A form with at least so many photos, or with none."""
    properties: dict[str, Any] = {}
    if photos:
        file = {"type": "string", "format": "binary"}
        most = form.MOST_PHOTOS
        properties[form.PHOTO] = {"type": "array", "items": file, "minItems": photos, "maxItems": most}
    if named:
        properties[form.PERSON] = {"type": "string", "minLength": 1, "maxLength": form.LONGEST}
    schema = _object(properties)
    return {"required": True, "content": {form.MEDIA_TYPE: {"schema": schema}}}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = (), closed: bool = True) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": not closed}


def _schemas(network: Network) -> dict[str, Any]:
    """What `answers.schema.json` does not have."""
    size, length = network.image_size, network.embedding_size
    flag, ready, integer = {"type": "boolean"}, {"type": "boolean"}, {"type": "integer"}
    box = {"type": "array", "items": integer, "minItems": 4, "maxItems": 4}
    embedding = {"type": "array", "items": {"type": "number"}, "minItems": length, "maxItems": length}
    face = _object({"box": box, "embedding": embedding})
    reason = {"$ref": "#/components/schemas/reason"}
    photo = _object(
        {"photo": _TEXT, "faces": {"type": "array", "items": face}, "reason": reason, "detail": _TEXT},
        optional=("reason", "detail"),
    )
    tensor = _object({"name": _TEXT, "datatype": _TEXT, "shape": {"type": "array", "items": integer}})
    tensors = {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1}
    parameters = {"type": "object"}
    images = _object(
        {
            "name": {"const": open_inference.INPUT},
            "datatype": {"const": "UINT8"},
            "shape": {
                "type": "array",
                "prefixItems": [{"type": "integer", "minimum": 1}, {"const": size}, {"const": size}, {"const": 3}],
                "items": False,
                "minItems": 4,
            },
            "data": {"type": "array"},
            "parameters": parameters,
        },
        optional=("data", "parameters"),
        closed=False,
    )
    asked = _object(
        {"name": {"const": open_inference.OUTPUT}, "parameters": parameters}, optional=("parameters",), closed=False
    )
    embeddings = _object(
        {
            "name": {"const": open_inference.OUTPUT},
            "datatype": {"const": "FP32"},
            "shape": {"type": "array", "items": integer},
            "data": {"type": "array", "items": {"type": "number"}},
        }
    )
    return {
        "error": _object(
            {"error": _TEXT, "headline": _TEXT, "received": {"type": ["string", "null"]}, "advice": _TEXT}
        ),
        "embed": _object(
            {"model": {"$ref": "#/components/schemas/model"}, "photos": {"type": "array", "items": photo}}
        ),
        "server": _object({"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}),
        "live": _object({"live": flag}),
        "ready": _object({"ready": ready}),
        "model_ready": _object({"name": _TEXT, "ready": ready}),
        "metadata": _object({"name": _TEXT, "platform": _TEXT, "inputs": tensors, "outputs": tensors}),
        "inference_request": _object(
            {
                "id": _TEXT,
                "parameters": parameters,
                "inputs": {"type": "array", "items": images, "minItems": 1, "maxItems": 1},
                "outputs": {"type": "array", "items": asked, "maxItems": 1},
            },
            optional=("id", "parameters", "outputs"),
            closed=False,
        ),
        "inference_response": _object(
            {
                "model_name": _TEXT,
                "id": _TEXT,
                "outputs": {"type": "array", "items": embeddings, "minItems": 1, "maxItems": 1},
            },
            optional=("id",),
        ),
    }
