import io
import json
import os
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.common.manifest import FACES, read
from pipelines.look.compare import STYLES, best, compare, differ, roc_plot
from pipelines.look.find import find
from pipelines.look.history import RecordedArtifact, Run, runs
from pipelines.look.preview import Folder, Nothing, Page, Text, Values, preview
from pipelines.look.tables import Table, picture


def shown(run: Path, name: str, **page):
    found = find(run.parent, f"{run.name}/{name}")
    return preview(run.parent, found.artifact, found.inside, **page)


def made(folder: Path, kind: str = "system.RecordedArtifact") -> RecordedArtifact:
    return RecordedArtifact("made", kind, folder / "1" / "task" / "made", "", {}, on_disk=True)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "runs" / "1" / "task").mkdir(parents=True)
    return tmp_path / "runs"


def test_each_artifact_of_a_real_run_is_shown_as_what_it_is(in_processes):
    assert isinstance(shown(in_processes, "evaluate/card"), Page)
    summary = shown(in_processes, "evaluate/report/report.md")
    assert isinstance(summary, Text)
    assert summary.markdown
    assert summary.text.startswith("# Face verification")
    checkpoint = shown(in_processes, "mine-and-train/checkpoint")
    assert isinstance(checkpoint, Folder)
    assert checkpoint.settings["backbone"] == "small_resnet"
    assert [entry.name for entry in checkpoint.entries] == ["facenet.json", "model.tflite", "model.weights.h5"]
    report = shown(in_processes, "evaluate/report")
    assert (report.entries[0].name, report.entries[0].folder) == ("pairs", True)
    assert isinstance(shown(in_processes, "evaluate/report/pairs"), Table)
    metrics = shown(in_processes, "evaluate/metrics")
    assert isinstance(metrics, Values)
    report = shown(in_processes, "evaluate/report/metrics.json").value
    assert metrics.value["accuracy"] == pytest.approx(report["accuracy"]["mean"], rel=1e-6)  # in six digits
    assert "bytes" in shown(in_processes, "mine-and-train/checkpoint/model.weights.h5").reason
    assert "outside" in shown(in_processes, "photos/artifact").reason  # the photos: named, not read


def test_a_faces_manifest_is_a_table_searched_by_identity_with_pictures(in_processes):
    faces = read(in_processes / "extract" / "faces", FACES)
    whole = shown(in_processes, "extract/faces", offset=90)
    assert "image" not in whole.columns
    assert (whole.total, whole.matching, len(whole.rows)) == (len(faces), len(faces), len(faces) - 90)
    person = faces["identity"][50].as_py()
    found = shown(in_processes, "extract/faces", search=person.upper(), offset=1)
    identity = list(found.columns).index("identity")
    assert (found.total, found.matching, found.searched) == (len(faces), 4, "identity")
    assert [row[identity] for _, row in found.rows] == [person] * 3
    number, row = found.rows[0]
    assert faces["face_id"][number].as_py() == row[list(found.columns).index("face_id")]
    artifact = find(in_processes.parent, "latest/extract/faces").artifact
    face_id = row[list(found.columns).index("face_id")]
    image = picture(in_processes.parent, artifact, number, face_id)
    assert image == faces["image"][number].as_py()
    assert Image.open(io.BytesIO(image)).format == "JPEG"
    for other_row in (number + 1, len(faces), -1):
        assert picture(in_processes.parent, artifact, other_row, face_id) is None


def test_a_name_is_found_in_either_of_unicodes_forms(folder):
    nfc, nfd = "Zo\u00eb", "Zoe\u0308"
    made(folder).path.mkdir()
    pq.write_table(pa.table({"photo_path": [f"{nfc}/1.jpg", f"{nfd}/2.jpg"]}), made(folder).path / "part-00000.parquet")
    assert [preview(folder, made(folder), search=name).matching for name in (nfc, nfd)] == [2, 2]


def test_a_dataset_shows_the_faces_that_it_points_to(in_processes):
    table = shown(in_processes, "collect/dataset")
    assert table.pictures
    artifact = find(in_processes.parent, "latest/collect/dataset").artifact
    faces = read(in_processes / "extract" / "faces", FACES)
    images = dict(zip(faces["face_id"].to_pylist(), faces["image"].to_pylist(), strict=True))
    for number, row in table.rows[:5]:
        assert picture(in_processes.parent, artifact, number, row[0]) == images[row[0]]
        assert picture(in_processes.parent, artifact, number + 1, row[0]) is None
    assert not shown(in_processes, "embed/embeddings").pictures
    embeddings = find(in_processes.parent, "latest/embed/embeddings").artifact
    assert picture(in_processes.parent, embeddings, 0, table.rows[0][1][0]) is None


def test_a_page_is_the_same_rows_whatever_the_parts_and_groups(folder):
    path = made(folder).path
    path.mkdir()
    names = [f"person-{number % 7}" for number in range(100)]
    for part in (0, 1):
        table = pa.table({"identity": names[part * 50 : part * 50 + 50]})
        pq.write_table(table, path / f"part-{part:05d}.parquet", row_group_size=8)
    threes = [(number, name) for number, name in enumerate(names) if number % 7 == 3]
    for search, expected in (("", list(enumerate(names))), ("-3", threes)):
        for offset in (0, 3, 8, 49, 200):
            found = preview(folder, made(folder), search=search, offset=offset, limit=11)
            assert found.rows == [(number, [name]) for number, name in expected[offset : offset + 11]]
            assert (found.total, found.matching) == (100, len(expected))


