"""What the card of an extraction shows, and that it stays small."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.common.manifest import FACES, about, read, write
from components.extract.__main__ import main
from components.extract.card import show
from components.extract.extracted import Extracted
from components.extract.reasons import MEANING, Reason
from components.extract.scan import Scan


def pictures(page):
    return [
        Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    ]


@pytest.fixture(scope="module")
def folder(sample_photos, tmp_path_factory):
    """Two people with two photos each and three photos without a face; what the stage makes of them."""
    folder = tmp_path_factory.mktemp("card")
    for person in ("person-00000", "person-00001"):
        (folder / "photos" / person).mkdir(parents=True)
        for name in ("00.jpg", "01.jpg"):
            shutil.copy(sample_photos / person / name, folder / "photos" / person)
    Image.new("RGB", (300, 200), "teal").save(folder / "photos" / "person-00001" / "blank.png")
    (folder / "photos" / "person-00001" / "text.jpg").write_text("text")
    Image.new("RGB", (99, 99)).save(folder / "photos" / "loose.png")
    flags = ["-i", folder / "photos", "-o", folder / "faces", "--html", folder / "html", "--markdown", folder / "md"]
    assert main([*map(str, flags), "--workers", "1"]) == 0
    return folder


def shown(folder, photos="photos", rejects=(), pictures=True):
    extracted = Extracted(Scan(["a/1.jpg"] * (4 + len(rejects))), 4, Counter({"a": 4}), list(rejects))
    return show(extracted, folder / photos, folder / "faces", 10**8, pictures=pictures)


def test_the_card_counts_and_shows_faces_on_their_photos_and_photos_without_one(folder):
    page, summary = (folder / "html").read_text(), (folder / "md").read_text()
    for text in (page, summary):
        for reason in (Reason.NO_FACE, Reason.NOT_AN_IMAGE, Reason.LOOSE):
            assert reason.value.replace("-", "") in text.replace("\\", "").replace("-", "")
    assert "| Faces | 4 |" in summary and "| Photos rejected | 3 |" in summary
    assert "4 of 4 faces" in page and "3 of 3" in page
    assert page.count("<svg") == 3
    faces = read(folder / "faces", FACES)
    shown = pictures(page)
    assert len(shown) == 2 * len(faces) + 1  # photo and crop of each, and the blank one
    with Image.open(folder / "photos" / faces["photo_path"][0].as_py()) as photo:
        scale = shown[0].width / photo.width
    x0, y0, x1, y1 = (np.array(faces["box"][0].as_py()) * scale).round().astype(int)
    for x, y in ((x0 + 1, (y0 + y1) // 2), ((x0 + x1) // 2, y1 - 1)):  # on the left and on the lower edge
        red, green, blue = shown[0].getpixel((int(x), int(y)))
        assert red > 150 and green > 130 and blue < 120


def test_without_pictures_there_are_none_and_it_is_said(folder):
    card = shown(folder, pictures=False)
    assert not pictures(card.html)
    for text in (card.html, card.markdown):
        assert "Pictures of people are switched off." in text


def test_poor_faces_are_shown_with_what_lowers_their_quality_and_no_others(folder, tmp_path):
    table = read(folder / "faces", FACES)
    for name, values in {"quality": [90, 55, 20, 70], "sharpness": [1, 1, 0.01, 1], "yaw": [0, 80, 0, 0]}.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pa.array(values, pa.float32()))
    write(tmp_path / "faces", FACES, table, about(folder / "faces", FACES))
    for pictures_shown in (True, False):
        card = show(Extracted(Scan([]), 4), folder / "photos", tmp_path / "faces", 10**8, pictures=pictures_shown)
        _, _, poor = card.html.partition("The worst faces")
        assert poor.index("quality 20: blurred") < poor.index("quality 55: turned away")
        assert "quality 70" not in poor and "2 of 2 faces" in poor
        assert len(pictures(poor)) == (2 if pictures_shown else 0)
        assert "quality 20: blurred" in card.markdown


def test_a_photo_that_has_gone_since_is_left_out(folder):
    assert len(pictures(shown(folder, photos="nowhere").html)) == 4  # the crops


def test_of_many_rejected_photos_every_reason_is_shown_and_the_card_stays_small(folder):
    reasons = [Reason.NO_FACE] * 3000 + [Reason.TRUNCATED] * 20 + [Reason.WORKER_DIED]
    rejects = [{"photo_path": f"a/{i}.jpg", "reason": reason.value, "detail": "d"} for i, reason in enumerate(reasons)]
    card = shown(folder, rejects=rejects)
    assert "12 of 3,021" in card.html
    for count, reason in ((3000, Reason.NO_FACE), (20, Reason.TRUNCATED), (1, Reason.WORKER_DIED)):
        assert f"| {reason.value} | {count:,} |" in card.markdown
    assert "a/3020.jpg" in card.markdown
    assert len(card.html) < 500_000


def test_a_shard_without_photos_has_a_card_too(folder, tmp_path):
    write(tmp_path / "none", FACES, FACES.schema.empty_table(), {"detector": "dlib-hog 20.0.1"})
    card = show(Extracted(Scan()), folder / "photos", tmp_path / "none", 10**8, pictures=True)
    assert "| Faces | 0 |" in card.markdown and "<img" not in card.html


def test_every_reason_has_words():
    assert set(MEANING) == set(Reason)
