from __future__ import annotations

import csv

from benchmarks.faces import main


def test_each_model_gets_a_row_with_the_machines_name(model, unevaluated, sample_photos, tmp_path):
    table = tmp_path / "faces.csv"
    photos = ["--photos", str(sample_photos / "person-00000"), "--csv", str(table)]
    for models in ([model, unevaluated], [model]):
        assert main([*map(str, models), *photos]) == 0
    rows = list(csv.DictReader(table.open()))
    assert [row["model"] for row in rows] == ["facenet.tflite"] * 3
    for row in rows:
        assert row["machine"] and int(row["cores"]) >= 1
        assert float(row["memory_mb"]) > 20 and float(row["file_mb"]) == round(model.stat().st_size / 1e6, 2)
        assert all(float(row[f"{name}_ms"]) > 0 for name in ("decode", "detect", "cut", "embed", "compare", "open"))
