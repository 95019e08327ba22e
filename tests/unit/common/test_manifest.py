from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common import manifest
from components.common.errors import UsageError
from components.common.manifest import BOX, DATASET, EMBEDDINGS, FACES, REJECTS, schemas
from components.common.manifest.writing import _metadata
from components.common.shard import Shard


def rejects(count):
    return [
        {"photo_path": f"a/{i}.jpg", "photo_sha256": None, "reason": "no-face", "detail": str(i)} for i in range(count)
    ]


def test_rows_and_what_was_said_of_them_come_back(tmp_path):
    with manifest.writer(tmp_path / "rejects", REJECTS, {"margin": 0.25}) as rows:
        rows.add(rejects(2))
        rows.add(rejects(1))
    assert manifest.read(tmp_path / "rejects", REJECTS).to_pylist() == rejects(2) + rejects(1)
    assert manifest.about(tmp_path / "rejects", REJECTS) == {"margin": 0.25}


def test_many_rows_become_parts_and_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.manifest.writing.ROWS_PER_PART", 4)
    manifest.write(tmp_path / "rejects", REJECTS, pa.Table.from_pylist(rejects(11), schema=REJECTS.schema))
    files = manifest.parts(tmp_path / "rejects", REJECTS)
    assert [pq.read_metadata(file).num_rows for file in files] == [4, 4, 3]
    assert manifest.read(tmp_path / "rejects", REJECTS).to_pylist() == rejects(11)


def test_an_empty_manifest_is_a_manifest(tmp_path):
    manifest.write(tmp_path / "rejects", REJECTS, REJECTS.schema.empty_table())
    assert manifest.read(tmp_path / "rejects", REJECTS).num_rows == 0


def test_the_same_rows_are_the_same_bytes(tmp_path):
    table = pa.Table.from_pylist(rejects(5), schema=REJECTS.schema)
    for name in ("one", "two"):
        manifest.write(tmp_path / name, REJECTS, table, {"a": 1})
    one, two = (tmp_path / name / "part-00000.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_rows_that_lack_a_column_or_a_required_value_are_not_written(tmp_path):
    with pytest.raises((KeyError, pa.ArrowException)), manifest.writer(tmp_path / "rejects", REJECTS) as rows:
        rows.add(pa.table({"photo_path": ["a"]}))
    with pytest.raises((ValueError, pa.ArrowException)), manifest.writer(tmp_path / "rejects", REJECTS) as rows:
        rows.add([{"photo_path": "a/1.jpg", "reason": "no-face"}])
    assert list(tmp_path.iterdir()) == []


def rewritten(folder, **changes):
    """A copy of a manifest's part with another record in its metadata."""
    file = folder / "part-00000.parquet"
    table = pq.read_table(file)
    record = json.loads(table.schema.metadata[b"facenet"]) | changes
    pq.write_table(table.replace_schema_metadata({b"facenet": json.dumps(record).encode()}), file)


def test_what_is_not_this_manifest_is_refused_by_name(tmp_path):
    place = tmp_path / "rejects"
    with pytest.raises(UsageError, match="no rejects manifest here"):
        manifest.read(place, REJECTS)
    place.mkdir()
    with pytest.raises(UsageError, match="holds no rejects manifest"):
        manifest.read(place, REJECTS)
    file = place / "part-00000.parquet"
    file.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UsageError, match="cannot be read"):
        manifest.read(place, REJECTS)
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(UsageError, match="not a rejects manifest"):
        manifest.read(place, REJECTS)


def test_another_manifest_version_or_schema_is_refused(tmp_path):
    place = tmp_path / "rejects"
    manifest.write(place, REJECTS, REJECTS.schema.empty_table())
    with pytest.raises(UsageError, match="a rejects manifest"):
        manifest.read(place, DATASET)
    rewritten(place, schema_version=2)
    with pytest.raises(UsageError, match="version 2; up to 1 is read"):
        manifest.read(place, REJECTS)
    rewritten(place, schema_version=1)
    table = pq.read_table(place / "part-00000.parquet")
    other = table.drop_columns("reason").set_column(0, "photo_path", pa.array([], pa.int8()))
    pq.write_table(other, place / "part-00000.parquet")
    differing = "photo_path: int8 instead of string; reason: not there instead of string"
    with pytest.raises(UsageError, match=differing):
        manifest.read(place, REJECTS)


