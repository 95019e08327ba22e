"""`facenet submit` where the cluster is away, refuses, is slow or something else; and what is never said."""

from __future__ import annotations

import json
import re
import socket
import traceback

import pytest
import yaml

from components.common.errors import UsageError
from pipelines.cluster import access, follow
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.submit import main
from tests.submit.conftest import PHOTOS
from tests.submit.kubeflow import as_go_says
from tests.submit.web import DROP, LOSE, PAGE, Trouble

TOKEN = "eyJhbGciOiJub25lIn0.secret-of-ada"


def test_an_unreachable_host(capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert main(["--host", host, "-i", PHOTOS]) == 1
    error = capsys.readouterr().err
    assert error.startswith("facenet submit: The cluster cannot be reached.\nReceived: " + host)
    assert "Connection refused" in error
    assert "kubectl port-forward" in error


def test_a_name_that_no_network_knows(capsys):
    assert main(["--host", "http://kubeflow.invalid", "-i", PHOTOS]) == 1
    assert "The cluster cannot be reached.\nReceived: http://kubeflow.invalid (" in capsys.readouterr().err


def test_https_where_there_is_none(kubeflow, capsys):
    assert main(["--host", kubeflow.host.replace("http:", "https:"), "-i", PHOTOS]) == 2
    assert "No trusted connection to the cluster can be made." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, 2, "The cluster does not accept these credentials."),
        (403, 2, "The cluster does not allow this with these credentials."),
        (404, 2, "This host does not answer as Kubeflow Pipelines 2 does."),  # as KFP 1 does, whose API is v1beta1
        (500, 1, "The cluster is in trouble."),
        (503, 1, "The cluster is in trouble."),
    ],
)
def test_refusals_are_told_apart(kubeflow, submit, capsys, status, code, message):
    kubeflow.troubles = [Trouble("healthz", status)]
    assert submit() == code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"facenet submit: {message}\nReceived: {kubeflow.host}")
    assert len(kubeflow.arrived) == 1  # no second try where the answer is no
    assert "Traceback" not in captured.err + captured.out


def test_a_login_page_is_no_cluster(kubeflow, submit, capsys):
    kubeflow.troubles = [Trouble("", PAGE, times=9)]
    assert submit() == 2
    error = capsys.readouterr().err
    assert "This host does not answer as Kubeflow Pipelines 2 does." in error
    assert "A login page answers like this too" in error


@pytest.mark.parametrize("text", ["OK", "[]", '"v1"'])
def test_a_server_of_something_else_is_no_cluster(kubeflow, submit, capsys, monkeypatch, text):
    monkeypatch.setattr("tests.submit.web.PAGE_TEXT", text)
    kubeflow.troubles = [Trouble("", PAGE, times=9)]
    assert submit() == 2
    assert "This host does not answer as Kubeflow Pipelines 2 does." in capsys.readouterr().err


def test_a_refusal_later_on_is_told_in_the_clusters_words(kubeflow, submit, capsys):
    kubeflow.troubles = [Trouble("POST runs", 400)]
    assert submit() == 1
    assert "The cluster refused what was asked." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("default", "wanted", "missing"),
    [
        ({}, ("accessModes",), "accessModes"),  # since 2.17
        ({}, ("accessModes", "storageClassName"), "accessModes"),  # before
        ({"accessModes": ["ReadWriteOnce"]}, ("accessModes", "storageClassName"), "storageClassName"),
    ],
)
def test_a_workspace_without_a_volume_is_told_as_what_it_is(
    kubeflow, submit, capsys, tmp_path, default, wanted, missing
):
    kubeflow.volumes, kubeflow.wanted_of_volumes = default, wanted
    bare = tmp_path / "bare.yaml"
    bare.write_text(re.sub(r"pvcSpecPatch:( \{\}|(\n {12}.+)+)", "pvcSpecPatch: {}", DEFAULT_OUTPUT.read_text()))
    assert submit("--pipeline", str(bare)) == 2
    error = capsys.readouterr().err
    assert "This cluster wants its file to say more about the workspace's volume.\n" in error
    assert f"500 Internal error: workspace PVC spec must specify {missing}: Failed to compile job" in error
    assert "--storage-class NAME" in error and '--workspace ""' in error
    assert "/go/src" not in error and "\t" not in error
    told = tmp_path / "told.yaml"
    described = {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard"}
    told.write_text(bare.read_text().replace("pvcSpecPatch: {}", f"pvcSpecPatch: {json.dumps(described)}"))
    assert submit("--pipeline", str(told)) == 0
    without = tmp_path / "without.yaml"
    without.write_text(bare.read_text().partition("    pipelineConfig:")[0])
    assert submit("--pipeline", str(without)) == 0


@pytest.mark.parametrize(
    "says",
    [
        as_go_says('compiling DAG "root": component spec for "comp-x" not found'),
        "InternalServerError: Failed to validate workflow for (facenet-): templates.root: not found",
        "InternalServerError: Failed to create a run due to error fetching manifest: InvalidInputError: unknown format",
        'InternalServerError: Failed to create a workflow for (): admission webhook "tags" denied the request: none',
    ],
)
def test_what_is_wrong_with_what_was_sent_is_no_trouble_of_the_cluster(kubeflow, submit, capsys, says):
    kubeflow.troubles = [Trouble("POST runs", 500, says=says)]
    assert submit() == 1
    error = capsys.readouterr().err
    assert f"The cluster refused what was asked.\nReceived: {kubeflow.host}: 500 Internal" in error
    assert "Whether the run has started" not in error and "/go/src" not in error


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, 'invalid v2 pipeline spec: proto: (line 1:7): unknown field "nobody"'),  # since 2.17
        (500, "Failed to create a pipeline version"),  # before
    ],
)
def test_a_file_that_is_refused_at_its_upload(kubeflow, submit, capsys, status, says):
    kubeflow.troubles = [Trouble("POST pipelines/upload_version", status, says=says)]
    assert submit() == 1
    error = capsys.readouterr().err
    assert f"The cluster refused what was asked.\nReceived: {kubeflow.host}: {status} {says}\n" in error
    assert not kubeflow.runs


