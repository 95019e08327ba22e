"""The stage as its users run it, on generated faces and on embeddings with a known structure."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow.compute as pc
import pytest

from components.common.manifest import EMBEDDINGS, PAIRS, read, write
from components.evaluate import on_disk
from components.evaluate.__main__ import main
from components.evaluate.metrics import accuracy
from components.page.words import markdown_text
from tests.answers import checked_metrics

AWKWARD = "<b>O'Neil<b> & |co|"  # as in conftest.py


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, write_inputs):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def evaluate(inputs, output, *more):
    return main(["-i", str(inputs / "embeddings"), "-o", str(output), *map(str, more)])


@pytest.fixture(scope="module")
def report(inputs, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluated") / "report"
    files = ("--html", output.parent / "card", "--markdown", output.parent / "text")
    assert evaluate(inputs, output, "--faces", inputs / "faces", *files) == 0
    return output


@pytest.fixture(scope="module")
def metrics(report):
    return checked_metrics(report)


def test_the_report_is_whole_and_the_single_files_are_the_same_bytes(report):
    assert sorted(path.name for path in report.iterdir()) == ["metrics.json", "pairs", "report.html", "report.md"]
    assert (report.parent / "card").read_bytes() == (report / "report.html").read_bytes()
    assert (report.parent / "text").read_bytes() == (report / "report.md").read_bytes()


def test_the_metrics_say_what_was_measured(metrics):
    assert metrics["protocol"]["kind"] == "unseen-folds"
    assert metrics["protocol"]["identities_in_several_folds"] == 0
    assert metrics["embeddings"] == {"faces": 96, "identities": 24, "size": 16}
    assert metrics["protocol"]["scored"] == {"same_pairs": 144, "different_pairs": 144}
    assert metrics["protocol"]["compared"] == {"same_pairs": 144, "different_pairs": 96 * 95 // 2 - 144}
    assert all(row["val"] is not None for row in metrics["val_at_far"])


def test_the_pairs_are_enough_to_measure_the_accuracy_again(report, metrics):
    pairs = read(report / "pairs", PAIRS)
    distances, same, fold = (pairs[name].to_numpy() for name in ("distance", "same", "fold"))
    for result in metrics["accuracy"]["folds"]:
        inside = fold == result["fold"]
        assert accuracy(distances[inside].astype(float), same[inside], result["threshold"]) == result["accuracy"]
    folds = [result["accuracy"] for result in metrics["accuracy"]["folds"]]
    assert len(folds) == 10
    assert metrics["accuracy"]["mean"] == pytest.approx(np.mean(folds))
    assert metrics["accuracy"]["standard_error"] == pytest.approx(np.std(folds, ddof=1) / 10**0.5)
    assert 0.6 < metrics["accuracy"]["mean"] < 1


def test_equal_settings_give_equal_bytes(inputs, report, tmp_path):
    evaluate(inputs, tmp_path / "report", "--faces", inputs / "faces")
    for name in ("report.html", "report.md", "metrics.json"):
        assert (tmp_path / "report" / name).read_bytes() == (report / name).read_bytes()


@pytest.mark.parametrize("more", [[], ["--split", "all"], ["--pairs"]], ids=["split", "all", "pairs"])
def test_many_faces_are_measured_from_a_file_as_few_are_in_memory(more, tmp_path, monkeypatch, write_inputs):
    several = ["train", "test", "test"]
    inputs = write_inputs(tmp_path, identities=60, split=lambda number: several[number % 3])
    table = read(inputs / "embeddings", EMBEDDINGS)
    names = pc.replace_substring(table["identity"], "p9", "unnamed/p9")
    table = table.set_column(1, EMBEDDINGS.schema.field("identity"), names)
    write(inputs / "embeddings", EMBEDDINGS, table.take(np.random.default_rng(0).permutation(len(table))))
    (tmp_path / "groups.csv").write_text("identity,group\n" + "".join(f"p{i},{i % 2}\n" for i in range(60)))
    if "--pairs" in more:
        same = [f"p{i}/0 p{i}/{j}\n" for i in range(1, 20) for j in (1, 2)]
        different = [f"p{i}/0 p{i + 1}/{j}\n" for i in range(1, 20) for j in (1, 2)]
        (tmp_path / "pairs.txt").write_text("1\t38\n" + "".join(same + different))
        more = ["--pairs", tmp_path / "pairs.txt"]
    given = ["--faces", inputs / "faces", "--slices", tmp_path / "groups.csv", *more]
    assert evaluate(inputs, tmp_path / "few" / "report", *given) == 0
    for name, value in {
        "on_disk.MOST_IN_MEMORY": 0,
        "embeddings._VALUES_PER_READ": 100,
        "embeddings._TEXTS_AT_ONCE": 7,
        "discard._FACES_AT_ONCE": 50,
        "slices._FACES_AT_ONCE": 50,
    }.items():
        monkeypatch.setattr(f"components.evaluate.{name}", value)
    files = []
    made = on_disk.TemporaryFile
    monkeypatch.setattr(on_disk, "TemporaryFile", lambda dir: files.append(dir) or made(dir=dir))
    assert evaluate(inputs, tmp_path / "many" / "report", *given) == 0
    assert files == 3 * [tmp_path]  # of the embeddings, and of galleries' for identification and discard
    for name in ("report.html", "report.md", "metrics.json"):
        assert (tmp_path / "many" / "report" / name).read_bytes() == (tmp_path / "few" / "report" / name).read_bytes()
    pairs = [read(tmp_path / kind / "report" / "pairs", PAIRS) for kind in ("many", "few")]
    assert pairs[0].equals(pairs[1])
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["report"]


def test_one_false_accept_rate_stands_for_the_others_everywhere(report, metrics):
    val = next(row["val"] for row in metrics["val_at_far"] if row["far"] == 0.01)
    (tile,) = re.findall(r"<div>VAL at FAR 0.01<strong>(.*?)</strong>", (report / "report.html").read_text())
    assert tile == f"{val * 100:.2f}%"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.links = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained_and_names_are_text(report):
    page = Page((report / "report.html").read_text())
    assert page.links
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert not re.search(r"url\((?!#)", (report / "report.html").read_text())
    assert page.tags.count("svg") == 5
    assert "b" not in page.tags
    assert AWKWARD in page.text
    assert (report / "report.html").stat().st_size < 1_000_000


def test_the_figures_take_their_colours_from_the_page(report):
    figures = re.findall(r"<svg.*?</svg>", (report / "report.html").read_text(), re.DOTALL)
    for figure in figures:
        assert not re.findall(r"#[0-9a-f]{6}\b", figure)
        assert "currentColor" in figure
        assert "var(--same)" in figure


def test_mistakes_are_shown_worst_first_with_pictures_and_no_face_twice(report, metrics):
    html = (report / "report.html").read_text()
    rejected, accepted = html.split("The same person, rejected")[1].split("Different people, accepted")
    for part, sign in ((rejected, -1), (accepted, 1)):
        distances = [float(text) for text in re.findall(r"distance ([\d.]+)", part)]
        assert 0 < len(distances) <= 6
        assert distances == sorted(distances, key=lambda distance: sign * distance)
        assert all(sign * distance <= sign * metrics["threshold"] for distance in distances)
        assert part.count("data:image/jpeg") == 2 * len(distances)
        assert len(set(re.findall(r"<small>(.*?)</small>", part))) == 2 * len(distances)


def test_html_markdown_and_output_give_the_same_numbers(inputs, report, metrics, tmp_path, capsys):
    evaluate(inputs, tmp_path / "report")
    said = capsys.readouterr().out
    for text in (said, (report / "report.html").read_text(), (report / "report.md").read_text()):
        assert f"{metrics['accuracy']['mean'] * 100:.2f}%" in text
        assert f"{metrics['eer']['value'] * 100:.2f}%" in text
        assert f"{metrics['auc']:.4f}" in text
        assert f"{metrics['threshold']:.4f}" in text
        for row in metrics["val_at_far"]:
            assert f"{row['val'] * 100:.2f}%" in text


def test_without_faces_the_report_says_how_to_get_pictures(inputs, tmp_path):
    evaluate(inputs, tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text()
    assert "data:image" not in html
    assert "Pictures need the faces manifest" in html


def test_few_people_are_measured_and_the_doubt_is_said_everywhere(tmp_path, capsys, write_inputs):
    inputs = write_inputs(tmp_path, identities=4)
    assert evaluate(inputs, tmp_path / "report") == 0
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert record["protocol"]["kind"] == "shared-folds"
    assert record["protocol"]["identities_in_several_folds"] > 0
    assert [row["far"] for row in record["val_at_far"] if row["val"] is not None] == [0.1]
    markdown = (tmp_path / "report" / "report.md").read_text()
    for text in (capsys.readouterr().out, (tmp_path / "report" / "report.html").read_text(), markdown):
        assert "folds share identities" in text
        assert "not measurable" in text


def test_perfect_separation_has_no_mistakes_and_no_claim_of_certainty(tmp_path, write_inputs):
    inputs = write_inputs(tmp_path, noise=0.0)
    assert evaluate(inputs, tmp_path / "report") == 0
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert (record["accuracy"]["mean"], record["auc"], record["eer"]["value"]) == (1, 1, 0)
    html = (tmp_path / "report" / "report.html").read_text()
    assert record["auc_interval"] == [1, 1] and record["doubt"] == ""
    assert "cannot say how certain the numbers are" in html
    assert "0 of 144 same-identity pairs are farther apart" in html


def test_only_the_split_is_measured(tmp_path, write_inputs):
    inputs = write_inputs(tmp_path, split=lambda number: "test" if number % 3 else "train")
    evaluate(inputs, tmp_path / "report")
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert record["protocol"]["identities"] == 16
    shown = set(read(tmp_path / "report" / "pairs", PAIRS)["face_id_a"].to_pylist())
    assert all(int(face.split("-")[0]) % 3 for face in shown)
    evaluate(inputs, tmp_path / "all", "--split", "all")
    assert json.loads((tmp_path / "all" / "metrics.json").read_text())["protocol"]["identities"] == 24


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"identities": 3, "noise": 0.1}, "3 of the people measured have two faces or more"),
        ({"identities": 12, "noise": 1e3}, "which has an AUC of 0.5: with other people like these"),
    ],
)
def test_what_cannot_be_told_from_guessing_is_called_so_everywhere(tmp_path, capsys, write_inputs, made, said):
    assert evaluate(write_inputs(tmp_path, **made), tmp_path / "report") == 0
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert said in record["doubt"]
    low, high = record["auc_interval"]
    assert low <= record["auc"] <= high
    pages = [(tmp_path / "report" / name).read_text() for name in ("report.html", "report.md")]
    for text in (capsys.readouterr().out, *pages):
        assert record["doubt"] in text
        # The spread over folds of a few pairs is no range of what others would give.
        assert "standard errors" not in text


@pytest.mark.parametrize(
    ("split", "splits", "said"),
    [
        ("all", {"test": 16, "train": 8}, "8 of the 24 people measured are of the train split"),
        ("train", {"train": 8}, "8 of the 8 people measured are of the train split"),
        ("test", {"test": 16}, "the test split, kept out of training"),
    ],
)
def test_whom_a_training_knows_is_counted_and_nothing_is_said_of_a_network_that_may_be_anothers(
    tmp_path, capsys, write_inputs, split, splits, said
):
    inputs = write_inputs(tmp_path, split=lambda number: "test" if number % 3 else "train")
    assert evaluate(inputs, tmp_path / "report", "--split", split) == 0
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["protocol"]["splits"] == splits
    pages = [(tmp_path / "report" / name).read_text() for name in ("report.html", "report.md")]
    for text in (capsys.readouterr().out, *pages):
        assert said in text
        assert "network never saw" not in text and "network has seen" not in text


def test_a_pairs_file_is_measured_and_what_it_lacks_is_said_everywhere(inputs, tmp_path, capsys):
    lines = ["2\t3"]
    for fold in (1, 4):
        lines += [f"p{fold + i}/0 p{fold + i}/{i + 1}" for i in range(3)]
        lines += ["nobody/7 p1/0", f"p{fold}/0 p{fold + 1}/0", f"p{fold}/1 p{fold + 2}/1"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    assert evaluate(inputs, tmp_path / "report", "--pairs", tmp_path / "pairs.txt") == 0
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert record["missing"] == {"faces": 1, "pairs": 2, "first": ["nobody/7"], "pairs_per_fold": [1, 1]}
    # Of 6 pairs a fold one is missing: left out, and counted as wrong.
    left_out = [fold["accuracy"] for fold in record["accuracy"]["folds"]]
    as_wrong = record["accuracy"]["mean_missing_wrong"]
    assert as_wrong == pytest.approx(np.mean(left_out) * 5 / 6)
    assert record["protocol"]["pairs_file"] == "pairs.txt"
    assert record["protocol"]["split"] is None
    assert record["protocol"]["scored"] == {"same_pairs": 6, "different_pairs": 4}
    pairs = read(tmp_path / "report" / "pairs", PAIRS).to_pylist()
    assert [(pair["face_id_a"], pair["face_id_b"], pair["fold"]) for pair in pairs][:4] == [
        ("1-0", "1-1", 0), ("2-0", "2-2", 0), ("3-0", "3-3", 0), ("1-0", "2-0", 0),
    ]  # fmt: skip
    said = capsys.readouterr().out
    for text in (
        said,
        (tmp_path / "report" / "report.html").read_text(),
        (tmp_path / "report" / "report.md").read_text(),
    ):
        assert "nobody/7" in text
        assert f"{100 * as_wrong:.2f}%" in text


def test_a_fold_of_missing_pairs_alone_has_none_right(inputs, tmp_path):
    lines = ["3\t1", "p1/0 p1/1", "p1/0 p2/0", "p3/0 p3/1", "p3/0 p4/0", "nobody/7 nobody/8", "nobody/7 p5/0"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    assert evaluate(inputs, tmp_path / "report", "--pairs", tmp_path / "pairs.txt") == 0
    accuracy = json.loads((tmp_path / "report" / "metrics.json").read_text())["accuracy"]
    assert accuracy["mean_missing_wrong"] == pytest.approx(sum(fold["accuracy"] for fold in accuracy["folds"]) / 3)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--folds", "1"), "--folds must be at least 2"),
        (("--max_pairs", "19"), "--max_pairs must be at least twice --folds"),
        (("--seed", "-1"), "--seed must not be negative"),
        (("--split", "validation"), "at least two identities"),
        (("--pairs", "nowhere.txt"), "pairs file cannot be read"),
        (("--faces", "nowhere"), "no faces manifest here"),
        (("--former", "nowhere"), "not a report to compare with"),
    ],
)
def test_wrong_use_is_said_and_leaves_nothing(inputs, tmp_path, capsys, more, what):
    assert evaluate(inputs, tmp_path / "report", *more) == 2
    assert what in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_faces_of_another_run_are_refused(inputs, tmp_path, capsys, write_inputs):
    other = write_inputs(tmp_path / "other", identities=1)
    assert evaluate(inputs, tmp_path / "report", "--faces", other / "faces") == 2
    assert "not the one that the faces to be shown come from" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_a_name_cannot_leave_its_place_in_a_markdown_table():
    assert markdown_text("a|b\n<i>_c_") == r"a\|b \<i\>\_c\_"
