"""Runs that are started and stopped from the pages: who may, what is started, and what becomes of it."""

import html
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.common.names import plain
from components.common.parsing import parse
from pipelines import rerun, run
from pipelines.records.alive import runner_of, stop
from pipelines.records.record import RUNNING
from pipelines.ui.ordering import words_of_rerun, words_of_run
from pipelines.ui.orders import Orders
from tests.pipeline.conftest import REPOSITORY, Tiny
from tests.ui.records import run_of, task_of

FORM = "application/x-www-form-urlencoded"
# What arrives of a form is never half of a pair of surrogates.
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
LINE = TEXT.map(lambda text: " ".join(text.split()))


@pytest.fixture
def tiny(tmp_path):
    """A run of the tiny pipeline that is done."""
    tiny = Tiny(tmp_path, "process")
    assert tiny.run() == 0
    return tiny


@pytest.fixture
def ordering(server, tmp_path):
    """A server that starts runs, and what was ordered of it."""
    (tmp_path / "runs").mkdir(exist_ok=True)
    orders = Orders((tmp_path / "runs").resolve())
    return server.show(tmp_path / "runs", orders), orders


def send(site, orders, path, fields, **headers):
    """Sends a form as a page of the server does; a header that is given goes before the one of that page."""
    body = urlencode({"form": orders.new_form(), **fields}).encode()
    own = {"Origin": site.address, "Cookie": f"{orders.cookie}={orders.key}", "Content_Type": FORM}
    return site.get(path, "POST", body=body, **{**own, **headers})


def followed(site, orders, answer):
    """The page of an order when its command is done or its run has begun, or the address of that."""
    assert answer.status == 303
    for _ in range(600):
        page = site.get(answer.headers["location"], Cookie=f"{orders.cookie}={orders.key}")
        if page.status != 200 or "It is being checked" not in page.text:
            return page
        time.sleep(0.05)
    raise AssertionError(page.text)


@settings(max_examples=40, deadline=None)
@given(photos=TEXT, recipe=TEXT, lines=st.lists(LINE))
def test_whatever_is_in_a_form_is_a_value_of_the_command_and_no_flag(photos, recipe, lines):
    form = {"photos": photos, "recipe": recipe, "settings": "\r\n".join(lines)}
    words = words_of_run(REPOSITORY, form)
    read = parse(run.Settings, words[1:], prog="facenet run")
    meant = run.Settings(input=photos, recipe=recipe, set=tuple(filter(None, lines)), runs=REPOSITORY)
    assert (words[0], read) == ("run", meant)


@settings(max_examples=40, deadline=None)
@given(values=st.dictionaries(LINE, LINE), changed=st.dictionaries(LINE, LINE), after=st.booleans(), name=LINE)
def test_of_a_task_only_what_was_changed_is_set(values, changed, after, name):
    task = task_of(name or "task", parameters=values)
    shown = {key: plain(text) for key, text in values.items()}
    form = {f"set.{key}": text for key, text in (shown | changed).items()} | ({"and_after": "yes"} if after else {})
    words = words_of_rerun(REPOSITORY, "20260101-000000-000", task, form)
    read = parse(rerun.Settings, words[1:], prog="facenet rerun")
    assert (words[0], read.task, read.and_after) == ("rerun", task.task, after)
    assert {*read.set} <= {f"{key}={text}" for key, text in changed.items()}
    assert (read.run, read.runs) == ("20260101-000000-000", REPOSITORY)


WRONG = {
    "Origin": ["", "null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}", "http://localhost:{port}"],
    "Cookie": ["", "facenet=1", "{cookie}=", "{cookie}=guess"],
    "Content_Type": ["", "text/plain", "multipart/form-data", "application/json"],
    "form": ["", "guess", "guess.guess", "{form}0"],
}  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wrong=st.dictionaries(st.sampled_from(sorted(WRONG)), st.integers(0, 9), min_size=1),
    path=st.sampled_from(["/start", "/again/runs/{run}/count", "/stop/runs/{run}"]),
    junk=st.binary(max_size=50),
)
def test_nothing_is_done_unless_all_of_it_is_right(ordering, wrong, path, junk):
    site, orders = ordering
    known = {"port": site.port, "cookie": orders.cookie, "form": orders.new_form(), "run": "20260101-000000-000"}
    bad = {name: WRONG[name][place % len(WRONG[name])].format_map(known) for name, place in wrong.items()}
    fields = {"photos": "photos", "recipe": "own", "form": bad.pop("form", known["form"]), "junk": junk}
    answer = send(site, orders, path.format_map(known), fields, **bad)
    assert answer.status in (403, 415)
    assert orders.find(0) is None


