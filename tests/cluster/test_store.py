"""What lies in a store comes to a task, and what a task leaves comes into a store, as Kubeflow does it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.store import Bucket, downloads, local_path, opened, pipeline_root, uploads
from tests.cluster.versions import SUPPORTED, VERSIONS, RefusedError

ROOT = pipeline_root("minio://mlpipeline/v2/artifacts/facenet/run")
LOCAL = Path("/s3/ours/people")


def placed(keys: list[str], wanted: str, version: str) -> dict[str, str]:
    """Where each object comes to lie."""
    return {key: str(path) for key, path in downloads(keys, wanted, LOCAL, VERSIONS[version]).items()}


@pytest.fixture(params=SUPPORTED)
def version(request) -> str:
    """A release."""
    return request.param


def test_a_single_object_is_a_file(version):
    assert placed(["people"], "people", version) == {"people": "/s3/ours/people"}


def test_a_prefix_is_a_folder(version):
    keys = ["people/Ada/1.jpg", "people/Grace/2.jpg", "other/3.jpg"]
    wanted = {"people/Ada/1.jpg": "/s3/ours/people/Ada/1.jpg", "people/Grace/2.jpg": "/s3/ours/people/Grace/2.jpg"}
    assert placed(keys, "people", version) == wanted
    assert placed(keys, "people/", version) == wanted


def test_nothing_there_is_no_error(version):
    assert placed(["other/3.jpg"], "people", version) == {}


@pytest.mark.parametrize("wanted", ["people", "people/"])
@pytest.mark.parametrize("folder", ["people/", "people/Ada/"])
def test_the_object_that_a_web_console_makes_for_a_folder_is_in_the_way_of_what_is_in_it(version, folder, wanted):
    with pytest.raises(RefusedError, match="not a directory"):
        placed([folder, "people/Ada/1.jpg"], wanted, version)


def test_a_folders_object_alone_is_an_empty_file(version):
    assert placed(["people/"], "people", version) == {"people/": "/s3/ours/people"}


def test_a_neighbour_whose_name_begins_alike_comes_too_before_2_17(version):
    found = placed(["people/1.jpg", "people-old/2.jpg"], "people", version)
    others = {} if version >= "2.17" else {"people-old/2.jpg": "/s3/ours/people-old/2.jpg"}
    assert found == {"people/1.jpg": "/s3/ours/people/1.jpg"} | others


def test_a_key_that_leads_out_is_not_fetched(version):
    with pytest.raises(RefusedError, match="NoSuchKey" if version < "2.17" else "path traversal detected"):
        placed(["people/../../../etc/passwd"], "people", version)


def test_a_control_character_is_escaped_in_a_key(tmp_path):
    (tmp_path / "a\nb").write_text("x")
    assert uploads(tmp_path, "key") == {"key/a__0xa__b": tmp_path / "a\nb"}


@pytest.mark.parametrize("uri", ["s3://ours", "s3://ours/", "s3://ours//"])
def test_a_bucket_alone_has_no_key(uri):
    with pytest.raises(RefusedError, match=f'^URI "{uri}" has empty key given prefixed bucket "s3://ours"$'):
        Bucket("s3://", "ours").key(uri)


@pytest.mark.parametrize(
    ("uri", "key"),
    [("s3://ours/people", "people"), ("s3://ours//people/", "people/"), ("s3://ours/a b/ü", "a b/ü")],
)
def test_a_key(uri, key):
    assert Bucket("s3://", "ours").key(uri) == key


@pytest.mark.parametrize(
    ("uri", "bucket"),
    [
        ("minio://mlpipeline/v2/artifacts/facenet/run/extract/x/faces", ROOT),
        ("minio://mlpipeline/v2/artifacts/facenet/other/x", Bucket("minio://", "mlpipeline", session=True)),
        ("s3://mlpipeline/people", Bucket("s3://", "mlpipeline")),
        ("gs://ours/people", Bucket("gs://", "ours")),
    ],
)
def test_with_whose_credentials_a_bucket_is_opened(version, uri, bucket):
    assert opened(uri, ROOT, VERSIONS[version]) == bucket


def test_a_minio_bucket_of_ones_own(version):
    if version < "2.17":
        with pytest.raises(RefusedError, match='no driver registered for "minio"'):
            opened("minio://ours/people", ROOT, VERSIONS[version])
    else:
        assert opened("minio://ours/people", ROOT, VERSIONS[version]) == Bucket("minio://", "ours")


@pytest.mark.parametrize("uri", ["ours/people", "http://ours/people", "file:///people", "S3://ours/people"])
def test_what_is_no_pipeline_root(uri):
    with pytest.raises(RefusedError, match=r"^parse bucket config failed: "):
        pipeline_root(uri)


def test_a_pipeline_root_with_a_query():
    assert pipeline_root("s3://ours/runs?region=eu") == Bucket("s3://", "ours", "runs/", "?region=eu", session=True)


def test_where_a_uri_lies_in_a_pod():
    assert local_path("gs://ours/a b/c") == Path("/gcs/ours/a b/c")
    with pytest.raises(RefusedError, match="unsupported storage scheme"):
        local_path("https://ours/a")


def test_a_folder_is_uploaded_without_its_empty_folders(tmp_path):
    (tmp_path / "out" / "Ada").mkdir(parents=True)
    (tmp_path / "out" / "empty").mkdir()
    for name in ("Ada/1 ü.jpg", "2.jpg"):
        (tmp_path / "out" / name).write_text("x")
    made = uploads(tmp_path / "out", "task/faces")
    assert made == {
        "task/faces/2.jpg": tmp_path / "out/2.jpg",
        "task/faces/Ada/1 ü.jpg": tmp_path / "out/Ada/1 ü.jpg",
    }
    # And back again.
    assert set(downloads(made, "task/faces", LOCAL, VERSIONS["2.17.0"]).values()) == {
        LOCAL / "2.jpg",
        LOCAL / "Ada/1 ü.jpg",
    }


def test_a_file_is_uploaded_under_its_key_and_nothing_where_there_is_none(tmp_path):
    (tmp_path / "card.html").write_text("x")
    assert uploads(tmp_path / "card.html", "task/html") == {"task/html": tmp_path / "card.html"}
    assert uploads(tmp_path / "missing", "task/html") == {}


def test_links(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "out" / "b").symlink_to(tmp_path / "file")
    (tmp_path / "whole").symlink_to(tmp_path / "out")
    assert uploads(tmp_path / "out", "key") == {"key/b": tmp_path / "out/b"}
    assert uploads(tmp_path / "whole", "key") == {"key/b": tmp_path / "whole/b"}
    (tmp_path / "out" / "a").symlink_to("nowhere")
    assert uploads(tmp_path / "out", "key") == {}, "nothing after it is uploaded"
    (tmp_path / "out" / "a").unlink()
    (tmp_path / "out" / "a").symlink_to(tmp_path)
    with pytest.raises(RefusedError, match="is a directory"):
        uploads(tmp_path / "out", "key")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "out") + b"/\xff.jpg")).write_text("x")
    with pytest.raises(RefusedError, match="must be a valid UTF-8 string"):
        uploads(tmp_path / "out", "key")