@pytest.mark.parametrize("target", ["outside.txt", "outside", "../../../..", "nowhere"])
def test_links_out_of_the_runs_folder_are_not_followed(folder, target):
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside" / "secret.txt").write_text("secret")
    (folder.parent / "outside.txt").write_text("secret")
    made(folder).path.symlink_to(folder.parent / target)
    assert isinstance(preview(folder, made(folder)), Nothing)
    assert isinstance(preview(folder, made(folder), "secret.txt"), Nothing)


@pytest.mark.parametrize("file", ["../../../../outside.txt", "/etc/passwd", "link.txt", "a\0b", "x" * 300])
def test_no_file_name_leads_out_of_the_runs_folder(folder, file):
    (folder.parent / "outside.txt").write_text("secret")
    made(folder).path.mkdir()
    (made(folder).path / "link.txt").symlink_to(folder.parent / "outside.txt")
    assert isinstance(preview(folder, made(folder), file), Nothing)
    assert picture(folder, made(folder), 0, "", file) is None


def test_a_link_is_listed_without_what_it_leads_to_and_a_linked_part_is_not_read(folder):
    secret = folder.parent / "part-00000.parquet"
    pq.write_table(pa.table({"identity": ["secret"]}), secret)
    made(folder).path.mkdir()
    (made(folder).path / "part-00000.parquet").symlink_to(secret)
    listed = preview(folder, made(folder))
    assert [(entry.name, entry.size, entry.folder) for entry in listed.entries] == [("part-00000.parquet", None, False)]


def test_links_inside_the_runs_folder_are_those_of_a_cached_task(folder):
    (folder / "0").mkdir()
    (folder / "0" / "made").write_text("hello")
    made(folder).path.symlink_to("../../0/made")
    assert preview(folder, made(folder)) == Text("hello", cut=False, markdown=False)


def test_what_cannot_be_shown_says_why(folder):
    path = made(folder).path
    assert "not there" in preview(folder, made(folder)).reason
    path.symlink_to("../../0/deleted")
    assert "not there" in preview(folder, made(folder)).reason
    path.unlink()
    os.mkfifo(path)
    assert "no file" in preview(folder, made(folder)).reason
    assert picture(folder, made(folder), 0, "") is None
    path.unlink()
    path.mkdir()
    (path / "part-00000.parquet").write_text("no table")
    assert "cannot be read" in preview(folder, made(folder)).reason
    (path / "broken.json").write_text("[" * 100_000)
    assert isinstance(preview(folder, made(folder), "broken.json"), Text)


def test_of_a_long_text_the_beginning_is_shown(folder):
    made(folder).path.write_text("a" * 2_000_000)
    text = preview(folder, made(folder))
    assert text.cut
    assert len(text.text) == 2**20


def test_a_run_compared_with_itself_differs_in_nothing_and_with_none_in_all(in_processes):
    (run,) = runs(in_processes.parent)
    same = compare(in_processes.parent, [run, run])
    assert same.settings == {}
    assert same.same_faces
    assert not any(differ(values) for values in same.metrics.values())
    assert not any(best(name, values) for (_, name), values in same.metrics.items())
    assert same.metrics["evaluate", "accuracy"][0] == run.metrics["accuracy"]
    assert same.curves[0][0] == (0, 0)
    assert same.curves[0][-1] == (1, 1)
    assert "<svg" in roc_plot([("<b>one</b>", same.curves[0]), ("other", same.curves[1])])
    assert "<b>" not in roc_plot([("<b>one</b>", same.curves[0])])


def test_settings_that_differ_are_said_once(in_processes, tmp_path):
    """What a task has from the pipeline is not said of both, what only the task has is."""
    shutil.copytree(in_processes, tmp_path / in_processes.name, symlinks=True)
    shutil.copytree(in_processes, tmp_path / "other", symlinks=True)
    file, task = tmp_path / "other" / "run.json", tmp_path / "other" / "mine-and-train" / "task.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"id": "other", "parameters": record["parameters"] | {"rounds": 9}}))
    said = json.loads(task.read_text())
    said["inputs"]["dataset"][0]["sha256"] = "that of another dataset"
    task.write_text(json.dumps(said | {"parameters": said["parameters"] | {"rounds": 9, "margin": 0.9}}))
    by_id: dict[str, Run] = {run.record.id: run for run in runs(tmp_path)}
    compared = compare(tmp_path, [by_id[in_processes.name], by_id["other"]])
    assert compared.settings == {"rounds": [2, 9], "mine-and-train.margin": [0.2, 0.9]}
    assert not compared.same_faces


def test_the_best_of_several_is_the_highest_or_the_lowest_or_nothing_at_all():
    values = [0.1, None, 0.3, 0.3, True]
    assert best("accuracy", values) == [4]
    assert best("validation_auc", values[:4]) == best("val_at_far_0.001", values[:4]) == [2, 3]
    assert best("eer", values) == best("int8_milliseconds", values) == [0]
    for name in ("accuracy_standard_error", "loss", "pairs", "rounds", "rejected", "train_identities"):
        assert best(name, values) == []
    assert best("accuracy", [0.1, 0.1]) == best("accuracy", [0.1, None]) == best("accuracy", ["high", 0.1]) == []


def test_a_run_without_a_curve_keeps_its_line_for_itself_and_no_two_are_alike():
    assert len(set(STYLES)) == len(STYLES)
    curve = [(0.0, 0.0), (0.1, 0.5), (1.0, 1.0)]
    second = roc_plot([("one", None), ("two", curve)])
    assert "var(--different)" in second and "var(--same)" not in second
    many = roc_plot([(f"run {number}", curve) for number in range(len(STYLES))])
    lines = re.findall(r'style="(fill: none;[^"]*; stroke-width: 2[^"]*)"', many)
    assert len(lines) == len(set(lines)) == len(STYLES)