def test_who_has_not_the_key_may_only_look(ordering):
    site, orders = ordering
    run_of(site.runs, "20260101-000000-000", task_of("task"))
    for path in ("/start", "/again/runs/20260101-000000-000/task", "/stop/runs/20260101-000000-000", "/orders/0"):
        page = site.get(path)
        assert page.status == 403 and 'name="form"' not in page.text
    for path in ("/", "/runs/20260101-000000-000", "/runs/20260101-000000-000/task"):
        assert site.get(path).status == 200
    assert site.get("/key/guess").status == 403
    entered = site.get(f"/key/{orders.key}")
    assert (entered.status, entered.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= {*entered.headers["set-cookie"].split("; ")}
    assert orders.key not in site.get("/start", Cookie=entered.headers["set-cookie"].partition(";")[0]).text


def test_a_server_that_only_shows_has_no_such_addresses(site):
    run_of(site.runs, "20260101-000000-000", task_of("task"))
    for path in ("/start", "/orders/0", "/key/guess", "/stop/runs/20260101-000000-000"):
        assert site.get(path).status == 404
        assert site.get(path, "POST", Origin=site.address).status == 405
    assert "/start" not in site.get("/").text


@pytest.mark.parametrize("body", [b"x" * 70_000, b"&".join(b"a=%d" % number for number in range(2000))])
def test_a_form_is_bounded(ordering, body):
    site, orders = ordering
    headers = {"Origin": site.address, "Cookie": f"{orders.cookie}={orders.key}", "Content_Type": FORM}
    assert site.get("/start", "POST", body=body, **headers).status in (400, 413)
    assert site.get("/start", "PUT", body=b"", **headers).status == 405


def test_what_the_command_refuses_is_said_and_the_form_keeps_what_was_typed(ordering):
    site, orders = ordering
    given = {"photos": "no <b>such</b> folder", "recipe": "laptop", "settings": "rounds=2\nnonsense"}
    page = followed(site, orders, send(site, orders, "/start", given))
    assert "No run was started" in page.text
    assert "facenet run: --set takes a name and a value.\nReceived: nonsense" in page.text
    (back,) = re.findall(r'class="button" href="([^"]+)"', page.text)
    form = site.get(html.unescape(back), Cookie=f"{orders.cookie}={orders.key}").text
    assert 'value="no &lt;b&gt;such&lt;/b&gt; folder"' in form and 'value="laptop" required checked' in form
    assert ">rounds=2\nnonsense</textarea>" in form.replace("\r\n", "\n")
    assert "no <b>such" not in page.text
    nul = send(site, orders, "/start", {"photos": "a\0b"})
    assert nul.status == 404 and "The system does not start this command." in nul.text


def test_a_task_is_run_again_with_another_setting_once_however_often_the_form_is_sent(tiny, ordering):
    site, orders = ordering
    form = orders.new_form()
    sent = [
        send(site, orders, "/again/runs/latest/count", {"form": form, "set.factor": "7", "and_after": "yes"})
        for _ in range(2)
    ]
    assert sent[0].headers["location"] == sent[1].headers["location"] == "/orders/0"
    begun = followed(site, orders, sent[0])
    assert begun.status == 303
    new = begun.headers["location"].rpartition("/")[2]
    assert orders.find(0).process.wait(60) == 0
    assert tiny.task_record("count", new)["parameters"] == {"factor": 7}
    assert tiny.states(new) == {"importer": "succeeded", "count": "succeeded", "report": "succeeded"} | tiny.states(new)
    assert tiny.run_record(new)["state"] == "succeeded" and len(tiny.all_runs()) == 2


def test_a_run_goes_on_without_the_server_and_is_stopped_by_another(tiny, server):
    command = [sys.executable, "-m", "pipelines.cli", "ui", "--runs", str(tiny.runs), "--port", "0", "--allow-runs"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, "SLEEP": "1"}, stdout=subprocess.PIPE, text=True
    ) as process:
        address = process.stdout.readline().split(": ", 1)[1].split()[0]
        jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        site = address.partition("/key/")[0]
        with jar.open(address) as listing:
            assert "New run" in listing.read().decode()
        with jar.open(f"{site}/again/runs/latest/count") as page:
            form = re.search(r'name="form" value="([^"]+)"', page.read().decode())[1]
        body = urlencode({"form": form}).encode()
        order = urllib.request.Request(f"{site}/again/runs/latest/count", body, {"Origin": site})
        with jar.open(order) as answer:
            assert "/orders/0" in answer.url or "/runs/" in answer.url
        before = tiny.all_runs()
        while len(tiny.all_runs()) == len(before) == 1 or "asleep" not in _log(tiny):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    new = max(tiny.all_runs())
    assert process.returncode == 130
    assert tiny.run_record(new)["state"] == RUNNING and tiny.task_record("count", new)["state"] == RUNNING
    orders = Orders(tiny.runs.resolve())
    site = server.show(tiny.runs, orders)
    assert send(site, orders, f"/stop/runs/{new}", {}).headers["location"] == f"/runs/{new}"
    while tiny.run_record(new)["state"] == RUNNING:
        time.sleep(0.05)
    assert tiny.states(new)["count"] == "stopped"


def _log(tiny):
    log = tiny.runs / max(tiny.all_runs()) / "count" / "log.txt"
    return log.read_text() if log.exists() else ""


def test_only_the_runner_of_a_run_is_told_to_stop(ordering):
    site, orders = ordering
    run, alive = "20260101-000000-000", site.runs / "20260101-000000-000" / ".alive"
    run_of(site.runs, run, task_of("task", state=RUNNING), state=RUNNING, seconds=None)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        for said in ("", "nonsense", "-1", "0", "9" * 30, str(bystander.pid)):
            alive.write_text(said)
            assert not stop(site.runs, run)
        assert runner_of(site.runs, run) == bystander.pid
        alive.unlink()
        answer = send(site, orders, f"/stop/runs/{run}", {})
        assert "This run cannot be stopped from here." in answer.text
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
