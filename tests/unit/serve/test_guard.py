"""What a request must keep to before anything is read of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from components.serve.guard import Guard, Limits
from components.serve.metrics import Metrics
from components.serve.problem import ProblemError, answer
from components.serve.rate import Rate

TOKEN = "t" * 16


class Gate:
    """A guard before an application that reads the body, and is only done with it when `release` is set."""

    def __init__(self, **limits: Any) -> None:
        usual = {"token": None, "rate": Rate(0), "max_bytes": 100, "seconds": 10, "at_once": 4}
        self.metrics, self.read, self.release = Metrics(), 0, asyncio.Event()
        self.release.set()
        self._guard = Guard(self._app, Limits(**usual | limits), self.metrics, {"/identify"})

    async def _app(self, scope, receive, send):
        try:
            more = True
            while more:
                message = await receive()
                self.read += len(message["body"])
                more = message["more_body"]
            await self.release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
        except ProblemError as error:  # as Starlette does
            await answer(error)(scope, receive, send)

    async def ask(self, path="/identify", *, host="localhost:80", body=(b"",), length=None, method="POST", **headers):
        """The status, the headers, and what the JSON says."""
        raw = {"host": host, **headers} | ({} if length is None else {"content-length": length})
        pairs = [(name.encode(), value.encode()) for name, value in raw.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": ("::1", 1)}
        parts, sent = list(body), []

        async def receive():
            part = parts.pop(0)
            if part is None:
                await asyncio.sleep(3600)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        await self._guard(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, json.loads(sent[1]["body"])


def status(gate, *args, **kwargs):
    return asyncio.run(gate.ask(*args, **kwargs))[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"host": "127.0.0.1"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://localhost:80"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:81"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_without_a_token_only_this_machine_and_its_own_page_may_ask(given, expected):
    gate = Gate()
    code, headers, body = asyncio.run(gate.ask(**given))
    assert code == expected
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert code == 200 or (body["headline"] and body["advice"] and headers["connection"] == "close")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"authorization": f"Bearer {TOKEN}", "host": "facenet.example"}, 200),
        ({"authorization": f"bearer {TOKEN}"}, 200),
        ({}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": f"Bearer {TOKEN}t"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": TOKEN}, 401),
        ({"authorization": "Bearer ÿ"}, 401),
        ({"path": "/metrics", "method": "GET"}, 401),
        ({"path": "/v2/health/ready", "method": "GET"}, 200),
        ({"path": "/", "method": "GET"}, 200),
    ],
)
def test_a_token_is_asked_for(given, expected):
    assert status(Gate(token=TOKEN), **given) == expected


def test_a_large_body_is_refused_before_it_is_read_or_where_it_becomes_too_large():
    for length in ("101", "9" * 30):
        gate = Gate()
        assert (status(gate, length=length), gate.read) == (413, 0)
    gate = Gate()
    assert (status(gate, body=(b"x" * 60,) * 2), gate.read) == (413, 60)
    assert status(Gate(), body=(b"x" * 60, b"x" * 40), length="100") == 200


def test_a_body_that_does_not_come_is_not_waited_for():
    assert status(Gate(seconds=0.05), body=(b"x", None)) == 408


def test_too_many_requests_are_told_when_to_come_back():
    gate = Gate(rate=Rate(0.001), token=TOKEN)
    codes = [asyncio.run(gate.ask()) for _ in range(2)]
    assert [code for code, _, _ in codes] == [401, 429]  # guesses count, too
    assert 0 < int(codes[1][1]["retry-after"]) <= 1000
    assert status(gate, "/v2/health/live", method="GET") == 200


def test_more_at_once_than_is_taken_on_is_refused_at_once():
    async def scenario():
        gate = Gate(at_once=2)
        gate.release.clear()
        held = [asyncio.create_task(gate.ask()) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await gate.ask()
        gate.release.set()
        return refused, [code for code, _, _ in await asyncio.gather(*held)], (await gate.ask())[0]

    (code, headers, _), held, after = asyncio.run(scenario())
    assert (code, headers["retry-after"], held, after) == (503, "1", [200, 200], 200)


def test_a_request_that_the_end_of_the_server_cuts_off_is_answered():
    async def scenario():
        gate = Gate()
        gate.release.clear()
        held = asyncio.create_task(gate.ask())
        await asyncio.sleep(0)
        held.cancel()
        return (await held)[0], gate.metrics.in_flight

    assert asyncio.run(scenario()) == (503, 0)


def test_answers_are_counted_as_prometheus_reads_them():
    gate = Gate()
    for path in ("/identify", "/identify", "/made/up"):
        status(gate, path)
    status(gate, length="101")
    lines = gate.metrics.text().splitlines()
    assert 'facenet_requests_total{path="/identify",status="200"} 2' in lines
    assert 'facenet_requests_total{path="/identify",status="413"} 1' in lines
    assert 'facenet_requests_total{path="other",status="200"} 1' in lines
    assert 'facenet_request_seconds_bucket{path="/identify",le="+Inf"} 3' in lines
    assert 'facenet_request_seconds_count{path="/identify"} 3' in lines
    assert "facenet_requests_in_flight 0" in lines
