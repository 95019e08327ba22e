"""What submit writes into the file, by the rules of every release of Kubeflow that it is made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.common.errors import UsageError
from components.model.checkpoint import DESCRIPTION, WEIGHTS
from components.model.starts import Kind, find_start
from pipelines.cluster.package import package
from pipelines.cluster.stores import check, check_weights
from pipelines.compile import DEFAULT_OUTPUT
from tests.cluster.argo import DELETED, EVICTED, PodEnd, decide
from tests.cluster.records import records
from tests.cluster.store import RefusedError, downloads, local_path, opened, pipeline_root
from tests.cluster.versions import SUPPORTED, VERSIONS
from tests.cluster.workflow import retries
from tests.stages import TASKS

PHOTOS = {"photos": "gs://our-photos/people", "shards": ["1/1"]}
# The end of a TensorFlow checkpoint of version 1, which is one file.
TABLE = (0xDB4775248B80FB57).to_bytes(8, "little")
OBJECTS = {
    "m/w.weights.h5": b"",
    "m/w.weights.h5.bak": b"",
    "m/slim.ckpt": TABLE,
    "m/slim.tar.gz": b"",
    "m/two/model.ckpt.index": b"",
    "m/two/model.ckpt.data-00000-of-00001": b"",
    "m/two-more/other.ckpt.index": b"",
    f"m/ours/{WEIGHTS}": b"",
    f"m/ours/{DESCRIPTION}": b"{}",
}


def fetched(uri: str, pod: Path, version: str, objects: dict[str, bytes]) -> Path:
    """Where the path of an imported model leads in a pod, with what the launcher put there."""
    release = VERSIONS[version]
    key = opened(uri, pipeline_root("minio://mlpipeline/v2/artifacts"), release).key(uri)
    for name, place in downloads(objects, key, local_path(uri, pod), release).items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(objects[name])
    return local_path(uri, pod)


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("uri", ["s3://bucket/m/w.weights.h5", "gs://bucket/m/two/"])
def test_the_task_gets_the_path_of_its_model(version, uri):
    sent = package(DEFAULT_OUTPUT, {}, {"mine-and-train.pretrained": uri}, cached=True, server=None)
    found = {record["task"]: record for record in records(sent.text, version, {**PHOTOS, "pretrained": uri})}
    assert not [record["refused"] for record in found.values() if record["refused"]]
    words = found["mine-and-train"]["words"]
    assert Path(words[words.index("--pretrained") + 1]) == local_path(uri)
    assert found["mine-and-train"]["buckets"]["pretrained_model"] == ["environment"]
    assert "{{$" not in " ".join(words)


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("w.weights.h5", Kind.KERAS),
        ("slim.ckpt", Kind.TENSORFLOW),
        ("slim.tar.gz", Kind.ARCHIVE),
        ("two", Kind.TENSORFLOW),
        ("two/", Kind.TENSORFLOW),
        ("ours", Kind.OURS),
    ],
)
def test_what_the_readme_says_of_weights_is_so(tmp_path, monkeypatch, version, name, kind):
    monkeypatch.setattr("components.model.starts.describe", lambda path: None)  # whether it is whole, others test
    uri = f"s3://bucket/m/{name}"
    check_weights(uri, "weights")
    assert find_start(fetched(uri, tmp_path, version, OBJECTS)).kind is kind


@pytest.mark.parametrize("version", ["2.17.0", "2.17.1"])
def test_a_prefix_is_no_folder(tmp_path, version):
    with pytest.raises(UsageError, match="There are no weights here"):
        find_start(fetched("s3://bucket/m/two/model.ckpt", tmp_path, version, OBJECTS))


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("uri", ["s3://bucket/people", "s3://bucket/people/"])
def test_a_folder_that_a_web_console_made_cannot_be_fetched(tmp_path, version, uri):
    photos = {"people/Ada/1.jpg": b"", "people/Ada/2.jpg": b""}
    assert (fetched(uri, tmp_path, version, photos) / "Ada" / "2.jpg").is_file()
    with pytest.raises(RefusedError, match=r"mkdir .*: not a directory"):
        fetched(uri, tmp_path, version, {"people/": b"", **photos})


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("s3://bucket", "1.jpg"),
        ("s3://bucket/", "1.jpg"),
        ("s3:///bucket/people", "people/1.jpg"),
        ("s3://bucket//people", "/people/1.jpg"),
        ("s3://bucket/people?region=here", "people/1.jpg"),
    ],
)
def test_what_is_refused_the_launcher_would_not_have_fetched(tmp_path, version, uri, meant):
    with pytest.raises(UsageError):
        check(uri, "photos")
    try:
        place = fetched(uri, tmp_path, version, {meant.lstrip("/"): b"another", meant: b"meant"})
    except RefusedError:
        return
    assert b"meant" not in [file.read_bytes() for file in place.rglob("*") if file.is_file()]


def test_since_2_18_lost_pods_count_for_all_and_failures_for_the_training():
    sent = package(DEFAULT_OUTPUT, {}, {}, cached=True, server=(2, 18)).text
    again = {
        name: {path.rpartition("/")[2] for path, told in retries(sent, VERSIONS["2.18"]).items()
               if decide(told.pod, [end], 0, 3600).again}
        for name, end in {"deleted": DELETED, "evicted": EVICTED, "failed": PodEnd(exit_code=1)}.items()
    }  # fmt: skip
    assert again["deleted"] >= set(TASKS)
    assert again["failed"] == again["evicted"] == {"mine-and-train"}