def test_columns_that_came_later_are_null_in_an_older_manifest(tmp_path):
    own, later = some_rows(FACES), list(FACES.since)
    manifest.write(tmp_path, FACES, own)
    rewritten(tmp_path, schema_version=1)
    file = tmp_path / "part-00000.parquet"
    pq.write_table(pq.read_table(file).drop_columns(later), file)
    found = manifest.read(tmp_path, FACES)
    assert found.schema.equals(FACES.schema)
    assert found.drop_columns(later).equals(own.drop_columns(later))
    assert all(found[name].to_pylist() == [None, None] for name in later)
    assert manifest.read(tmp_path, FACES, ["quality"]).num_rows == 2
    rewritten(tmp_path, schema_version=FACES.version)
    with pytest.raises(UsageError, match="quality: not there instead of float"):
        manifest.read(tmp_path, FACES)


def some_rows(kind):
    """Two rows of a manifest of any kind."""
    values = {
        pa.string(): "x",
        pa.binary(): b"x",
        pa.bool_(): True,
        BOX: [0, 0, 9, 9],
        pa.list_(pa.float32(), 10): None,
    }
    values |= dict.fromkeys((pa.int32(), pa.uint64(), pa.float32()), 1) | {pa.list_(pa.float32()): [0.5, 0.5]}
    rows = [{field.name: values[field.type] for field in kind.schema}] * 2
    return pa.Table.from_pylist(rows, schema=kind.schema.with_metadata(_metadata(kind, {"a": 1}, Shard())))


def with_types(table, **types):
    """The same with other types, by the name of the former one; and nullable, as other programs write all columns."""
    fields = [pa.field(field.name, types.get(str(field.type), field.type)) for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))


def lists(value):
    """A list's types as others have them: without its length, and large."""
    return {
        "fixed_size_list<item: int32>[4]": pa.list_(pa.int32()),
        "fixed_size_list<item: float>[10]": pa.list_(pa.float32()),
        "list<item: float>": value,
    }


def by_pandas(table, **options):
    """Through real pandas, which keeps no entries of others in a file's metadata."""
    again = pa.Table.from_pandas(table.to_pandas(**options), preserve_index=False)
    return again.replace_schema_metadata({**again.schema.metadata, **table.schema.metadata})


# As other programs write a manifest that they have read; seen with polars 2.1.0, DuckDB 2.0.1 and pandas 3.1.1.
OTHERS = {
    "pandas": by_pandas,
    "pandas, large": lambda table: with_types(by_pandas(table), string=pa.large_string()),
    # What pandas notes of its own types and of the index counts for whoever makes pandas' frames of it again.
    "pandas, types of Arrow": lambda table: by_pandas(table, types_mapper=pd.ArrowDtype),
    "pandas, an index": lambda table: by_pandas(table).replace_schema_metadata(
        {
            **pa.Table.from_pandas(table.to_pandas().set_index(table.schema.names[0])).schema.metadata,
            **table.schema.metadata,
        }
    ),
    "pandas, categories": lambda table: by_pandas(table, strings_to_categorical=True),
    "polars": lambda table: with_types(
        table, string=pa.large_string(), binary=pa.large_binary(), **lists(pa.large_list(pa.float32()))
    ),
    "polars, categories": lambda table: with_types(table, string=pa.dictionary(pa.uint32(), pa.string())),
    "duckdb": lambda table: with_types(table, **lists(pa.list_(pa.field("element", pa.float32())))),
    "views": lambda table: with_types(table, string=pa.string_view(), binary=pa.binary_view()),
    "another order and an extra column": lambda table: table.select(table.schema.names[::-1]).append_column(
        "extra", pa.array([1, 2])
    ),
}


