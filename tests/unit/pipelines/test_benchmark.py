"""`facenet score` on the field's benchmark sets, made up of drawn photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.common.errors import UsageError
from components.common.manifest import FACES, about, read
from components.evaluate.pairs_file import read_pairs_file
from components.evaluate.templates import read_templates
from pipelines.benchmark import laid_out, list_in
from pipelines.cli import main
from tests.answers import checked_metrics
from tests.unit.evaluate import published_sets as sets
from tests.unit.litert.published import SPECIFICATION, pair_model


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A function of the alignment: a network that asks for it, without a margin."""
    folder = tmp_path_factory.mktemp("networks")
    model = pair_model()

    def write(alignment):
        path = folder / f"{alignment}.tflite"
        path.write_bytes(model)
        crop = {"margin": 0.0, "alignment": alignment}
        preprocessing = {"crop": crop, "scaling": "[-1, 1]"}
        path.with_suffix(".json").write_text(json.dumps({**SPECIFICATION, "preprocessing": preprocessing}))
        return path

    return write


def score(network, given, folder, *more):
    return main(["score", "-c", str(network), "-i", str(given), "-o", str(folder), *map(str, more)])


def record(folder):
    return checked_metrics(folder / "report")


def test_the_list_of_a_set_is_found_and_its_photos_are_laid_out_by_person(sample_photos, tmp_path):
    cfp, cplfw = sets.draw_cfp(tmp_path / "cfp", sample_photos), tmp_path / "cplfw"
    sets.draw_flagged(cplfw, sample_photos, folds=False)
    agedb = sets.draw_labelled(tmp_path / "agedb", sample_photos)
    ijbc = sets.draw_templates(tmp_path / "ijbc", sample_photos)
    with pytest.raises(UsageError, match=r"several lists(?s:.)*Split/FF, Protocol/Split/FP"):
        list_in(cfp)
    assert list_in(sample_photos) is None
    fp = cfp / "Protocol" / "Split" / "FP"
    for folder, files, example in (
        (cfp, read_pairs_file(fp).files, "001/frontal/01.jpg"),
        (cfp / "Data" / "Images", read_pairs_file(fp).files, "001/frontal/01.jpg"),
        (cplfw, read_pairs_file(list_in(cplfw)).files, "Per_Son0/Per_Son0_0001.jpg"),
        (agedb, read_pairs_file(list_in(agedb)).files, "person-00000/0.jpg"),
        (ijbc, read_templates(list_in(ijbc)).files, "person-00000/1.jpg"),
    ):
        with laid_out(files, folder) as people:
            assert {path.relative_to(people).as_posix() for path in people.rglob("*.jpg")} == {
                "/".join(photo) for photo in files
            }
            shown = (people / example).resolve()
            assert shown.is_relative_to(folder)
            assert "aligned images" not in shown.parts
        assert not people.exists()


def test_photos_that_may_be_any_of_several_or_are_not_there_are_refused(sample_photos, tmp_path):
    agedb = sets.draw_labelled(tmp_path / "agedb", sample_photos)
    files = read_pairs_file(list_in(agedb)).files
    shutil.copytree(agedb / "imgs", agedb / "again")
    with pytest.raises(UsageError, match="may be any of several"), laid_out(files, agedb):
        pass
    with pytest.raises(UsageError, match="None of the photos"), laid_out(files, sample_photos):
        pass


def test_crops_of_a_bin_set_are_taken_as_they_are(sample_photos, network, tmp_path, capsys):
    path = sets.draw_bin(tmp_path / "lfw.bin", sample_photos)
    assert score(network("arcface"), path, tmp_path / "score") == 0
    said = capsys.readouterr().out
    assert "not made for" not in said
    faces = read([tmp_path / "score" / "faces"], FACES)
    first = sets.crop(sets.people(sample_photos, 1, 1)[0][0])
    assert first in faces["image"].to_pylist()
    assert about([tmp_path / "score" / "faces"], FACES)["alignment"] == "arcface"
    measured = record(tmp_path / "score")
    assert measured["protocol"]["pairs_file"] == "lfw.bin"
    assert (measured["protocol"]["folds"], measured["missing"]["pairs"]) == (10, 0)
    assert score(network("dlib"), path, tmp_path / "other") == 0
    assert "--margin 0.0 --alignment dlib: it is measured on crops that it was not made for" in capsys.readouterr().out


def test_wrong_use_and_damaged_images_are_refused(sample_photos, network, tmp_path, capsys):
    path = sets.draw_bin(tmp_path / "lfw.bin", sample_photos)
    broken = path.read_bytes().replace(b"\xff\xd8\xff\xe0", b"\xff\xd8\x00\x00")
    (tmp_path / "broken.bin").write_bytes(broken)
    for given, more, message in (
        (path, ("--pairs", path), "holds its own pairs"),
        (tmp_path / "broken.bin", (), "An image of the set cannot be used"),
        (sets.draw_cfp(tmp_path / "cfp", sample_photos), (), "several lists of pairs"),
    ):
        assert score(network("arcface"), given, tmp_path / "score", *more) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "score" / "faces").exists()


@pytest.mark.long
@pytest.mark.parametrize("name", ["cfp", "calfw", "agedb", "ijbc"])
def test_any_network_is_scored_on_a_set_as_it_is_published(name, sample_photos, network, tmp_path, capsys):
    folder: Path = tmp_path / name
    draw = {"cfp": sets.draw_cfp, "agedb": sets.draw_labelled, "ijbc": sets.draw_templates}
    more = ()
    if name == "calfw":
        sets.draw_flagged(folder, sample_photos, folds=True)
    else:
        draw[name](folder, sample_photos)
    if name == "cfp":
        more = ("--pairs", folder / "Protocol" / "Split" / "FF")
    assert score(network("dlib"), folder, tmp_path / "score", *more) == 0
    measured = record(tmp_path / "score")
    assert measured["protocol"]["identities"] == 4
    assert measured["protocol"]["kind"] == ("templates" if name == "ijbc" else "pairs-file")
    assert ("'aligned images'" in capsys.readouterr().out) == (name == "calfw")