def test_a_slow_cluster_is_asked_again(kubeflow, submit, monkeypatch):
    monkeypatch.setattr(access, "TIMEOUT", (1, 1))
    kubeflow.troubles = [Trouble("healthz", seconds=1.3), Trouble("GET pipelines", seconds=1.3, times=2)]
    assert submit() == 0
    assert len(kubeflow.runs) == 1


def test_a_cluster_that_never_answers(kubeflow, submit, capsys, monkeypatch):
    monkeypatch.setattr(access, "TIMEOUT", (1, 0.3))
    kubeflow.troubles = [Trouble("healthz", seconds=0.6, times=9)]
    assert submit() == 1
    assert f"The cluster does not answer in time.\nReceived: {kubeflow.host}\n" in capsys.readouterr().err


def test_a_dropped_question_is_asked_again(kubeflow, submit):
    kubeflow.troubles = [Trouble("healthz", DROP), Trouble("versions", DROP, times=2)]
    assert submit() == 0
    assert len(kubeflow.runs) == 1


def test_a_connection_that_always_breaks_off(kubeflow, submit, capsys):
    kubeflow.troubles = [Trouble("GET pipelines", DROP, times=9)]
    assert submit() == 1
    assert (
        f"The connection to the cluster broke off.\nReceived: {kubeflow.host} (Remote end closed"
        in capsys.readouterr().err
    )
    assert not kubeflow.changes()


@pytest.mark.parametrize(
    ("trouble", "started"),
    [
        (Trouble("POST runs", DROP), 0),
        (Trouble("POST runs", LOSE), 1),
        (Trouble("POST runs", 504), 0),
        (Trouble("POST runs", LOSE, seconds=1.5), 0),  # given up before the run was made
    ],
    ids=["dropped", "lost", "gateway", "slow"],
)
def test_a_run_is_never_started_twice_and_when_in_doubt_it_is_said(
    kubeflow, submit, capsys, monkeypatch, trouble, started
):
    monkeypatch.setattr(access, "TIMEOUT", (1, 1))
    kubeflow.troubles = [trouble]
    assert submit("--run-name", "mine") == 1
    assert len(kubeflow.runs) == started
    assert [request.path for request in kubeflow.changes()].count("runs") == 1
    error = capsys.readouterr().err
    assert "Whether the run has started is not known." in error
    assert f"Before you start it again, look for mine at {kubeflow.host}/#/runs." in error


def test_an_upload_whose_answer_was_lost_is_found_by_the_next_attempt(kubeflow, submit, capsys):
    kubeflow.troubles = [Trouble("POST pipelines/upload_version", LOSE)]
    assert submit() == 1
    assert "The connection to the cluster broke off." in capsys.readouterr().err
    assert submit() == 0
    assert len(kubeflow.files) == len(kubeflow.runs) == 1


def test_while_a_run_is_followed_the_cluster_may_be_away(kubeflow, submit, capsys):
    kubeflow.story = [("RUNNING", {"extract": "RUNNING"}), ("SUCCEEDED", {"extract": "SUCCEEDED"})]
    kubeflow.troubles = [Trouble("GET runs/", 503, times=3), Trouble("GET runs/", DROP, times=5)]
    assert submit("--wait") == 0
    out = capsys.readouterr().out
    assert out.count("The cluster is in trouble. The run goes on; asking again for 10 min 00 s.") == 1
    assert "The run succeeded" in out