@pytest.mark.parametrize("kind", manifest.MANIFESTS.values(), ids=manifest.MANIFESTS)
@pytest.mark.parametrize("writer", OTHERS.values(), ids=OTHERS)
def test_the_same_columns_are_read_whoever_wrote_them(kind, writer, tmp_path):
    own = some_rows(kind)
    pq.write_table(writer(own), tmp_path / "part-00000.parquet")
    found = manifest.read(tmp_path, kind)
    assert found.equals(own) and found.schema.equals(kind.schema)
    assert list(found.to_pandas()) == kind.schema.names
    assert manifest.about(tmp_path, kind) == {"a": 1}
    assert manifest.kind_of(tmp_path / "part-00000.parquet") is kind
    for name in kind.schema.names:
        assert manifest.read(tmp_path, kind, [name]).equals(own.select([name]))


def test_an_entry_of_the_file_says_what_it_is_where_the_schema_says_nothing(tmp_path):
    """So polars writes metadata; pyarrow does not show it in the schema then."""
    own = some_rows(REJECTS)
    with pq.ParquetWriter(tmp_path / "part-00000.parquet", own.schema.remove_metadata()) as written:
        written.write_table(own)
        written.add_key_value_metadata({key.decode(): text.decode() for key, text in own.schema.metadata.items()})
    assert b"facenet" not in (pq.read_schema(tmp_path / "part-00000.parquet").metadata or {})
    assert manifest.read(tmp_path, REJECTS).equals(own)


def test_a_value_that_lacks_where_every_row_must_have_one_is_named(tmp_path):
    table = with_types(some_rows(REJECTS))
    lacking = table.set_column(2, "reason", pa.array(["no-face", None]))
    pq.write_table(lacking, tmp_path / "part-00000.parquet")
    with pytest.raises(UsageError, match="reason: 1 of 2 values are null"):
        manifest.read(tmp_path, REJECTS)
    assert manifest.read(tmp_path, REJECTS, ["photo_path"]).num_rows == 2


def test_a_list_of_another_length_is_refused(tmp_path):
    table = with_types(some_rows(FACES), **lists(pa.list_(pa.float32())))
    box = pa.array([[0, 0, 9, 9], [0, 0, 9]], pa.list_(pa.int32()))
    place = table.schema.get_field_index("box")
    pq.write_table(table.set_column(place, "box", box), tmp_path / "part-00000.parquet")
    with pytest.raises(UsageError, match="cannot be read"):
        manifest.read(tmp_path, FACES)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    table = some_rows(REJECTS)
    pq.write_table(table.append_column("reason", table["reason"]), tmp_path / "part-00000.parquet")
    with pytest.raises(UsageError, match="reason: string, string instead of string"):
        manifest.read(tmp_path, REJECTS)


def test_a_person_of_before_there_was_one_form_is_one(tmp_path):
    table = some_rows(EMBEDDINGS)
    names = pa.array(["Zo\u00eb", "Zoe\u0308"])
    place = table.schema.get_field_index("identity")
    pq.write_table(table.set_column(place, table.schema.field("identity"), names), tmp_path / "part-00000.parquet")
    assert manifest.read(tmp_path, EMBEDDINGS)["identity"].to_pylist() == ["Zo\u00eb"] * 2


@pytest.mark.parametrize("version", [True, 1.0, "1", None])
def test_only_a_number_is_a_version(tmp_path, version):
    manifest.write(tmp_path / "rejects", REJECTS, REJECTS.schema.empty_table())
    rewritten(tmp_path / "rejects", schema_version=version)
    with pytest.raises(UsageError, match="does not read"):
        manifest.read(tmp_path / "rejects", REJECTS)


def test_a_truncated_part_is_refused(tmp_path):
    manifest.write(tmp_path / "rejects", REJECTS, pa.Table.from_pylist(rejects(50), schema=REJECTS.schema))
    file = tmp_path / "rejects" / "part-00000.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UsageError, match="cannot be read"):
        manifest.read(tmp_path / "rejects", REJECTS)


def shards(root, *texts, **about):
    for text in texts:
        shard = Shard.read(text)
        rows = pa.Table.from_pylist(rejects(shard.number), schema=REJECTS.schema)
        manifest.write(root / text.replace("/", "-"), REJECTS, rows, about, shard)
    return [root / text.replace("/", "-") for text in texts]


