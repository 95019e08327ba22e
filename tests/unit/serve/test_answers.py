"""What is answered over HTTP is what the commands answer, also while the gallery changes."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests

from components.serve.known import Known
from components.serve.settings import Settings
from components.verify.enroll import main as enroll
from components.verify.faces import embed_photo
from components.verify.forget import main as forget
from components.verify.gallery import open_gallery
from components.verify.identify import main as identify
from components.verify.model import open_model
from components.verify.verify import main as verify
from tests.answers import problems
from tests.conftest import REPOSITORY
from tests.unit.verify.test_gallery import FOREIGN, by_hand

DEFINITIONS = json.loads((REPOSITORY / "components/verify/answers.schema.json").read_text())["$defs"]


def answered(site, command, *photos, **fields):
    status, answer = site(f"/{command}", *photos, **fields)
    assert status == 200, answer
    assert not problems(answer, DEFINITIONS[command], DEFINITIONS)
    return answer


def refused(site, path, *photos, **fields):
    status, answer = site(path, *photos, **fields)
    assert answer["error"].startswith(answer["headline"]) and answer["advice"]
    return status, answer["headline"]


def test_answers_are_those_of_the_commands(empty, model, people, capsys):
    (ada, ada_again), (grace, _), *_ = people.values()
    flags = ["-c", str(model), "--json"]
    for name, photo in (("Ada", ada), ("Grace", grace)):
        answer = answered(empty, "enroll", photo, name=name)
    assert answer["total_people"] == 2
    named = answered(empty, "identify", ada_again, b"no photo")
    identify([str(ada_again), "-g", str(empty.gallery), *flags])
    told = json.loads(capsys.readouterr().out)
    assert named["photos"][1]["reason"] == "not-an-image"
    assert named["photos"][0]["faces"] == told["photos"][0]["faces"]
    assert {key: named[key] for key in ("model", "threshold", "strangers")} == {
        key: told[key] for key in ("model", "threshold", "strangers")
    }
    pairs = answered(empty, "verify", ada, ada_again, grace)
    verify([str(photo) for photo in (ada, ada_again, grace)] + flags)
    by_hand = json.loads(capsys.readouterr().out)["pairs"]
    assert [(pair["distance"], pair["same"]) for pair in pairs["pairs"]] == [
        (pair["distance"], pair["same"]) for pair in by_hand
    ]
    assert answered(empty, "forget", name="Ada")["faces"] == 1
    assert answered(empty, "identify", ada_again)["strangers"]["people"] == 1


def test_embeddings_are_those_of_the_network(site, model, people):
    photo = min(people.values())[0]
    status, answer = site("/embed", photo)
    (seen,) = embed_photo(photo, open_model(Settings(checkpoint=model)), "all")
    (face,) = answer["photos"][0]["faces"]
    assert status == 200 and tuple(face["box"]) == seen.face.box
    np.testing.assert_array_equal(np.float32(face["embedding"]), seen.embedding)


def test_what_cannot_be_answered_is_said(empty, people):
    (ada, _), *_ = people.values()
    assert refused(empty, "/identify", ada) == (409, "There is no gallery here.")
    assert refused(empty, "/verify", ada) == (400, "This takes 2 photos or more.")
    assert refused(empty, "/verify", ada, b"") == (422, "A photo gave no face.")
    assert refused(empty, "/enroll", ada, name="unknown") == (422, "This cannot be a person's name.")
    assert refused(empty, "/enroll", b"\xff", name="Ada") == (422, "A photo gave no face.")
    assert refused(empty, "/enroll", ada) == (400, "This takes the name of a person.")
    assert refused(empty, "/forget", name="Ada") == (404, "There is no gallery here.")
    assert not empty.gallery.exists()
    answered(empty, "enroll", ada, name="Ada")
    assert refused(empty, "/enroll", ada, name="Grace")[0] == 409
    assert refused(empty, "/forget", name="Grace") == (404, "Nobody of this name is in the gallery.")
    assert refused(empty, "/forget", ada, name="Ada") == (400, "This takes no photo.")
    assert refused(empty, "/identify", ada, other="x")[0] == 400
    assert refused(empty, "/identify", *[ada] * 11) == (400, "The form cannot be read.")
    assert refused(empty, "/nowhere", ada) == (404, "There is no such address.")
    wrong = requests.post(f"{empty.address}/identify", data=b"{}", headers={"Content-Type": "text/plain"}, timeout=30)
    assert wrong.status_code == 415
    empty.gallery.write_bytes(b"no gallery, whatever the name says")
    assert refused(empty, "/identify", ada) == (409, "This file is not a gallery.")


def test_a_gallery_that_is_written_to_while_it_is_searched_stays_right(empty, people):
    (ada, _), (grace, _), *_ = people.values()
    answered(empty, "enroll", ada, name="Ada")

    def name_of(photo):
        return answered(empty, "identify", photo)["photos"][0]["faces"][0]["name"]

    def search(_):
        return name_of(ada)

    with ThreadPoolExecutor(2) as others:
        searches = others.map(search, range(4))
        for _ in range(2):
            answered(empty, "enroll", grace, name="Grace")
            assert name_of(grace) == "Grace"
            answered(empty, "forget", name="Grace")
            assert name_of(grace) != "Grace"
        assert set(searches) == {"Ada"}


@pytest.mark.parametrize("foreign", ["view", "trigger"])
def test_a_gallery_with_anything_but_its_own_tables_is_refused_and_left_as_it_is(empty, gallery, people, foreign):
    empty.gallery.write_bytes(gallery.read_bytes())
    by_hand(empty.gallery, FOREIGN[foreign])
    content = empty.gallery.read_bytes()
    (ada, _), *_ = people.values()
    damaged = (500, "This gallery is damaged.")
    assert refused(empty, "/identify", ada) == damaged
    assert refused(empty, "/enroll", ada, name="Eve") == damaged
    assert refused(empty, "/forget", name="Ada") == damaged
    assert empty.gallery.read_bytes() == content


def test_what_another_program_changes_counts_at_once(gallery, model, people):
    known = Known(Settings(gallery=gallery), opened := open_model(Settings(checkpoint=model)))
    before, _ = known.people()
    assert known.people()[0] is before
    (name, photos), status = list(people.items())[4], gallery.stat()
    assert enroll([str(photos[0]), "--name", name, "-g", str(gallery), "-c", str(model)]) == 0
    assert set(known.people()[0].names) - set(before.names) == {name}
    assert forget([name, "-g", str(gallery)]) == 0
    # As if both had happened within a tick of the file system's clock, and left a file of the size that it had.
    os.utime(gallery, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert known.people()[0].names == before.names
    with open_gallery(gallery, opened.network) as own:  # a write-ahead log, in which changes leave the file as it was
        own._connection.executescript("PRAGMA query_only = OFF; PRAGMA journal_mode = WAL;")
        for name in ("Zoe", "Zora"):
            own._connection.executescript(f"UPDATE person SET name = '{name}' WHERE id = 1")
            assert name in known.people()[0].names


def test_a_connection_on_which_no_request_comes_is_closed(site, monkeypatch):
    monkeypatch.setattr("components.serve.connection._SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert slow.recv(1) == b""
