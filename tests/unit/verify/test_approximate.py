from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import unicodedata
from contextlib import closing

import numpy as np
import pytest

from components.common.errors import FacenetError, UsageError
from components.verify import approximate, lists
from components.verify.__main__ import main
from components.verify.approximate import Approximate
from components.verify.gallery import Enrollment, open_gallery
from components.verify.model import open_model
from components.verify.settings import ModelSettings
from tests.unit.verify.rows import SIZE, network, unit

PEOPLE = 3100


def drawn(people, seed, faces=1):
    """Faces of people, as embeddings lie: near a part of their space, those of a person near each other."""
    rng = np.random.default_rng(seed)
    spread = 0.9 ** np.arange(SIZE)
    directions = spread * np.random.default_rng(people).normal(size=(people, SIZE))
    return [unit(directions + 0.4 * spread * rng.normal(size=directions.shape)) for _ in range(faces)]


def entries():
    """One face of everybody, a second one of every other; two people with the same one."""
    first, second = drawn(PEOPLE, 0, 2)
    first[11] = first[10]
    faces = [(who, face) for who, face in enumerate(first)] + [(who, second[who]) for who in range(20, PEOPLE, 2)]
    return [Enrollment(f"p{who:04}", f"{i:032x}", f"{i}.jpg", face) for i, (who, face) in enumerate(faces)]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "FEWEST", 3000)
        path = tmp_path_factory.mktemp("indexed") / "gallery.db"
        with open_gallery(path, network(), create=True) as gallery:
            gallery.add(entries())
        assert main(["index", "-g", str(path)]) == 0
    return path


