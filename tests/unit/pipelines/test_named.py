"""Which files a task reads by name."""

from pathlib import Path

import pytest

from components.litert.specification import path_beside
from components.model.checkpoint import DESCRIPTION, WEIGHTS
from components.model.starts import find_start
from pipelines.cache.named import files_at, files_named

PARTS = ("x.ckpt-275.data-00000-of-00002", "x.ckpt-275.data-00001-of-00002", "x.ckpt-275.index", "x.ckpt-275.meta")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (*PARTS, "x.ckpt-2750.index", "x.ckpt-300.data-00000-of-00001", "net.tflite", "net.json", "alone.h5"):
        Path(name).write_text(name)
    for folder in ("weights", "test"):
        Path(folder).mkdir()
    return tmp_path


def names(path):
    return [one.name for one in files_at(Path(path))]


@pytest.mark.parametrize("given", ["x.ckpt-275", *PARTS])
def test_the_files_of_a_tensorflow_checkpoint_belong_together(folder, given):
    assert names(given) == list(PARTS)
    assert names(folder / given) == list(PARTS)


@pytest.mark.parametrize("given", ["x.ckpt-275", *PARTS[:-1]])
def test_what_a_stage_takes_for_a_checkpoint_is_opened_whole(folder, given):
    start = find_start(folder / given)
    before = start.sha256()
    for file in PARTS[:-1]:
        Path(file).write_text("other")
        assert start.sha256() != before
        assert file in names(given)
        Path(file).write_text(file)


def test_what_belongs_to_a_file_is_what_the_components_open(folder):
    assert names("net.tflite") == [path_beside(Path("net.tflite")).name, "net.tflite"]
    for name in (WEIGHTS, DESCRIPTION):
        Path("weights", name).write_text(name)
    assert names(f"weights/{WEIGHTS}") == sorted([WEIGHTS, DESCRIPTION])
    assert names("weights") == ["weights"]
    assert names("alone.h5") == ["alone.h5"]


@pytest.mark.parametrize("given", ["nothing", "no/such/place", "x" * 300, "a\0b", "x.ckpt-1.index"])
def test_where_nothing_is_nothing_is_opened(folder, given):
    assert names(given) == []
    assert files_named({"pretrained": given}) == {}


def test_a_parameter_that_is_a_place_names_it_however_it_is_written(folder):
    for given in ("weights", "./weights", str(folder / "weights"), "x.ckpt-275", "net.tflite", "."):
        assert files_named({"pretrained": given}) == {"pretrained": Path(given)}


def test_a_word_is_no_folder_of_that_name_but_what_is_written_as_a_path_is_one(folder):
    assert files_named({"split": "test", "shard": "1/1", "rounds": 3, "pictures": True, "x": ""}) == {}
    assert files_named({"split": "./test", "config": "net.json"}) == {"split": Path("test"), "config": Path("net.json")}
