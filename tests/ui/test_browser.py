"""What a person sees and does, in a real browser, on a real run and on one that still runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from components.common.names import plain
from pipelines.records.files import read_run, read_task, write_run, write_task
from pipelines.ui.orders import Orders
from tests.pipeline.conftest import Tiny
from tests.ui.records import HOSTILE, faces_of, run_of, task_of

pytestmark = pytest.mark.browser

OTHER = "20990101-000000-000"


@pytest.fixture
def open_page(browser):
    """Opens pages; at the end, nothing may have come from elsewhere, and no script or policy have complained."""
    contexts, asked, said = [], [], []

    def opened(address, **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert asked and not [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))]
    assert not said


@pytest.fixture
def two(server, in_processes, tmp_path):
    """A real run, and another with other settings and a better result."""
    for name in (in_processes.name, OTHER):
        shutil.copytree(in_processes, tmp_path / name, symlinks=True, copy_function=os.link)
    run = replace(read_run(tmp_path, in_processes.name), id=OTHER)
    run.settings["rounds"] = run.parameters["rounds"] = 99
    run.metrics["evaluate"]["accuracy"] = 0.9876
    write_run(tmp_path, run)
    task = read_task(tmp_path, OTHER, "evaluate")
    task.metrics["accuracy"] = 0.9876
    write_task(tmp_path, OTHER, task)
    return server.show(tmp_path)


def test_from_the_list_to_a_graph_a_card_and_a_table_with_faces(two, in_processes, open_page):
    page = open_page(two.address)
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text(OTHER)
    page.get_by_role("link", name="Accuracy").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Accuracy")
    page.get_by_label("Find").fill("rounds=99")
    page.get_by_label("Find").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(f"{two.address}/runs/{in_processes.name}")

    boxes = page.locator(".graph a.box")
    expect(boxes).to_have_count(8)
    expect(page.locator(".graph a.box.succeeded")).to_have_count(8)
    bars = page.get_by_role("img", name=re.compile(r"It began after .* took "))
    expect(bars).to_have_count(8)
    train, embed = (bars.nth(task).locator("rect").last.bounding_box() for task in (4, 5))
    assert embed["x"] >= train["x"] + train["width"] - 3 > page.viewport_size["width"] / 5
    middles = [box.bounding_box()["y"] for box in boxes.all()]
    assert middles == sorted(middles)
    expect(page.locator("dl.numbers").first).to_contain_text("Accuracy")
    page.locator("#box-extract").click()

    card = page.frame_locator("iframe.card")
    expect(card.get_by_role("heading", name="Faces found")).to_be_visible()
    assert page.locator("iframe.card").get_attribute("sandbox") == "allow-scripts"
    expect(page.locator("#log")).to_contain_text("96 faces")
    expect(page.locator(".command code").first).to_have_text(
        re.compile(f"facenet rerun extract --run {in_processes.name}")
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("facenet rerun extract")
    page.get_by_role("link", name="faces", exact=True).click()

    expect(page.locator("#rows")).to_contain_text("Rows 1 to 50 of 96")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#rows")).to_contain_text("Rows 51 to 96 of 96")
    page.get_by_label("Identity").fill("person-00003")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    page.wait_for_load_state()
    for picture in page.locator("tbody img").all():
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("picture => picture.naturalWidth") > 20
    page.goto(f"{two.address}/runs/{in_processes.name}/mine-and-train/checkpoint")
    expect(page.locator("dl.pairs").first).to_contain_text("small_resnet")


def test_runs_are_ticked_and_compared(two, in_processes, open_page):
    page = open_page(two.address)
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.get_by_label(f"Compare run {in_processes.name}").check()
    expect(compare).to_be_disabled()
    page.get_by_label(f"Compare run {OTHER}").check()
    compare.click()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()
    row = page.locator("section", has=page.get_by_role("heading", name="Settings that differ")).locator("tbody tr")
    expect(row).to_have_text(re.compile(r"^\s*rounds\s*99\s*2\s*$"))
    expect(page.get_by_role("img", name="ROC curves")).to_be_visible()
    curves = page.locator("figure svg path").evaluate_all(
        "paths => paths.map(path => getComputedStyle(path).stroke).filter(stroke => stroke !== 'none')"
    )
    assert len({*curves}) >= 3  # two curves and the axes: the page's colours are known to the figure
    accuracy = page.locator("tr", has=page.get_by_role("rowheader", name="evaluate Accuracy", exact=True))
    expect(accuracy.locator(".best")).to_contain_text("0.9876")
    third = run_of(two.runs, "20980101-000000-000").id
    page.goto(two.address)
    for name in (in_processes.name, OTHER, third):
        page.get_by_label(f"Compare run {name}").check()
    compare.click()
    expect(page.get_by_role("heading", name="3 runs compared")).to_be_visible()
    last = page.locator("main .several li").last
    name = last.get_by_role("link").first.inner_text()
    last.get_by_role("link", name="Set the others against this").click()
    expect(page.locator("main .several li").first).to_contain_text(name)


def test_a_running_run_is_followed_without_reloading(server, tmp_path, open_page):
    tiny = Tiny(tmp_path, "process")
    process = tiny.start(SLEEP="1")
    try:
        while "asleep" not in process.stdout.readline():
            assert process.poll() is None
        site = server.show(tiny.runs)
        (run,) = tiny.all_runs()
        graph = open_page(f"{site.address}/runs/{run}")
        task = open_page(f"{site.address}/runs/{run}/count")
        listing = open_page(site.address)
        for page in (graph, task, listing):
            page.evaluate("window.unloaded = false")
            expect(page.locator(".state.running").first).to_be_visible()
        expect(graph.locator("#box-count")).to_have_class(re.compile("running"))
        expect(graph.locator("#box-report")).to_have_class(re.compile("pending"))
        expect(task.locator("#log")).to_contain_text("asleep")
        with (tiny.runs / run / "count" / "log.txt").open("a") as log:
            log.write("one more <b>line</b>\n")
        expect(task.locator("#log")).to_contain_text("one more <b>line</b>")
        graph.locator("#box-count").focus()
        task.get_by_text("The command that was run").click()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    expect(graph.locator("#box-count")).to_have_class(re.compile("stopped"))
    expect(graph.locator("#box-report")).to_have_class(re.compile("skipped"))
    expect(graph.locator("#box-count")).to_be_focused()
    expect(graph.locator("#state")).to_contain_text("stopped")
    expect(task.locator("#state")).to_contain_text("stopped")
    expect(task.locator("details")).to_have_attribute("open", "")
    expect(task.locator("#log")).to_contain_text("KeyboardInterrupt")
    expect(listing.locator("#runs .state")).to_have_text("stopped")
    for page in (graph, task, listing):
        assert page.evaluate("window.unloaded") is False
        expect(page.locator("body[data-changing]")).to_have_count(0)


def test_the_first_run_appears_in_a_list_that_was_empty(site, open_page):
    page = open_page(site.address)
    expect(page.get_by_text("No run is in this folder yet")).to_be_visible()
    run_of(site.runs, "20260101-000000-000", task_of("task"))
    expect(page.get_by_role("link", name="20260101-000000-000")).to_be_visible()


def test_hostile_names_are_seen_as_text(site, open_page):
    run = "20260101-000000-000"
    settings = {name: name for name in HOSTILE}
    outputs = {"faces": ("system.Artifact", f"{run}/task/faces")}
    faces_of(site.runs / run / "task" / "faces")
    task = task_of("task", outputs, label=HOSTILE[0], parameters=settings, metrics=settings, message=HOSTILE[5])
    run_of(site.runs, run, task, recipe=HOSTILE[2], settings=settings, parameters=settings)
    page = open_page(f"{site.address}/runs/{run}/task/faces")
    shown = page.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert shown == list(map(plain, HOSTILE))
    for path in ("", f"/runs/{run}", f"/runs/{run}/task", f"/runs/{run}/task/faces"):
        page.goto(f"{site.address}{path}")
        expect(page.get_by_text(HOSTILE[0]).first).to_be_attached()
        assert "hacked" not in page.title().replace(HOSTILE[0], "")
        assert page.locator("img[onerror]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_card_is_shown_whole(two, in_processes, open_page):
    page = open_page(f"{two.address}/runs/{in_processes.name}/extract")
    card = page.frame_locator("iframe.card").locator(":root")
    whole = "page => page.scrollHeight === page.clientHeight && page.clientHeight > 1500"
    # Wide and narrow: no part of it is to be scrolled to in its frame, as soon as it has told its height.
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 740})
        for _ in range(200):
            if card.evaluate(whole):
                break
            page.wait_for_timeout(50)
        assert card.evaluate(whole)
        assert page.evaluate("document.documentElement.scrollWidth") == width


LYING = """<style>body { min-height: 200vh }</style><script>
try { parent.document.title = "hacked" } catch { }
for (const lie of [null, "9 px; color: red", { height: 7 }, NaN, -1, 1e300]) parent.postMessage(lie, "*");
parent.postMessage("<script>", "*");
</script><!-- and the rest is silence"""


def test_a_card_that_lies_can_only_be_tall(site, open_page):
    run = "20260101-000000-000"
    run_of(site.runs, run, task_of("task", {"card": ("system.HTML", f"{run}/task/card")}))
    (site.runs / run / "task" / "card").write_text(LYING)
    page = open_page(f"{site.address}/runs/{run}/task")
    expect(page.locator("iframe.card")).to_have_attribute("style", "height: 20000px;")
    assert "hacked" not in page.title()
    expect(page.get_by_role("heading", name="Log")).to_be_attached()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_every_page_fits_a_phone_in_light_and_dark(two, in_processes, open_page, scheme):
    page = open_page(two.address, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    run = f"/runs/{in_processes.name}"
    places = ("", run, f"{run}/extract", f"{run}/embed", f"{run}/extract/faces", f"{run}/evaluate/report/metrics.json")
    for path in (*places, f"/compare?run={OTHER}&run={in_processes.name}"):
        page.goto(f"{two.address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", background)[0]) < 128) == (scheme == "dark")


def test_the_keyboard_reaches_everything(two, in_processes, open_page):
    page = open_page(f"{two.address}/runs/{in_processes.name}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className.baseVal || ''"))
        outline = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert page.evaluate(
            f"document.activeElement === document.body || document.activeElement.matches('.box') || {outline}"
        )
    assert {f"box-{name}" for name in ("extract", "collect", "mine-and-train", "export")} <= reached
    page.locator("#box-extract").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("extract")
    levels = page.locator("h1, h2, h3").evaluate_all("headings => headings.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1


def test_without_scripts_the_pages_work_too(two, open_page):
    page = open_page(two.address, java_script_enabled=False)
    page.get_by_role("link", name="Accuracy").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Accuracy")
    page.wait_for_load_state()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="2 runs compared")).to_be_visible()


def test_a_run_is_started_changed_and_stopped_from_the_pages(server, tmp_path, monkeypatch, open_page):
    tiny = Tiny(tmp_path, "process")
    assert tiny.run() == 0
    monkeypatch.setenv("SLEEP", "1")
    orders = Orders(tiny.runs.resolve())
    site = server.show(tiny.runs, orders)
    page = open_page(f"{site.address}/key/{orders.key}", viewport={"width": 360, "height": 740})
    page.get_by_role("link", name="New run").click()
    page.get_by_label("Photos", exact=True).fill("no such folder")
    page.get_by_label("laptop").check()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="No run was started")).to_be_visible()
    expect(page.get_by_text("Received: no such folder")).to_be_visible()
    page.get_by_role("link", name="Change it").click()
    expect(page.get_by_label("Photos", exact=True)).to_have_value("no such folder")
    expect(page.get_by_label("laptop")).to_be_checked()

    page.goto(f"{site.address}/runs/latest")
    page.locator("#box-count").click()
    page.get_by_role("link", name="Run it from here").click()
    page.get_by_label("factor").fill("7")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#box-count")).to_have_class(re.compile("running"))
    page.get_by_role("link", name="Stop").click()
    page.get_by_role("button", name="Stop it").click()
    expect(page.locator("#state")).to_contain_text("stopped")
    assert tiny.run_record()["settings"]["count.factor"] == 7