@pytest.fixture
def path(indexed, tmp_path):
    """A copy of it to write to, with its index."""
    shutil.copytree(indexed.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "gallery.db"


def found(path, faces, top=3):
    with open_gallery(path, network()) as gallery:
        people = Approximate(gallery)
        return [people.nearest(face, top) for face in faces]


def test_it_finds_whom_comparing_with_everybody_finds_at_the_same_distance_bit_by_bit(indexed):
    (probes,) = drawn(PEOPLE, 5)
    strangers = drawn(300, 6)[0]
    with open_gallery(indexed, network()) as gallery:
        everybody, some = gallery.people(), Approximate(gallery)
        assert (some.total_people, some.total_faces) == (everybody.total_people, everybody.total_faces)
        for faces in (probes[:300], strangers):
            wanted = [everybody.nearest(face, 3) for face in faces]
            given = [some.nearest(face, 3) for face in faces]
            # None of 3,000 others was missed; of 300, two would be one in a hundred thousand at a rate of 1 in 1,000.
            assert sum(one[0] == other[0] for one, other in zip(given, wanted, strict=True)) >= 298
            assert all(one[0].distance >= other[0].distance for one, other in zip(given, wanted, strict=True))
        alike = some.nearest(entries()[10].embedding, 2)
        assert [each.name for each in alike] == ["p0010", "p0011"]


def test_whoever_is_forgotten_leaves_the_index_and_the_others_are_found_as_before(path):
    face = entries()[200]
    with open_gallery(path, network()) as gallery:
        key = int(gallery._keys(face.name)[0][0])
        before = gallery.index
    theirs = [(begin, listed(before, begin, size)) for begin, size in before.places()]
    begin, at = next((begin, np.flatnonzero(of == key)) for begin, of in theirs if key in of)
    code_at = begin + int(at[0]) * before.centres.shape[1]
    file = before.folder / lists.LISTS
    code = file.read_bytes()[code_at : code_at + before.centres.shape[1]]
    assert any(code) and file.read_bytes().count(code) == 1
    asked = [face.embedding, *(other.embedding for other in entries()[100:120])]
    former = found(path, asked)
    assert main(["forget", face.name, "-g", str(path)]) == 0
    assert code not in file.read_bytes()
    after = found(path, asked)
    assert face.name not in {one.name for each in after for one in each}
    assert [each[0] for each in after[1:]] == [each[0] for each in former[1:]]
    assert all(key not in listed(before, begin, size) for begin, size in before.places())


def listed(index, begin, size):
    at = begin + size * index.centres.shape[1]
    return np.frombuffer((index.folder / lists.LISTS).read_bytes()[at : at + 8 * size], "<i8")


def test_nobody_who_is_gone_is_found_even_where_the_index_still_leads_to_them(path):
    with open_gallery(path, network()) as gallery:
        people = Approximate(gallery)
        with open_gallery(path) as other:
            other.forget("p0200")
        assert people.nearest(entries()[200].embedding, 1)[0].name != "p0200"


def test_an_index_of_another_state_is_refused_and_forgetting_removes_it(path, capsys):
    with open_gallery(path, network()) as gallery:
        gallery.add(entries())  # everybody is there already, so nothing has changed
        Approximate(gallery)
        gallery.add([Enrollment("new", "f" * 32, "new.jpg", entries()[5].embedding)])
        with pytest.raises(UsageError, match="changed since its index"):
            Approximate(gallery)
        assert gallery.people().total_people == PEOPLE + 1
        gallery.forget("p0000")
        assert "no use any more" in capsys.readouterr().err
        assert not any((lists.place(path) / name).exists() for name in lists.FILES)


def test_a_forgetting_that_is_cut_off_leaves_an_index_that_is_refused(path, monkeypatch):
    class Cut(Exception):
        pass

    def cut(*given):
        erase(*given)
        raise Cut

    erase = lists.erase
    monkeypatch.setattr(lists, "erase", cut)
    with pytest.raises(Cut), open_gallery(path) as gallery:
        gallery.forget("p0200")
    with open_gallery(path, network()) as gallery:
        assert gallery.faces_of("p0200") == 2
        with pytest.raises(UsageError, match="changed since its index"):
            Approximate(gallery)


def moved(file, people):
    """People counted to the second list in place of the first: together they are as many."""
    sizes = np.fromfile(file, np.int64)
    sizes[:2] += -people, people
    sizes.tofile(file)


DAMAGE = {
    "cut off": lambda folder: (folder / lists.LISTS).write_bytes(b"\0" * 100),
    "no list": lambda folder: (folder / "sizes.bin").write_bytes(b""),
    "fewer than nobody": lambda folder: moved(folder / "sizes.bin", 1000),
    "no number": lambda folder: np.full(SIZE * 16, np.nan, np.float32).tofile(folder / "axes.bin"),
    "no whole row": lambda folder: (folder / "centres.bin").write_bytes(b"\0" * 12),
    "no axis": lambda folder: (folder / "axes.bin").write_bytes(b""),
    "more than all lists": lambda folder: (folder / lists.ABOUT).write_text(
        json.dumps({**json.loads((folder / lists.ABOUT).read_text()), "probed": 10**6})
    ),
    "another version": lambda folder: (folder / lists.ABOUT).write_text('{"version": 2}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_index_is_refused(path, damage):
    damage(lists.place(path))
    with pytest.raises(FacenetError, match="index of the gallery is damaged"):
        found(path, drawn(1, 0)[0])


def test_identify_says_the_same_with_an_index(gallery, model, people, capsys, monkeypatch):
    monkeypatch.setattr(approximate, "FEWEST", 3000)
    network = open_model(ModelSettings(model)).network
    crowd = unit(np.random.default_rng(0).normal(size=(PEOPLE, network.embedding_size)))
    with open_gallery(gallery, network) as opened:
        opened.add(Enrollment(f"p{i}", f"{i:032x}", f"{i}.jpg", face) for i, face in enumerate(crowd))
    assert main(["index", "-g", str(gallery)]) == 0
    asked = ["identify", *(str(each[1]) for each in people.values()), "-g", str(gallery), "-c", str(model), "--json"]
    capsys.readouterr()
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert main([*asked, "--approximate"]) == 0
    assert capsys.readouterr().out == said and len(json.loads(said)["photos"]) == 8


def test_without_faiss_it_is_said_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UsageError, match="needs faiss"):
        found(path, [])


def test_two_forms_of_a_name_become_one_person(path):
    nfc, nfd = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    (faces,) = drawn(2, 7)
    with open_gallery(path.with_name("old.db"), network(), create=True) as gallery:
        gallery.add([Enrollment(nfc, "a" * 32, "1.jpg", faces[0]), Enrollment("old", "b" * 32, "2.jpg", faces[1])])
    with closing(sqlite3.connect(path.with_name("old.db"))) as connection, connection:
        connection.execute("UPDATE person SET name = ? WHERE name = 'old'", (nfd,))
    with open_gallery(path.with_name("old.db"), network()) as gallery:
        whole = gallery.people().references
        with gallery.indexing():
            pass
        there, people = gallery.some(gallery.keys())
        assert people.names == [nfc] and np.array_equal(people.references, whole) and len(there) == 1


def test_a_gallery_without_an_index_and_one_too_small_for_it_are_said(tmp_path, capsys):
    path = tmp_path / "gallery.db"
    with open_gallery(path, network(), create=True) as gallery:
        gallery.add(entries()[:5])
        with pytest.raises(UsageError, match="has no index"):
            Approximate(gallery)
    content = path.read_bytes()
    assert main(["index", "-g", str(path)]) == 2
    assert "too small for an index" in capsys.readouterr().err
    assert path.read_bytes() == content
