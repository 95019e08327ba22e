"""What the report shows beyond its numbers: uncertainty, slices, a former report, and Kubeflow's own view of it."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from kfp import dsl

from components.evaluate.__main__ import main
from components.evaluate.bootstrap import _draws, intervals
from components.evaluate.compared import MeasuredPairs
from components.evaluate.metrics import area_under_curve, curve, val_at_far
from components.evaluate.protocols import Population

RATES = (0.1, 0.01)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, write_inputs):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def evaluate(inputs, output, *more):
    flags = ["-i", str(inputs / "embeddings"), "-o", str(output), *map(str, more)]
    assert main(flags) == 0
    return json.loads((output / "metrics.json").read_text())


def texts(output):
    return (output / "report.html").read_text(), (output / "report.md").read_text()


def test_kubeflow_gets_the_numbers_and_the_curve_as_its_own_library_shapes_them(inputs, tmp_path):
    artifacts = {name: {"artifacts": [{"name": name, "uri": f"gs://{name}"}]} for name in ("metrics", "roc")}
    given = {"embeddings": {"artifacts": [{"name": "embeddings", "uri": str(inputs / "embeddings")}]}}
    task = {
        "inputs": {"artifacts": given},
        "outputs": {"artifacts": artifacts, "outputFile": str(tmp_path / "out" / "executor_output.json")},
    }
    record = evaluate(inputs, tmp_path / "report", "--executor_input", json.dumps(task))
    said = json.loads((tmp_path / "out" / "executor_output.json").read_text())["artifacts"]
    numbers, roc = (said[name]["artifacts"][0]["metadata"] for name in ("metrics", "roc"))
    # In the order in which the UI shows them, by name.
    assert sorted(numbers) == [
        "accuracy", "accuracy_standard_error", "auc", "better_than_chance", "eer", "identities", "pairs",
        "train_identities", "val_at_far_0.01",
    ]  # fmt: skip
    assert numbers["pairs"] == 288
    assert numbers["better_than_chance"] == 1
    assert numbers["auc"] == float(f"{record['auc']:.6g}")
    assert numbers["val_at_far_0.01"] == pytest.approx(record["val_at_far"][1]["val"], abs=1e-6)
    assert said["roc"]["artifacts"][0]["uri"] == "gs://roc"

    kubeflows = dsl.ClassificationMetrics()
    far, val, threshold = map(list, zip(*record["roc"], strict=True))
    kubeflows.log_roc_curve(far, val, threshold)
    same, different = (record["protocol"]["compared"][f"{kind}_pairs"] for kind in ("same", "different"))
    accepted = [record["confusion"][f"{kind}_accepted"] for kind in ("same", "different")]
    kubeflows.log_confusion_matrix(
        ["same person", "different people"],
        [[accepted[0], same - accepted[0]], [accepted[1], different - accepted[1]]],
    )
    assert roc == kubeflows.metadata
    assert 50 < len(roc["confidenceMetrics"]) <= 220
    assert all(math.isfinite(value) for point in roc["confidenceMetrics"] for value in point.values())


def test_the_confusion_counts_are_those_of_the_mistakes(inputs, tmp_path):
    confusion = evaluate(inputs, tmp_path / "report")["confusion"]
    html, _ = texts(tmp_path / "report")
    assert f"{confusion['same_rejected']:,} of 144 same-identity pairs are farther" in html
    assert f"{confusion['different_accepted']:,} of 4,416 different-identity pairs are not farther" in html


def test_the_ranges_are_those_of_pairs_repeated_as_often_as_their_people_are_drawn():
    rng = np.random.default_rng(1)
    identity = np.repeat(np.arange(12), 5)
    pairs = Population.of(np.arange(60), identity).draw(120, 900, rng).as_pairs()
    distances = np.round(rng.normal(np.where(pairs.same, 0.9, 1.3), 0.25), 2)  # with ties
    values, areas = [], []
    for drawn in _draws(np.arange(12), seed=3):
        first, second = drawn[identity[pairs.first]], drawn[identity[pairs.second]]
        repeated = np.repeat(np.arange(len(pairs)), np.where(pairs.same, first, first * second))
        whole = curve(distances[repeated], pairs.same[repeated])
        values.append([val_at_far(whole, far) for far in RATES])
        areas.append(area_under_curve(whole))
    wanted = np.quantile(np.array(values), (0.025, 0.975), axis=0)
    kinds = [MeasuredPairs(pairs.first, pairs.second, distances)[kind] for kind in (pairs.same, ~pairs.same)]
    found = intervals(*kinds, identity, np.arange(12), RATES, seed=3)
    np.testing.assert_allclose(found.auc, np.quantile(areas, (0.025, 0.975)))
    for i, far in enumerate(RATES):
        np.testing.assert_allclose(found.rates[far].val, wanted[:, i, 0])
        np.testing.assert_allclose(found.rates[far].threshold, wanted[:, i, 1], atol=0.011)  # of people not drawn too
        low, high = found.rates[far].val
        assert low < val_at_far(curve(distances, pairs.same), far)[0] < high


def test_the_ranges_stand_beside_the_rates_and_none_beside_what_is_not_measurable(tmp_path, write_inputs):
    record = evaluate(write_inputs(tmp_path, identities=4), tmp_path / "report")
    measured, *others = record["val_at_far"]
    low, high = measured["val_interval"]
    assert low <= measured["val"] <= high
    assert [(row["val_interval"], row["threshold_interval"]) for row in others] == [(None, None)] * len(others)
    for text in texts(tmp_path / "report"):
        assert f"{low * 100:.2f}% to {high * 100:.2f}%" in text


def test_the_slices_of_a_pairs_file_are_measured_each_at_the_threshold_of_its_fold(inputs, tmp_path):
    lines = ["2\t3"]
    for fold in (1, 5):
        lines += [f"p{fold + i}/0 p{fold + i}/{i + 1}" for i in range(3)]
        lines += ["# slice: <i>glasses</i>", *(f"p{fold + i}/0 p{fold + i + 1}/{i}" for i in range(3))]
        lines += ["# slice: plain"] if fold == 1 else []
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    record = evaluate(inputs, tmp_path / "report", "--pairs", tmp_path / "pairs.txt")
    glasses, plain = record["slices"]
    assert (glasses["slice"], glasses["same_pairs"], glasses["different_pairs"]) == ("<i>glasses</i>", 0, 6)
    assert (plain["slice"], plain["same_pairs"], plain["different_pairs"]) == ("plain", 3, 0)
    assert glasses["same_accepted"] is None and plain["different_accepted"] is None
    assert glasses["accuracy"] == pytest.approx(1 - glasses["different_accepted"])
    # The first fold's same pairs are in no slice; all together they are the accuracy.
    folds = record["accuracy"]["folds"]
    right = sum(fold["accuracy"] * (fold["same_pairs"] + fold["different_pairs"]) for fold in folds)
    unnamed = right - glasses["accuracy"] * 6 - plain["accuracy"] * 3
    assert unnamed == pytest.approx(round(unnamed)) and 0 <= round(unnamed) <= 3
    html, markdown = texts(tmp_path / "report")
    assert "&lt;i&gt;glasses&lt;/i&gt;" in html and r"\<i\>glasses" in markdown


def test_a_former_report_is_compared_number_by_number_and_in_the_figure(inputs, tmp_path, write_inputs):
    former = evaluate(write_inputs(tmp_path / "other", noise=2.5), tmp_path / "former")
    now = evaluate(inputs, tmp_path / "now", "--former", tmp_path / "former")
    change = (now["accuracy"]["mean"] - former["accuracy"]["mean"]) * 100
    assert change > 0
    for text in texts(tmp_path / "now"):
        assert f"{former['accuracy']['mean'] * 100:.2f}%" in text
        assert f"{change:+.2f}% better" in text
        assert "Measured in the same way." in text
    assert "former report" in re.search(r"<svg.*?</svg>", texts(tmp_path / "now")[0], re.DOTALL).group()
    evaluate(inputs, tmp_path / "again", "--former", tmp_path / "former" / "metrics.json", "--seed", "1")
    assert "measured on other pairs" in texts(tmp_path / "again")[0]


def test_a_report_from_before_some_numbers_is_compared_by_those_that_it_has(inputs, tmp_path, write_inputs):
    former = evaluate(write_inputs(tmp_path / "other", noise=2.5), tmp_path / "former")
    old = {"accuracy": {"mean": former["accuracy"]["mean"]}, "checkpoint_sha256": "c" * 64, "threshold": 1.0}
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    evaluate(inputs, tmp_path / "now", "--former", tmp_path)
    text = texts(tmp_path / "now")[0].partition("Compared with a former report")[2]
    assert f"{former['accuracy']['mean'] * 100:.2f}%" in text and "measured on other pairs" in text
    assert re.search(r"<td>AUC</td><td>-</td><td>[\d.]+</td><td>-</td>", text)


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"accuracy": {"mean": "high"}}', '{"schema_version": 99}'])
def test_what_is_no_report_is_refused_before_anything_is_measured(inputs, tmp_path, content, capsys):
    (tmp_path / "metrics.json").write_text(content)
    flags = ["-i", str(inputs / "embeddings"), "-o", str(tmp_path / "report"), "--former", str(tmp_path)]
    assert main(flags) == 2
    assert "not a report to compare with" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_pictures_can_be_switched_off(inputs, tmp_path):
    evaluate(inputs, tmp_path / "report", "--faces", inputs / "faces", "--pictures", "false")
    for text in texts(tmp_path / "report"):
        assert "data:image" not in text and "switched off" in text


def test_a_table_of_many_folds_is_cut_and_says_so(inputs, tmp_path):
    lines = ["40\t1"] + ["p1/0 p1/1", "p1/0 p2/0"] * 40
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    evaluate(inputs, tmp_path / "report", "--pairs", tmp_path / "pairs.txt")
    for text in texts(tmp_path / "report"):
        assert "the first 30 of 40 folds" in text
    folds = texts(tmp_path / "report")[0].partition("Accuracy by fold")[2]
    assert folds.count("<tr><td>") == 30
