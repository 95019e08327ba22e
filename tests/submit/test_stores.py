"""Which URIs are refused before a pod fails on them: those that Kubeflow's launcher does not fetch as meant."""

from __future__ import annotations

import pytest

from pipelines.cluster.stores import check
from pipelines.submit import main

SCHEMES = ("gs", "s3", "minio")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rest", ["bucket/photos", "my.bucket_1/photos/", "bucket/a b/100%20 faces#2/ä"])
def test_what_can_be_fetched(scheme, rest):
    check(f"{scheme}://{rest}", "photos")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rest", ["photos", "photos/", "photos//"])
def test_a_whole_bucket(capsys, scheme, rest):
    assert main(["-i", f"{scheme}://{rest}", "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert "Kubeflow's launcher reads a folder of a bucket, and no whole bucket." in captured.err
    assert f"Put photos into a folder of it: {scheme}://photos/FOLDER." in captured.err
    assert not captured.out


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("/photos", "'' is no bucket"),
        ("", "'' is no bucket"),
        (
            "store.example:9000/bucket/photos",
            "'store.example:9000' is no bucket; where the store is, the cluster knows",
        ),
        ("bucket//photos", "a name in it is empty, . or .."),
        ("bucket/photos//", "a name in it is empty, . or .."),
        ("bucket/a/../photos", "a name in it is empty, . or .."),
        ("bucket/photos?region=eu-west-1", "what follows ? is no setting there but a part of the name"),
        ("bucket?region=eu-west-1", "what follows ? is no setting there but a part of the name"),
    ],
)
def test_what_the_launcher_takes_for_another_name(capsys, scheme, rest, reason):
    assert main(["-i", f"{scheme}://{rest}", "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert f"launcher does not read this URI as it is meant.\nReceived: {scheme}://{rest} ({reason}" in captured.err
    assert not captured.out


@pytest.mark.parametrize(
    "uri", ["photos", "/photos", "file:///photos", "S3://bucket/photos", "https://host/bucket/photos"]
)
def test_what_is_on_no_store(capsys, uri):
    assert main(["-i", uri, "--dry-run"]) == 2
    assert f"photos must be on a store that it reads.\nReceived: {uri}\n" in capsys.readouterr().err


def test_credentials_in_a_uri_are_refused_without_showing_them(capsys):
    assert main(["-i", "s3://key:s3cr3t@bucket/photos", "--dry-run"]) == 2
    captured = capsys.readouterr()
    assert "Credentials do not belong into an address, as they are in that of photos." in captured.err
    assert "s3cr3t" not in captured.err + captured.out