def test_shards_are_read_in_their_order_whatever_order_they_come_in(tmp_path):
    folders = shards(tmp_path, "2/3", "3/3", "1/3", margin=0.25)
    joined = manifest.order_shards(folders, REJECTS)
    assert [folder.name for folder in joined] == ["1-3", "2-3", "3-3"]
    assert manifest.read(joined, REJECTS).to_pylist() == rejects(1) + rejects(2) + rejects(3)
    assert manifest.about(joined, REJECTS) == {"margin": 0.25}
    assert [file.parent.name for file in manifest.parts(joined, REJECTS)] == ["1-3", "2-3", "3-3"]


def test_a_manifest_from_before_there_were_shards_is_a_whole_one(tmp_path):
    (folder,) = shards(tmp_path, "1/1")
    table = pq.read_table(folder / "part-00000.parquet")
    record = json.loads(table.schema.metadata[b"facenet"])
    del record["shard"]
    pq.write_table(
        table.replace_schema_metadata({b"facenet": json.dumps(record).encode()}), folder / "part-00000.parquet"
    )
    assert manifest.order_shards([folder], REJECTS) == (folder,)


@pytest.mark.parametrize("there", [["2/3"], ["1/3", "3/3"], ["1/2", "2/3"], ["1/1", "1/2", "2/2"], ["1/2"], []])
def test_a_shard_that_is_missing_or_of_another_division_is_named(there, tmp_path):
    with pytest.raises(UsageError, match="not all shards") as error:
        manifest.order_shards(shards(tmp_path, *there), REJECTS)
    assert all(f"({text})" in str(error.value) for text in there)


def test_a_shard_that_is_there_twice_is_refused(tmp_path):
    folders = shards(tmp_path, "1/2")
    with pytest.raises(UsageError, match="not all shards"):
        manifest.order_shards(folders * 2, REJECTS)


def test_shards_that_were_made_with_other_settings_are_refused(tmp_path):
    folders = shards(tmp_path, "1/2", margin=0.25) + shards(tmp_path, "2/2", margin=0.3)
    with pytest.raises(UsageError, match=r"(?s)different settings.*0.25.*0.3"):
        manifest.order_shards(folders, REJECTS)


def test_the_parts_of_all_shards_in_one_folder_are_the_whole_manifest(tmp_path):
    folders = manifest.order_shards(shards(tmp_path, "2/2", "1/2", margin=0.25), REJECTS)
    manifest.gather_parts(folders, REJECTS, tmp_path / "all")
    assert manifest.order_shards([tmp_path / "all"], REJECTS) == (tmp_path / "all",)
    assert manifest.shard_of(tmp_path / "all", REJECTS) == Shard()
    assert manifest.read(tmp_path / "all", REJECTS).equals(manifest.read(folders, REJECTS))
    assert manifest.about(tmp_path / "all", REJECTS) == {"margin": 0.25}


def test_every_manifest_says_whom_its_rows_are_about():
    declared = [one for one in vars(schemas).values() if isinstance(one, schemas.Manifest)]
    assert list(manifest.MANIFESTS.values()) == declared and [one.name for one in declared] == list(manifest.MANIFESTS)
    for one in declared:
        texts = {name: ["Ada/1.jpg" if name == "photo_path" else "Ada", "Bo/1.jpg"] for name in one.person}
        assert manifest.about_person(pa.table(texts), one, "Ada", {"Ada"}).to_pylist() == [True, False]


def test_a_kind_that_is_not_known_is_said(tmp_path):
    unknown = replace(REJECTS, name="landmarks")
    manifest.write(tmp_path / "new", unknown, REJECTS.schema.empty_table())
    with pytest.raises(ValueError, match="a landmarks manifest"):
        manifest.kind_of(tmp_path / "new" / manifest.PARTS.replace("*", "00000"))


def test_a_folder_with_parts_of_some_shards_only_is_refused(tmp_path):
    (first, second) = shards(tmp_path, "1/3", "2/3")
    (second / "part-00000.parquet").rename(first / "part-00001.parquet")
    with pytest.raises(UsageError, match=r"(?s)several shards.*1/3, 2/3"):
        manifest.order_shards([first], REJECTS)
