from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.mine_and_train.card import ShownFace, card
from components.mine_and_train.events import Events, write_projector
from components.mine_and_train.hardest import HardTriplet
from components.mine_and_train.history import Round
from components.mine_and_train.settings import Settings
from components.page.pictures import thumbnail

DONE = Round(1, 10, "triplets", 64, 1000, 1000, 900, 0.5, 0.2, 0.7, 0.8, 1.5, 1e-3, 300.0, 2.0)
ROUNDS = [
    replace(DONE, number=number, step=10 * number, loss=0.2 / number, validation_auc=auc, validation_accuracy=auc)
    for number, auc in ((1, None), (2, 0.8), (3, 0.9), (4, 0.85))
]
DEFAULTS = Settings(input=Path("in"), checkpoint=Path("out")).config()
NAMES = ("Ada", "Ada", "<script>alert(1)</script>")


def unit(count, seed=0, size=8):
    rows = np.random.default_rng(seed).normal(size=(count, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def picture(seed=0):
    return np.random.default_rng(seed).integers(256, size=(32, 32, 3)).astype(np.uint8)


def filled(rounds=ROUNDS, settings=DEFAULTS, picture="data:image/jpeg;base64,AAAA", kept=None):
    shown = card(
        rounds,
        kept or rounds[-1],
        settings,
        DEFAULTS,
        [HardTriplet(0, 1, 2, 1.25, 0.5)],
        lambda row: ShownFace(NAMES[row], picture),
    )
    return shown.html, shown.markdown


def test_the_card_tells_the_score_of_what_is_kept_the_changed_settings_and_the_hardest_triplets():
    page, summary = filled(settings=DEFAULTS | {"rounds": 4, "jitter": 0.06, "xla": True})
    for text in (page, summary):
        assert "85.00%" in text and "round 4, which is kept" in text and "90.00%" not in text
        assert "Round 3 scored higher, AUC 0.900" in text
        assert "flip true, jitter 0.06, brightness 0.0, contrast 0.0, saturation 0.0" in text.replace(r"\_", "_")
        assert "jpeg_quality 100, erasing 0.0" in text.replace(r"\_", "_") and "1.250" in text and "0.500" in text
    assert "<td><code>--rounds</code></td><td>4</td><td>100</td>" in page
    assert "| rounds | 4 | 100 |" in summary and "| xla | true | false |" in summary
    assert page.count("<svg") == 6 and page.count("<img") == 3


def test_where_the_best_was_taken_the_card_tells_its_score():
    for text in filled(kept=ROUNDS[2]):
        assert "90.00%" in text and "round 3, which is kept" in text and "scored higher" not in text


def test_the_card_says_whose_hardest_triplets_it_shows():
    assert "the faces of the last round" in filled()[0]
    assert "a sample of the faces trained on" in filled(settings=DEFAULTS | {"loss": "contrastive"})[0]


@pytest.mark.long
def test_rounds_without_triplets_are_told_by_their_pairs():
    none = {"triplets_found": 0, "triplets_kept": 0, "triplets_trained": 0}
    rounds = [replace(done, phase="contrastive", pairs_trained=1500, **none) for done in ROUNDS]
    page, summary = filled(rounds)
    assert "Pairs<strong>6,000</strong>" in page and "| Pairs of one person trained on | 6,000 |" in summary
    assert "Triplets<strong>" not in page and "Triplets found" not in summary
    assert "Pairs<strong>" not in filled()[0] and "Pairs of one person" not in filled()[1]


def test_names_are_text_and_the_page_needs_nothing_from_elsewhere():
    page, summary = filled()
    assert "<script" not in page and "&lt;script&gt;alert(1)" in page
    assert "<script" not in summary.replace(r"\<", "")
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert len(page) < 2_000_000


def test_a_card_without_pictures_scores_or_changes_says_so():
    page, _ = filled([DONE], picture="")
    assert "<img" not in page and "Nothing was held out" in page and "All settings are the defaults" in page
    assert "Pictures of people are switched off." in page
    assert page.count("<svg") == 5


def test_the_card_of_many_rounds_is_no_larger():
    rng = np.random.default_rng(0)
    page, _ = filled([replace(DONE, number=number, loss=float(rng.random())) for number in range(1, 5001)])
    assert "Of each line 300 points" in page and len(page) < 200_000


def test_what_is_wrong_with_a_training_is_on_its_card():
    collapsed = [replace(done, spread=0.0) for done in ROUNDS]
    for text in filled(collapsed):
        assert "ll embeddings have become equal" in text and "semi" in text


def scalars(folder):
    """(step, tag) -> value, of all event files in a folder; a pair that stands twice is an error."""
    found = {}
    for file in sorted(folder.glob("events.out*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                assert (event.step, value.tag) not in found
                found[event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    return found


def test_events_hold_what_was_measured_and_a_resumed_training_writes_none_twice(tmp_path):
    events = Events(tmp_path / "events", [])
    for done in ROUNDS[:3]:
        events.add(done)
    events.close()
    events = Events(tmp_path / "events", ROUNDS[:2])
    for done in ROUNDS[2:]:
        events.add(done)
    events.close()
    found = scalars(tmp_path / "events")
    assert [found[done.step, "triplets/loss"] for done in ROUNDS] == pytest.approx([done.loss for done in ROUNDS])
    assert [step for step, tag in found if tag == "validation/auc"] == [20, 30, 40]
    assert found[30, "validation/auc"] == pytest.approx(0.9)


def test_the_projector_gets_vectors_names_and_a_sheet_of_faces(tmp_path):
    images = np.stack([picture(number) for number in range(5)])
    write_projector(tmp_path, unit(5), ["Ada", "tab\there", "two\nlines", "", "é"], images)
    assert (tmp_path / "names.tsv").read_text() == "Ada\ntab here\ntwo lines\n\né\n"
    vectors = np.loadtxt(tmp_path / "vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, unit(5), atol=1e-6)
    sheet = Image.open(tmp_path / "faces.png")
    assert sheet.size == (3 * 48, 3 * 48)
    fourth = np.asarray(sheet.crop((0, 48, 48, 96)), np.float64)
    wanted = np.asarray(Image.fromarray(images[3]).resize((48, 48), Image.Resampling.LANCZOS), np.float64)
    np.testing.assert_array_equal(fourth, wanted)
    config = (tmp_path / "projector_config.pbtxt").read_text()
    for line in ('tensor_path: "vectors.tsv"', 'metadata_path: "names.tsv"', "single_image_dim: 48"):
        assert line in config


def test_a_thumbnail_is_a_small_picture_within_the_page():
    uri = thumbnail(Image.fromarray(picture()))
    assert uri.startswith("data:image/jpeg;base64,") and len(uri) < 20_000
