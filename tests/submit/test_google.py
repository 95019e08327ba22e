"""Who gets a Google token: kfp up to 2.17 sends one to any host that ends in a certain way (GHSA-qv29-qxgh-jcw8)."""

from __future__ import annotations

from types import SimpleNamespace

import kfp.client
import pytest

from pipelines.cluster import access
from pipelines.cluster.access import Cluster, is_googles
from pipelines.submit import main
from tests.submit.conftest import PHOTOS
from tests.submit.web import Trouble

TOKEN = "ya29.google-token-of-ada"
HOSTED = "https://0123-dot-us-central1.pipelines.googleusercontent.com"
OTHERS = [
    "https://example-googleusercontent.com",
    "https://example.com/x.pipelines.googleusercontent.com",
    "https://example.com/?x=a.pipelines.googleusercontent.com",
    "https://example.com#a.pipelines.googleusercontent.com",
    "https://example.com\\.pipelines.googleusercontent.com",
    "https://a.pipelines.googleusercontent.com.example.com",
    "https://a.pipelines.googleusercontentxcom",
    "https://apipelines.googleusercontent.com",
    "https://pipelines.googleusercontent.com",
    "https://192.0.2.1.bc.googleusercontent.com",  # anybody's virtual machine
    "https://a.pipelines.googleusercontent.com:8443",
    "https://a.pipelines.googleusercontent.com\n",
    "https://a.pipelines.googleu\u017fercontent.com",  # a long s is an s where case does not count
    "http://a.pipelines.googleusercontent.com",  # for everybody to read
]


@pytest.fixture
def google(monkeypatch):
    """Google's library, which notes that it was asked."""
    asked = []
    monkeypatch.setattr(kfp.client.client.auth, "get_gcp_access_token", lambda: asked.append(True) or TOKEN)
    return asked


@pytest.fixture
def healthy(monkeypatch):
    """No host is asked anything."""
    monkeypatch.setattr(Cluster, "get_kfp_healthz", lambda *_: SimpleNamespace(multi_user=False))


@pytest.mark.parametrize("host", OTHERS)
def test_no_other_host_gets_a_google_token(host, google, healthy):
    assert not is_googles(host)
    assert not Cluster(host)._existing_config.api_key
    assert not google


def test_a_host_that_fits_kfps_own_pattern_is_sent_none(kubeflow, google):
    assert main(["--host", f"{kubeflow.host}/x.googleusercontent.com", "-i", PHOTOS]) == 2
    assert kubeflow.arrived
    assert {request.token for request in kubeflow.arrived} == {None}
    assert not google


def test_a_host_of_googles_gets_one(google, healthy):
    assert Cluster(HOSTED)._existing_config.api_key == {"authorization": TOKEN}
    assert google


@pytest.mark.parametrize("named", ["KFP_EXISTING_TOKEN", "KF_PIPELINES_SA_TOKEN_PATH"])
def test_what_was_given_goes_before_it(google, healthy, monkeypatch, tmp_path, named):
    (tmp_path / "token").write_text("mine")
    monkeypatch.setenv(named, "mine" if named == "KFP_EXISTING_TOKEN" else str(tmp_path / "token"))
    config = Cluster(HOSTED)._existing_config
    assert config.get_api_key_with_prefix("authorization") == "Bearer mine"
    assert not google


def test_a_refused_google_token_is_told_as_that(kubeflow, submit, google, capsys, monkeypatch):
    monkeypatch.setattr(access, "is_googles", lambda host: True)
    kubeflow.troubles = [Trouble("healthz", 401)]
    assert submit() == 2
    error = capsys.readouterr().err
    assert "(sent: the token that kfp got from Google)" in error
    assert TOKEN not in error