def test_a_cluster_that_stays_away_ends_the_watching_not_the_run(kubeflow, submit, capsys, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE", 0.05)
    kubeflow.troubles = [Trouble("GET runs/", 503, times=999)]
    assert submit("--wait") == 1
    page = f"{kubeflow.host}/#/runs/details/{kubeflow.runs[0]['run_id']}"
    assert f"The run goes on without being watched: {page}" in capsys.readouterr().err


def test_a_token_that_expires_meanwhile(kubeflow, submit, capsys):
    kubeflow.troubles = [Trouble("GET runs/", 401)]
    assert submit("--wait") == 2
    captured = capsys.readouterr()
    assert "The cluster does not accept these credentials." in captured.err
    assert "runs/details/" in captured.out  # where it can be followed


@pytest.mark.parametrize("host", ["kubeflow.example", "ftp://kubeflow.example", "http://"])
def test_what_is_no_address(host, capsys):
    assert main(["--host", host, "-i", PHOTOS]) == 2
    assert f"This is not the address of a cluster.\nReceived: {host}\n" in capsys.readouterr().err


@pytest.fixture(params=["variable", "file"])
def credentials(request, monkeypatch, tmp_path):
    """A token, in each of the places where one can be."""
    if request.param == "variable":
        monkeypatch.setenv("KFP_EXISTING_TOKEN", TOKEN)
        return "the token in KFP_EXISTING_TOKEN"
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    return f"the token in {tmp_path / 'token'}"


def test_a_token_is_sent_and_never_shown(kubeflow, submit, capfd, caplog, credentials, monkeypatch):
    caplog.set_level("DEBUG")
    kubeflow.token = TOKEN
    assert submit("--experiment", "people", "--create-experiment", "--wait") == 0
    assert {request.token for request in kubeflow.arrived} == {f"Bearer {TOKEN}"}
    assert submit("--dry-run") == 0
    kubeflow.troubles = [Trouble("POST runs", status) for status in (400, 403, 500)]
    assert [submit(), submit(), submit()] == [1, 2, 1]
    kubeflow.token = "another"
    assert submit() == 2  # the server repeats the token in its answer
    monkeypatch.setenv("FACENET_DEBUG", "1")
    with pytest.raises(UsageError) as refused:
        submit()
    captured = capfd.readouterr()
    assert TOKEN not in "".join(traceback.format_exception(refused.value))
    assert f"401 no rights for Bearer [hidden] (sent: {credentials})" in captured.err
    everything = captured.out + captured.err + caplog.text + "".join(kubeflow.files) + yaml.safe_dump(kubeflow.runs)
    assert TOKEN not in everything


def test_a_token_file_is_read_anew_for_each_question(kubeflow, submit, monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(file))
    kubeflow.story = [("RUNNING", {}), ("RUNNING", {}), ("SUCCEEDED", {})]
    answer = kubeflow.answer

    def renewed(request):
        if request.path == "runs":
            file.write_text("second")
        return answer(request)

    monkeypatch.setattr(kubeflow, "answer", renewed)
    assert submit("--wait") == 0
    assert [request.token for request in kubeflow.arrived if "runs/" in request.path] == ["Bearer second"] * 3


def test_kfps_own_settings_hold_and_their_secrets_are_hidden(kubeflow, submit, capsys, tmp_path):
    context = {"namespace": "ada", "client_authentication_cookie": f"session={TOKEN}"}
    (tmp_path / "context.json").write_text(json.dumps(context))
    kubeflow.multi_user = True
    assert submit() == 0
    assert kubeflow.pipelines[0]["namespace"] == "ada"
    assert {request.cookie for request in kubeflow.arrived} == {f"session={TOKEN}"}
    kubeflow.troubles = [Trouble("POST runs", 400)]
    assert submit() == 1
    captured = capsys.readouterr()
    assert "trouble with [hidden]" in captured.err
    assert TOKEN not in captured.out + captured.err


@pytest.mark.parametrize("text", ["{", "{}"])
def test_kfps_own_settings_that_cannot_be_read(kubeflow, submit, capsys, tmp_path, text):
    (tmp_path / "context.json").write_text(text)
    assert submit() == 2
    assert f"kfp's own settings cannot be read.\nReceived: {tmp_path / 'context.json'} (" in capsys.readouterr().err


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Other: header", f"Bearer {TOKEN}", "tökèn-of-ada"])
def test_what_is_no_token_is_refused_without_showing_it(kubeflow, submit, capfd, monkeypatch, token):
    monkeypatch.setenv("KFP_EXISTING_TOKEN", token)
    assert submit() == 2
    captured = capfd.readouterr()
    assert "This is not a token: it has to be one word.\nReceived: the token in KFP_EXISTING_TOKEN" in captured.err
    assert "of-ada" not in captured.out + captured.err
    assert not kubeflow.arrived


def test_a_token_file_that_is_not_there(kubeflow, submit, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "none"))
    assert submit() == 2
    assert f"The token's file cannot be read.\nReceived: {tmp_path / 'none'}\n" in capsys.readouterr().err


def test_credentials_in_an_address_are_refused_without_showing_them(capfd):
    assert main(["--host", f"https://ada:{TOKEN}@kubeflow.example", "-i", PHOTOS]) == 2
    captured = capfd.readouterr()
    assert "Credentials do not belong into an address." in captured.err
    assert TOKEN not in captured.out + captured.err
