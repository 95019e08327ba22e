"""Parquet with a column of images and one of labels, as Hugging Face's `datasets` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.errors import MALFORMED, UsageError
from components.common.manifest import reading
from components.common.records import read_json
from components.extract.reasons import RejectedError
from components.import_faces.reasons import Reason
from components.import_faces.sample import Sample, checked_size, name_of_person

# Where the column is not named: the first of these that is there.
LABELS = ("label", "labels", "identity", "person", "name", "cls", "class", "subject", "id")
_ROWS = 64  # decoded at once
_BUFFER = 2**20  # of a column, read at once: a row group may have gigabytes


class Parquet:
    """Parquet files, one after another; positions count rows.

    Args:
        files: at least one.
        label: the column that says who it is; "" for the first of `LABELS`.

    Raises:
        UsageError: a file cannot be read, or has no such columns.
    """

    def __init__(self, files: Sequence[Path], label: str) -> None:
        self.left_out: Counter[str] = Counter()
        self._files = files
        described = [_described(file) for file in files]
        _, schema = described[0]
        self._columns = _image_column(schema, files[0]), _label_column(schema, label, files[0])
        self._names = _class_names(schema, self._columns[1])
        for file, (_, other) in zip(files, described, strict=True):
            if any(name not in other.names or other.field(name) != schema.field(name) for name in self._columns):
                raise UsageError(
                    "These Parquet files are not of one set.",
                    received=f"{file}, without the columns {' and '.join(self._columns)} of {files[0].name}",
                    advice="Give a folder with the files of one set, or one file.",
                )
        self._starts = [0, *accumulate(rows for rows, _ in described)]
        self.extent = self._starts[-1]

    def samples(self, start: int) -> Iterator[tuple[int, Sample]]:
        """See `Source`."""
        for file, first, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if end > start:
                with reading(file):
                    yield from self._samples_of(file, first, start)

    def _samples_of(self, file: Path, first: int, start: int) -> Iterator[tuple[int, Sample]]:
        parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
        position = first
        groups: list[int] = []
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if not groups and position + rows <= start:
                position += rows
            else:
                groups.append(group)
        images, labels = self._columns
        for batch in parquet.iter_batches(_ROWS, groups, list(dict.fromkeys(self._columns)), use_threads=False):
            for image, label in zip(batch[images].to_pylist(), batch[labels].to_pylist(), strict=True):
                if position >= start:
                    yield position, self._sample(image, label, position)
                position += 1

    def _sample(self, image: Any, label: Any, position: int) -> Sample:
        person, name = "", str(position)
        try:
            if self._names and isinstance(label, int) and 0 <= label < len(self._names):
                label = self._names[label]
            person = name_of_person(label)
            data = image["bytes"] if isinstance(image, dict) else image
            if not data:
                raise RejectedError(Reason.NO_IMAGE, "the row has no bytes of an image")
            checked_size(len(data))
            return Sample(person, name, data)
        except RejectedError as error:
            return Sample(person, name, reject=error.reject)


def _described(file: Path) -> tuple[int, pa.Schema]:
    """The number of rows of a file, and its columns."""
    with reading(file):
        return pq.read_metadata(file).num_rows, pq.read_schema(file)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return "bytes" in [field.name for field in kind] and _is_image(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _image_column(schema: pa.Schema, file: Path) -> str:
    found = [field.name for field in schema if _is_image(field.type)]
    if len(found) > 1:
        found = [name for name in found if name in ("image", "img", "jpg", "face")]
    if len(found) != 1:
        raise UsageError(
            "A column of encoded images is needed, and only one.",
            received=f"{file}, with the columns {_listed(schema)}",
            advice="It is of bytes, or of structs with `bytes`; of several, one is to be called image.",
        )
    return found[0]


def _label_column(schema: pa.Schema, wanted: str, file: Path) -> str:
    name = wanted or next((name for name in LABELS if name in schema.names), "")
    kind = schema.field(name).type if schema.names.count(name) == 1 else None
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind is None or not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UsageError(
            "A column is needed that says whose face it is, by a whole number or a name.",
            received=f"{file}, {'--label ' + wanted if wanted else 'no --label'}; its columns: {_listed(schema)}",
            advice="Name the column with --label.",
        )
    return name


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({str(field.type)[:60]})" for field in list(schema)[:20])


def _class_names(schema: pa.Schema, label: str) -> list[str]:
    """What Hugging Face's features call the numbers of a column, in their order; [] where they say nothing."""
    try:
        names = read_json(schema.metadata[b"huggingface"])["info"]["features"][label]["names"]
        return names if all(isinstance(name, str) for name in names) else []
    except MALFORMED:
        return []
