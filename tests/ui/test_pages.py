"""The pages as bytes: what is in them, and what is refused. See test_browser.py for what a person sees."""

import html
import json
import os
import re
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from components.common.manifest import FACES
from components.common.names import plain
from components.evaluate.numbers import NUMBERS
from pipelines.forget import main as forget
from pipelines.records.record import CACHED, FAILED, RUNNING
from pipelines.ui.words import words
from tests.ui.records import HOSTILE, dataset_of, faces_of, run_of, task_of

HTML = "system.HTML"


def listed(page):
    """The ids of the runs in a list, in its order."""
    return re.findall(r'<a href="/runs/([^"]+)"><bdi>', page.text)


def test_an_empty_folder_says_how_to_make_a_run(site):
    page = site.get("/")
    assert page.status == 200
    assert "facenet run -i sample" in page.text


def test_every_page_of_a_real_run_is_there(real):
    (run,) = listed(real.get("/"))
    page = real.get(f"/runs/{run}")
    assert page.status == 200
    tasks = dict.fromkeys(re.findall(rf'href="(/runs/{run}/[^"/]+)"', page.text))
    assert [address.rpartition("/")[2] for address in tasks] == json.loads((real.runs / run / "run.json").read_text())[
        "tasks"
    ]
    seen = set()
    for address in tasks:
        task = real.get(address)
        assert task.status == 200, address
        seen |= {*re.findall(rf'href="({address}/[^"]+)"', task.text)}
    assert len(seen) > 15
    for address in seen:
        assert real.get(address).status == 200, address


def test_the_latest_run_is_an_address(real):
    answer = real.get("/runs/latest")
    assert answer.status == 307
    assert answer.headers["location"] == f"/runs/{listed(real.get('/'))[0]}"


@pytest.mark.parametrize("path", ["/", "/nothing", "/runs/nothing", "/compare", "/static/ui.css", "/static/nothing"])
def test_every_answer_forbids_what_is_from_elsewhere(site, path):
    headers = site.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_a_card_has_a_world_of_its_own_and_other_files_are_only_kept(real):
    (run,) = listed(real.get("/"))
    places = ("evaluate/card", "evaluate/report/report.html")
    for address in (f"/{way}/runs/{run}/{place}" for way in ("files", "card") for place in places):
        card = real.get(address)
        assert card.status == 200
        assert card.headers["content-type"].startswith("text/html")
        policy = card.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts;")
        assert "allow-same-origin" not in policy and "connect-src" not in policy and "default-src 'none'" in policy
    kept, framed = (real.get(f"/{way}/runs/{run}/evaluate/card").content for way in ("files", "card"))
    assert kept == (real.runs / run / "evaluate" / "card").read_bytes()
    assert framed.startswith(b"<!doctype html><script>") and framed.endswith(kept)
    assert real.get(f"/card/runs/{run}/evaluate/report/metrics.json").status == 404
    file = real.get(f"/files/runs/{run}/evaluate/report/metrics.json")
    assert json.loads(file.content)
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "LOCALHOST", "[::1]:8080"])
def test_this_machine_is_answered_under_its_names(site, host):
    assert site.get("/", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
     "127.0.0.1@evil.example", "evil.example#127.0.0.1", "0.0.0.0", "127.0.0.1:evil", "[::1", "::1"],
)  # fmt: skip
def test_any_other_host_is_refused(site, host):
    for path in ("/", "/static/ui.css", "/nothing"):
        answer = site.get(path, host=host)
        assert answer.status == 403
        assert "facenet" not in answer.text


