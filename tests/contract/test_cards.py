"""The cards of all stages, for people with the worst names: the names are text, and the pages need nothing else."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from components.common.manifest import FACES, about, read, write
from components.common.names import plain
from tests.stages import WORK, main_of

HOSTILE = (
    "<script>alert(1)<script>",  # without a slash, by which a face without a name is known
    "../../etc/passwd",
    "x" * 300,
    "\u202e\u0645\u0631\u062d\u0628\u0627 fdp.exe",
    "\U0001f469\u200d\U0001f680 \U0001f389",
    "\"><img src=x onerror=alert(1)> 'q' {{ 7*7 }} | `c` *d*",
)
SHOWS_NOBODY = {"export"}


def hostile(number: int) -> str:
    return f"{HOSTILE[number % len(HOSTILE)]} {number}"


@pytest.fixture(scope="module")
def cards(faces: Path, sample_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with `html` and `markdown`, by stage: the sample people under other names."""
    folder = tmp_path_factory.mktemp("cards")
    for number, person in enumerate(sorted(sample_photos.glob("person-*"))[: len(HOSTILE)]):
        name = hostile(number).replace("/", "\u2215")[-80:]  # as a folder can be called
        (folder / "photos" / name).mkdir(parents=True)
        shutil.copy(person / "00.jpg", folder / "photos" / name)
    rows = read(faces, FACES).to_pylist()
    people = sorted({row["identity"] for row in rows})
    for number, row in enumerate(rows):
        name = hostile(people.index(row["identity"]))
        # A copy of a picture in every tenth row, so that collect has some to show.
        row |= {"identity": name, "photo_path": f"{name}/{number}.jpg", "phash": 7 if number % 10 == 9 else number + 9}
    places = {"photos": folder / "photos", "run": folder, "network": folder / "mine-and-train/checkpoint"}
    found = {stage: folder / "cards" / stage for stage in WORK}
    for stage, work in WORK.items():
        shown = ["--html", str(found[stage] / "html"), "--markdown", str(found[stage] / "markdown")]
        assert main_of(stage)([*work.flags(folder / work.result, **places), *work.former.split(), *shown]) == 0
        if stage == "extract":  # a file system has no room for names as bad as a manifest's
            whole = pa.Table.from_pylist(rows, schema=FACES.schema)
            write(folder / work.result, FACES, whole, about(faces, FACES))
    return found


class Page(HTMLParser):
    """What a browser would make of a page: elements, their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("stage", WORK)
def test_names_are_text_and_nothing_comes_from_elsewhere(cards, stage):
    page = Page((cards[stage] / "html").read_text())
    names = [
        hostile(number).replace("/", "\u2215")[-80:] if stage == "extract" else hostile(number) for number in range(24)
    ]
    assert any(plain(name) in page.text for name in names) == (stage not in SHOWS_NOBODY)
    assert page.text == plain(page.text, keep="\n\t")
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == (1 if stage == "embed" else 0)  # the map's own
    assert not set(tags) & {"iframe", "object", "embed", "link", "base", "form"}
    pictures = 0
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/jpeg;base64,", "#")), value
        pictures += tag == "img"
    assert bool(pictures) == (stage not in SHOWS_NOBODY)


@pytest.mark.parametrize("stage", WORK)
def test_a_card_is_small_fits_a_phone_and_follows_dark_mode(cards, stage):
    page = (cards[stage] / "html").read_text()
    assert len(page.encode()) < 1_000_000
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    assert "@import" not in page and "url(http" not in page


@pytest.mark.parametrize("stage", WORK)
def test_the_summary_holds_no_html_of_a_name(cards, stage):
    text = (cards[stage] / "markdown").read_text()
    assert text.startswith("# ") and len(text) < 50_000
    for start in ("<script", "<img"):
        assert start not in text.replace("\\<", "")
