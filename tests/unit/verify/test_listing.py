"""Who is in a gallery, for people to look at, and the pictures that were kept of them."""

import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from components.common.errors import UsageError
from components.verify.database import add_index
from components.verify.enroll import PICTURE_SIDE, small_picture
from components.verify.gallery import Added, open_gallery
from components.verify.listing import ORDERS, list_people
from tests.unit.verify.rows import entries, network


def picture(shade):
    """A face as it is kept; each shade is another one."""
    crop = io.BytesIO()
    Image.effect_noise((200, 200), 40 + shade).convert("RGB").save(crop, "PNG")
    return small_picture(crop.getvalue())


def described(count=10, start=0):
    """Faces of three people; of p1 pictures are kept."""
    return [
        replace(face, quality=50.0 + number, picture=picture(number) if face.name == "p1" else None)
        for number, face in enumerate(entries(count, start))
    ]


@pytest.fixture
def faces():
    return described()


@pytest.fixture
def path(tmp_path, faces):
    with open_gallery(tmp_path / "gallery.db", network(), create=True) as gallery:
        gallery.add(faces)
    return tmp_path / "gallery.db"


def test_a_person_is_listed_with_what_was_said_when_they_were_enrolled(path, faces):
    listing = list_people(path)
    assert (listing.people, listing.faces, listing.matching, listing.embedding_size) == (3, 10, 3, 64)
    assert listing.network == "a" * 64
    ada, bea, cleo = listing.page
    theirs = [face for face in faces if face.name == "p1"]
    today = datetime.now(UTC).date().isoformat()
    assert (bea.name, bea.faces, bea.kept, bea.worst, bea.mean) == ("p1", 3, 3, 51, 54)
    assert bea.first == bea.last <= today
    assert bea.pictures == [face.picture for face in reversed(theirs)]  # the best first
    assert ada.pictures == cleo.pictures == [] and ada.kept == 0
    assert bea.detectors == ["dlib"]


def test_people_are_searched_sorted_and_paged(path):
    with open_gallery(path, network()) as gallery:
        gallery.add(
            [replace(face, name=name) for name, face in zip(("ZOE\u0308", "Zo\u00eb"), entries(2, 99), strict=True)]
        )
    assert [one.name for one in list_people(path, "zo\u00eb").page] == ["ZO\u00cb", "Zo\u00eb"]
    names = {order: [one.name for one in list_people(path, order=order).page] for order in ORDERS}
    assert names["name"] == sorted(names["name"])
    assert names["faces"][:3] == ["p0", "p1", "p2"] and names["quality"][:3] == ["p0", "p1", "p2"]
    assert [one.name for one in list_people(path, offset=3, limit=1).page] == names["name"][3:4]
    nobody = list_people(path, "%")
    assert (nobody.matching, nobody.page, nobody.people) == (0, [], 5)


def test_a_kept_picture_is_small_and_goes_with_the_person(path, faces):
    kept = [face.picture for face in faces if face.picture]
    with Image.open(io.BytesIO(kept[0])) as shown:
        assert shown.size == (PICTURE_SIDE, PICTURE_SIDE) and not shown.getexif()
    middles = [jpeg[len(jpeg) // 2 :][:40] for jpeg in kept]
    assert all(middle in path.read_bytes() for middle in middles)
    with open_gallery(path) as gallery:
        gallery.forget("p1")
    assert not any(middle in path.read_bytes() for middle in middles)
    assert [one.name for one in list_people(path).page] == ["p0", "p2"]


def test_who_agrees_later_has_a_picture_then_and_the_face_is_no_other(path, faces):
    before = path.read_bytes()
    with open_gallery(path, network()) as gallery:
        assert gallery.add(entries(10)) == Added(faces=0, known=10, total_faces=10, total_people=3)
        assert path.read_bytes() == before  # what is not said takes nothing away
        gallery.add([replace(face, picture=picture(99)) for face in faces])
    one, two, _ = list_people(path).page
    assert one.kept == 4 and one.faces == 4
    assert two.pictures == [face.picture for face in reversed(faces) if face.picture]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_gallery_is_listed_searched_and_becomes_one_of_today(tmp_path, faces, version):
    path = tmp_path / "old.db"
    with open_gallery(path, network(), create=True) as gallery:
        gallery.add(entries(10))
        people = gallery.people()
    with closing(sqlite3.connect(path)) as old, old:
        if version == 3:
            add_index(old)
        for column in ("enrolled", "quality", "picture", *["detector"] * (version == 1)):
            old.execute(f"ALTER TABLE face DROP COLUMN {column}")
        old.execute(f"PRAGMA user_version = {version}")
    first = list_people(path).page[0]
    assert (first.faces, first.worst, first.last, first.pictures, first.detectors) == (4, None, None, [], ["dlib"])
    with open_gallery(path, network()) as gallery:
        assert gallery.people().names == people.names
        gallery.add([*faces, *described(3, start=50)])
        assert len(gallery.people().embeddings) == 13
    assert [(one.faces, one.kept) for one in list_people(path).page] == [(5, 0), (4, 4), (4, 0)]
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (5 if version == 3 else 4,)


def test_a_picture_that_is_none_or_is_too_large_is_not_shown(path):
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE face SET picture = ? WHERE face_id = ?", (b"<svg onload=alert(1)>", f"{1:032x}"))
        other.execute("UPDATE face SET picture = ? WHERE face_id = ?", (b"\xff\xd8\xff" + bytes(50_000), f"{4:032x}"))
    bea = list_people(path, "p1").page[0]
    assert (bea.kept, len(bea.pictures)) == (3, 1)


def test_what_is_no_gallery_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no gallery here"):
        list_people(tmp_path / "none.db")
    (tmp_path / "other.db").write_text(json.dumps({}) * 100)
    with pytest.raises(UsageError, match="not a gallery"):
        list_people(tmp_path / "other.db")
