"""The page of a gallery."""

import base64
import re
from dataclasses import replace

import pytest

from components.common.names import plain
from components.verify.gallery import open_gallery
from pipelines.ui.__main__ import main
from tests.ui.records import HOSTILE
from tests.unit.verify.rows import entries, network
from tests.unit.verify.test_listing import picture


@pytest.fixture
def gallery(tmp_path):
    kept = picture(7)
    faces = [replace(face, quality=70.4, picture=kept if face.name == "p1" else None) for face in entries(6)]
    names = [replace(face, name=name) for name, face in zip(HOSTILE, entries(len(HOSTILE), 50), strict=True)]
    with open_gallery(tmp_path / "gallery.db", network(), create=True) as gallery:
        gallery.add([*faces, *names])
    return tmp_path / "gallery.db", kept


def test_people_are_shown_and_pictures_where_they_were_kept(server, site, gallery):
    file, kept = gallery
    shown = server.show(site.runs, gallery=file)
    page = shown.get("/gallery")
    assert page.status == 200 and page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="A face of ([^"]+)"', page.text)
    assert pictures == [(base64.b64encode(kept).decode(), "p1")] * 2
    assert "1 to 9 of 9 people" in page.text and '<a class="elsewhere" href="/gallery">' in shown.get("/").text
    assert page.text.count("<script") == 1 and "<img src=x" not in page.text
    assert page.text == plain(page.text, keep="\n\t")
    found = shown.get("/gallery?q=P1&sort=nonsense&offset=nonsense").text
    assert "1 to 1 of 1 people" in found and ">70<" in found.replace(">70,", ">70<")
    assert "Nobody is like that." in shown.get("/gallery?q=nobody").text
    assert shown.get("/gallery", "POST").status == 405


def test_a_gallery_that_is_gone_or_damaged_is_said(server, site, gallery, capsys):
    file, _ = gallery
    shown = server.show(site.runs, gallery=file)
    file.write_bytes(file.read_bytes()[:5000])
    page = shown.get("/gallery")
    assert page.status == 500 and "This gallery is damaged." in page.text
    file.unlink()
    page = shown.get("/gallery")
    assert page.status == 404 and "There is no gallery here." in page.text
    assert shown.get("/").status == 200
    assert main(["--runs", str(site.runs), "-g", str(file), "--port", "0"]) == 2
    assert "There is no gallery here." in capsys.readouterr().err


def test_without_a_gallery_there_is_no_such_page(site):
    assert site.get("/gallery").status == 404
    assert "/gallery" not in site.get("/").text
