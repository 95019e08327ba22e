"""The Open Inference Protocol, as its specification has it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import requests

from components.serve.open_inference import JSON_LENGTH
from components.serve.settings import Settings
from components.verify.model import open_model

MODEL = "/v2/models/facenet"


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def request(images, **changed):
    tensor = {"name": "images", "shape": list(images.shape), "datatype": "UINT8", "data": images.tolist()}
    return {"inputs": [{key: value for key, value in {**tensor, **changed}.items() if value is not None}]}


def post(site, body, **headers):
    return requests.post(f"{site.address}{MODEL}/infer", data=body, headers=headers, timeout=30)


def test_the_server_and_the_model_describe_themselves(site):
    def told(path):
        return requests.get(f"{site.address}{path}", timeout=30).json()

    assert told("/v2/health/live") == {"live": True}
    assert told("/v2/health/ready") == {"ready": True}
    assert told(f"{MODEL}/ready") == {"name": "facenet", "ready": True}
    assert {"name", "version", "extensions"} == set(told("/v2"))
    assert told(MODEL)["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 32, 32, 3]}]
    assert told(MODEL)["outputs"] == [{"name": "embeddings", "datatype": "FP32", "shape": [-1, 48]}]


def test_embeddings_come_back_in_json_and_in_bytes(site, images, model):
    expected = open_model(Settings(checkpoint=model)).network.embed(images, None)
    nested = post(site, json.dumps({"id": "42", **request(images)})).json()
    flat = post(site, json.dumps(request(images, data=images.ravel().tolist()))).json()
    assert nested["id"] == "42" and "id" not in flat and nested["model_name"] == "facenet"
    for answer in (nested, flat):
        (output,) = answer["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("embeddings", "FP32", [3, 48])
        np.testing.assert_array_equal(np.float32(output["data"]).reshape(3, 48), expected)
    asked = request(images, data=None, parameters={"binary_data_size": images.size})
    asked["outputs"] = [{"name": "embeddings", "parameters": {"binary_data": True}}]
    text = json.dumps(asked).encode()
    answer = post(site, text + images.tobytes(), **{JSON_LENGTH: str(len(text))})
    length = int(answer.headers[JSON_LENGTH])
    (output,) = json.loads(answer.content[:length])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(answer.content) - length and "data" not in output
    np.testing.assert_array_equal(np.frombuffer(answer.content[length:], "<f4").reshape(3, 48), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pixels"},
        {"datatype": "FP32"},
        {"shape": [3, 32, 32]},
        {"shape": [0, 32, 32, 3], "data": []},
        {"shape": [2, 32, 32, 3]},
        {"shape": "3"},
        {"data": None},
        {"data": [[1], [1, 2]]},
        {"data": [256] * (3 * 32 * 32 * 3)},
        {"data": [1.5] * (3 * 32 * 32 * 3)},
        {"data": [True] * (3 * 32 * 32 * 3)},
        {"parameters": {"binary_data_size": 5}},
        {"parameters": []},
    ],
)
def test_a_tensor_that_is_not_the_model_s_is_refused(site, images, change):
    answer = post(site, json.dumps(request(images, **change)))
    assert answer.status_code == 400 and isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 100_000, '{"inputs": 3}', '{"inputs": [], "id": 3}'])
def test_what_is_no_request_is_refused(site, body):
    assert post(site, body).status_code == 400
    assert post(site, body, **{JSON_LENGTH: "9" * 12}).status_code == 400
    assert post(site, body, **{JSON_LENGTH: "-1"}).status_code == 400
