"""What a request brings stays in memory."""

from __future__ import annotations

import asyncio
from tempfile import SpooledTemporaryFile

from starlette.requests import Request

from components.serve.form import read_form


def test_no_upload_is_put_into_a_file(monkeypatch):
    monkeypatch.setattr(SpooledTemporaryFile, "rollover", lambda file: 1 / 0)
    photo = bytes(3 * 2**20)
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    parts = [head, photo[: 2**20], photo[2**20 :], b"\r\n--x--\r\n"]

    async def receive():
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"multipart/form-data; boundary=x")]}
    form = asyncio.run(read_form(Request(scope, receive), 4 * 2**20, photos=1))
    assert form.photos[0].name == "a.jpg" and form.photos[0].data == photo