def test_nothing_can_be_changed(site):
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MADE-UP"):
        answer = site.get("/", method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_head_is_an_answer_without_its_body(site):
    answer = site.get("/", "HEAD")
    assert answer.status == 200
    assert answer.content == b""


@pytest.fixture
def secret(site):
    """A file beside the runs folder, and a run whose artifact is a folder with a file, and links that lead out."""
    secret = site.runs.parent / "secret.json"
    secret.write_text('{"secret": "hush"}')
    (site.runs / "cache.sqlite").write_text("hush")
    made = site.runs / "20260101-000000-000" / "task" / "made"
    made.mkdir(parents=True)
    (made / "inner.json").write_text('{"inner": 7}')
    (made / "link.json").symlink_to(secret)
    (made / "out").symlink_to(site.runs.parent)
    (made / "round").symlink_to(made / "round")
    outputs = {
        "made": ("system.Artifact", "20260101-000000-000/task/made"),
        "above": ("system.Artifact", "../secret.json"),
        "elsewhere": ("system.HTML", str(secret)),
    }
    run_of(site.runs, "20260101-000000-000", task_of("task", outputs, log="../secret.json"))
    return site


PLACE = "/runs/20260101-000000-000/task"
WAYS = (
    "../../../../secret.json", "..%2f..%2f..%2f..%2fsecret.json", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret.json",
    "../../../cache.sqlite", "inner.json/../../../../../secret.json", "%2e%2e%5c%2e%2e%5csecret.json",
    "..%252f..%252fsecret.json", "%00", "/etc/passwd", "%2fetc%2fpasswd",
)  # fmt: skip
OUT = [
    *(f"{start}{PLACE}/made/{way}" for start in ("/files", "/card", "/picture", "") for way in WAYS),
    *(f"/files{PLACE}/made/{way}" for way in ("link.json", "out/secret.json", "out", "round", "")),
    *(
        f"/{start}{PLACE}/{way}"
        for start in ("files", "card")
        for way in ("above", "elsewhere", "..", "../made", "made", "", "task.json", "nothing")
    ),
    "/runs/..", "/runs/%2e%2e", "/runs/../secret.json", "/runs/..%2fsecret.json", "/runs/../..", "/runs/%2fetc/passwd",
    "/runs/cache.sqlite", "/runs/20260101-000000-000/..", "/runs/20260101-000000-000/../..", "/log/runs/..",
    f"/log{PLACE}", f"/log{PLACE}/../../../secret.json", f"/log{PLACE}?from=0", "/static/../app.py",
    "/static/..%2fapp.py", "/static/%2e%2e%2f%2e%2e%2fcli.py", "/..", "/../secret.json", "//etc/passwd",
]  # fmt: skip


def test_no_way_leads_out_of_the_runs_folder(secret):
    for path in OUT:
        answer = secret.get(path)
        # A page may say of what lies elsewhere that it does.
        assert answer.status == 404 or (answer.status == 200 and path.startswith(f"{PLACE}/made/")), path
        assert b"hush" not in answer.content and b"root:" not in answer.content, path


@pytest.mark.parametrize("place", ["made/link.json", "made/out", "above", "elsewhere"])
def test_what_lies_outside_is_named_and_not_shown(secret, place):
    page = secret.get(f"{PLACE}/{place}")
    assert page.status == 200
    assert "It lies outside the runs folder" in page.text
    assert "hush" not in page.text


def test_what_lies_inside_is_shown(secret):
    assert json.loads(secret.get(f"/files{PLACE}/made/inner.json").content) == {"inner": 7}
    assert "<dd><bdi" in secret.get(f"{PLACE}/made/inner.json").text


def test_the_artifacts_of_a_cached_task_are_links_within_and_work(secret):
    task = secret.runs / "20260202-000000-000" / "task"
    task.mkdir(parents=True)
    (task / "made").symlink_to("../../20260101-000000-000/task/made")
    made = task_of("task", {"made": ("system.Artifact", "20260202-000000-000/task/made")}, state=CACHED)
    run_of(secret.runs, "20260202-000000-000", made)
    answer = secret.get("/files/runs/20260202-000000-000/task/made/inner.json")
    assert json.loads(answer.content) == {"inner": 7}


def test_hostile_names_are_text_wherever_they_stand(site):
    settings = {name: name for name in HOSTILE}
    faces_of(site.runs / "20260101-000000-000" / "task" / "faces")
    task = task_of(
        "task",
        {"faces": ("system.Artifact", "20260101-000000-000/task/faces")},
        label=HOSTILE[0],
        parameters=settings,
        metrics=settings,
        message=HOSTILE[5],
        command=list(HOSTILE),
        inputs={HOSTILE[0]: [{"task": HOSTILE[5], "path": "x", "sha256": HOSTILE[0]}]},
    )
    run = "20260101-000000-000"
    run_of(site.runs, run, task, recipe=HOSTILE[0], settings=settings, parameters=settings)
    run_of(site.runs, "20260102-000000-000", task_of("task"), state=FAILED, recipe=HOSTILE[2])
    compared = f"/compare?run={run}&run=20260102-000000-000"
    table = f"/runs/{run}/task/faces"
    for path in (
        "/",
        f"/runs/{run}",
        f"/runs/{run}/task",
        table,
        compared,
        f"/?q={quote(HOSTILE[0])}&sort={quote(HOSTILE[5])}",
    ):
        page = site.get(path)
        assert page.status == 200, path
        assert page.text.count("<script") == 1, path  # the page's own
        assert "<img src=x" not in page.text
        assert page.text == plain(page.text, keep="\n\t")
        for name in HOSTILE if path == table else HOSTILE[:1]:
            shown = html.escape(plain(name), quote=False)
            assert shown.replace("'", "&#39;") in page.text.replace("&#34;", '"'), (path, name)
    found = site.get(f"{table}?q={quote('<SCRIPT>')}")
    assert "Rows 1 to 1 of 1 that fit, of 6" in found.text
    missing = site.get(f"/runs/{quote(HOSTILE[0], safe='')}")
    assert missing.status == 404
    assert "&lt;script&gt;" in missing.text and missing.text.count("<script") == 1


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(site):
    run_of(site.runs, "20260101-000000-000", task_of("task"))
    run_of(site.runs, "20260102-000000-000", task_of("task"))
    (site.runs / "20260101-000000-000" / "task" / "task.json").write_text("{")
    (site.runs / "20260102-000000-000" / "run.json").write_text("{")
    assert listed(site.get("/")) == ["20260102-000000-000", "20260101-000000-000"]
    for path in ("20260101-000000-000", "20260101-000000-000/task", "20260102-000000-000"):
        page = site.get(f"/runs/{path}")
        assert page.status == 200
        assert "unreadable" in page.text


def test_what_a_stage_said_that_is_not_as_declared_spoils_one_page_only(site):
    spoiled = task_of("task", {"roc": ("system.ClassificationMetrics", "")})
    spoiled.outputs["roc"]["metadata"] = {"confidenceMetrics": 7}
    run_of(site.runs, "20260101-000000-000", spoiled)
    page = site.get("/compare?run=20260101-000000-000&run=20260101-000000-000")
    assert page.status == 500
    assert "This page cannot be made." in page.text and "TypeError" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert site.get("/runs/20260101-000000-000/task").status == 200


def test_a_run_without_its_runner_is_lost_and_the_page_says_what_that_means(site):
    run_of(site.runs, "20260101-000000-000", task_of("task", state=RUNNING), state=RUNNING, seconds=None)
    (site.runs / "20260101-000000-000" / ".alive").touch()  # which a living runner keeps locked
    page = site.get("/runs/20260101-000000-000")
    assert "Its runner ended without a word" in page.text
    assert "data-changing" not in page.text


@pytest.fixture
def many(site):
    """500 runs: one in ten failed, and every other one has a setting of its own."""
    for number in range(500):
        scored = {"accuracy": 0.5 + (number * 7 % 500) / 1000, "auc": 0.9, "eer": 0.1}
        settings = {"mine-and-train.margin": number / 1000} if number % 2 else {}
        done = {"settings": settings, "seconds": float(number * 3 % 500), "metrics": {"evaluate": scored}}
        failed = {"state": FAILED, "metrics": {}} if number % 10 == 0 else {}
        run_of(site.runs, f"20260101-000000-{number:03}", **{**done, **failed})
    return site


def test_500_runs_are_listed_sorted_and_filtered(many):
    newest_first = [f"20260101-000000-{number:03}" for number in reversed(range(500))]
    assert listed(many.get("/")) == newest_first
    assert listed(many.get("/?sort=run")) == newest_first[::-1]
    assert listed(many.get("/?sort=-time"))[0] == max(newest_first, key=lambda run: int(run[-3:]) * 3 % 500)
    scored = [run for run in newest_first if int(run[-3:]) % 10]
    by_accuracy = sorted(scored, key=lambda run: int(run[-3:]) * 7 % 500, reverse=True)
    answer = many.get("/?sort=-accuracy")
    assert listed(answer)[:450] == by_accuracy
    assert {run[-1] for run in listed(answer)[450:]} == {"0"}
    assert answer.text.count('aria-sort="descending"') == 1
    assert listed(many.get("/?state=failed")) == [run for run in newest_first if run.endswith("0")]
    assert listed(many.get("/?q=MARGIN%3D0.123")) == ["20260101-000000-123"]
    assert listed(many.get("/?q=margin+000000-12&sort=run")) == [f"20260101-000000-12{digit}" for digit in "13579"]
    assert "No run is like that" in many.get("/?q=nothing").text


def test_two_to_nine_runs_are_compared(site):
    names = ("20260101-000000-000", "a copy $\\frac<b>$", "a third")
    for name, number, margin in zip(names, (1, 2, 3), (0.2, 0.3, 0.3), strict=True):
        curve = {
            "confidenceMetrics": [{"falsePositiveRate": x / 9, "recall": (x / 9) ** (1 / number)} for x in range(10)]
        }
        outputs = {"report": ("system.HTML", f"{name}/evaluate/report")}
        scored = {"accuracy": 0.6 + number / 10, "pairs": 9}
        task = task_of("evaluate", outputs, metrics=scored, parameters={"margin": margin})
        task.outputs["roc"] = {
            "kind": "system.ClassificationMetrics",
            "path": "",
            "sha256": "",
            "metadata": curve,
            "on_disk": False,
        }
        run_of(site.runs, name, task)
        report = site.runs / name / "evaluate" / "report"
        report.mkdir(parents=True)
        galleries = [
            {"people": people, "enrolled_faces": faces, "det": [[0, 0.4 * faces, 0.3], [0.5, 0.1 / number, 0.9]]}
            for people in (10, 100, 1000)[:number]
            for faces in (1, 2)
        ]
        if number > 1:  # the first report is from before galleries were measured
            (report / "metrics.json").write_text(json.dumps({"identification": {"galleries": galleries}}))
    one, two, three = (f"run={quote(name)}" for name in names)
    page = site.get(f"/compare?{one}&{two}&{three}")
    assert page.status == 200
    assert re.search(r"evaluate\.<wbr>margin</bdi>.*?0\.2<.*?0\.3<.*?0\.3<", page.text, re.DOTALL)
    accuracy = re.search(r"Accuracy</bdi></th>(.*?)</tr>", page.text, re.DOTALL)[1]
    assert re.search(r"0\.7<.*?0\.8<.*?\+0\.1<.*best.*?0\.9<.*?\+0\.2<", accuracy, re.DOTALL)
    assert page.text.count("<small>best</small>") == 1
    assert f'href="/compare?{three}&amp;{one}&amp;{two}"' in page.text
    assert 'aria-label="ROC curves"' in page.text and 'aria-label="DET curves"' in page.text
    assert "in a gallery of 100 people" in page.text and "its report measured no such gallery" in page.text
    assert 'aria-label="DET curves"' not in site.get(f"/compare?{one}&{one}").text
    assert "$\\frac&lt;b&gt;$" in page.text and "<b>" not in page.text
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "9 runs compared" in site.get(f"/compare?{'&'.join([one] * 9)}").text
    for query in ("", one, "&".join([one] * 10)):
        refused = site.get(f"/compare?{query}")
        assert refused.status == 404
        assert "From 2 to 9 runs are compared." in refused.text


def test_a_table_is_shown_page_by_page(site):
    faces_of(
        site.runs / "20260101-000000-000" / "task" / "faces", tuple(f"person {number:03}" for number in range(120))
    )
    outputs = {"faces": ("system.Artifact", "20260101-000000-000/task/faces")}
    run_of(site.runs, "20260101-000000-000", task_of("task", outputs))
    place = "/runs/20260101-000000-000/task/faces"
    first = site.get(place)
    assert "Rows 1 to 50 of 120" in first.text
    assert "person 049<" in first.text and "person 050<" not in first.text
    last = site.get(
        re.search(r'href="(\?[^"]+)#rows">Last', first.text)[1].replace("&amp;", "&").replace("?", f"{place}?")
    )
    assert "Rows 101 to 120 of 120" in last.text
    (picture,) = re.findall(r'src="([^"]+row=119[^"]+)"', last.text)
    jpeg = site.get(html.unescape(picture))
    assert jpeg.content.startswith(b"\xff\xd8")
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert jpeg.headers["cache-control"] == "no-store"
    for other in ("118", "120"):
        assert site.get(html.unescape(picture).replace("119", other)).status == 404
    assert site.get(f"{place}?offset=nonsense").status == site.get(f"{place}?offset=-1").status == 200


def test_faces_from_before_their_quality_was_measured_are_shown(site):
    run = "20260101-000000-000"
    run_of(site.runs, run, task_of("task", {"faces": ("system.Artifact", f"{run}/task/faces")}))
    file = faces_of(site.runs / run / "task" / "faces", ("Ada",)) / "part-00000.parquet"
    table = pq.read_table(file).drop_columns(list(FACES.since))
    said = json.loads(table.schema.metadata[b"facenet"]) | {"schema_version": 1}
    pq.write_table(table.replace_schema_metadata({b"facenet": json.dumps(said).encode()}), file)
    page = site.get(f"/runs/{run}/task/faces")
    assert page.status == 200 and "Rows 1 to 1 of 1" in page.text and "quality" not in page.text
    (picture,) = re.findall(r'src="(/picture[^"]+)"', page.text)
    assert site.get(html.unescape(picture)).status == 200


def test_a_row_that_has_moved_is_no_picture_of_somebody_else(site):
    run = "20260101-000000-000"
    made = {name: ("system.Artifact", f"{run}/task/{name}") for name in ("faces", "dataset")}
    run_of(site.runs, run, task_of("task", made))
    faces = site.runs / run / "task" / "faces"
    faces_of(faces, ("Ada", "Bob", "Cleo"))
    dataset_of(faces)
    shown = {}
    for name in made:
        page = site.get(f"/runs/{run}/task/{name}")
        shown[name] = list(map(html.unescape, re.findall(r'src="(/picture[^"]+)"', page.text)))
        assert [site.get(address).status for address in shown[name]] == [200] * 3
    assert forget(["Ada", "--runs", str(site.runs)]) == 0
    for name, addresses in shown.items():
        assert [site.get(address).status for address in addresses] == [404] * 3
        page = site.get(f"/runs/{run}/task/{name}")
        now = list(map(html.unescape, re.findall(r'src="(/picture[^"]+)"', page.text)))
        assert [site.get(address).status for address in now] == [200] * 2
        assert [address.partition("face=")[2] for address in now] == [
            address.partition("face=")[2] for address in addresses[1:]
        ]


def test_the_photos_are_shown_sorted_by_and_found(site):
    for number, photos in enumerate(("holidays", "sample", None)):
        given = {"photos": photos} if photos else {}
        run_of(site.runs, f"20260101-000000-00{number}", settings=given, parameters=given)
    assert "holidays" in site.get("/").text
    by_photos = [f"20260101-000000-00{number}" for number in (0, 1, 2)]
    assert listed(site.get("/?sort=photos")) == by_photos
    assert listed(site.get("/?q=HOLI")) == by_photos[:1]


def test_a_path_ends_a_line_after_a_slash_and_a_pipe_for_a_record_is_one_run_that_cannot_be_read(site):
    given = {"photos": "/home/ada/pictures"}
    run_of(site.runs, "20260101-000000-000", settings=given, parameters=given)
    (site.runs / "20260102-000000-000").mkdir()
    os.mkfifo(site.runs / "20260102-000000-000" / "run.json")
    page = site.get("/")
    assert 'title="/home/ada/pictures">/<wbr>home/<wbr>ada/<wbr>pictures</bdi>' in page.text
    assert listed(page) == ["20260102-000000-000", "20260101-000000-000"]
    for address in ("/", "/runs/20260102-000000-000"):
        assert "its record is no plain file" in site.get(address).text


def test_a_failed_run_shows_the_error_that_its_task_has(site):
    run = "20260101-000000-000"
    task = task_of("embed", state=FAILED, message="exit code 2", log=f"{run}/embed/log.txt")
    run_of(site.runs, run, task, state=FAILED)
    log = site.runs / run / "embed" / "log.txt"
    log.write_text("decode\nfacenet embed: These <faces> were cut.\nReceived: faces: 1\nRun it again.\n")
    assert "These &lt;faces&gt; were cut." in site.get(f"/runs/{run}").text
    log.write_text("Traceback (most recent call last):\nValueError: no such thing\n\n")
    assert "ValueError: no such thing" in site.get(f"/runs/{run}").text


def test_a_task_shows_where_its_workspace_is(site):
    given = {"training": "{{$.workspace_path}}/training", "rounds": 3}
    run_of(site.runs, "20260101-000000-000", task_of("train", parameters=given))
    cached = task_of("train", parameters=given, state=CACHED, origin={"run": "20260101-000000-000", "seconds": 1.0})
    run_of(site.runs, "20260102-000000-000", cached)
    for run in ("20260101-000000-000", "20260102-000000-000"):
        page = site.get(f"/runs/{run}/train").text
        assert f"{site.runs.resolve()}/20260101-000000-000/train/training" in page
        assert "workspace_path" not in page


def test_what_makes_the_scores_doubtful_is_said_wherever_they_are_shown(site):
    scores = {"evaluate": {"accuracy": 0.99, "identities": 240, "train_identities": 175}}
    for run in ("20260101-000000-000", "20260102-000000-000"):
        run_of(site.runs, run, metrics=scores)
    both = "/compare?run=20260101-000000-000&run=20260102-000000-000"
    for address, times in (("/", 2), ("/runs/20260101-000000-000", 1), (both, 2)):
        assert site.get(address).text.count("175 of the 240 people measured are of the train split") == times


def test_the_numbers_of_a_report_are_called_as_the_report_calls_them():
    assert [words(one.key) for one in NUMBERS] == [one.label for one in NUMBERS]
