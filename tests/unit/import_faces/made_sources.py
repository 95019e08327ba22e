"""Made-up sets in each layout that crops come in."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MAGIC = struct.pack("<I", 0xCED7230A)
# Whose a crop is, and the crop, encoded.
Crops = Sequence[tuple[int, bytes]]


def record(payload: bytes) -> bytes:
    """A record, divided where the magic number lies in its bytes at a place for one: dmlc-core, recordio.cc."""
    parts, start = [], 0
    for at in range(0, len(payload) - 3, 4):
        if payload[at : at + 4] == MAGIC:
            parts.append(payload[start:at])
            start = at + 4
    parts.append(payload[start:])
    marks = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", mark << 29 | len(part)) + part + bytes(-len(part) % 4)
        for mark, part in zip(marks, parts, strict=True)
    )


def labelled(labels: Sequence[float], number: int, image: bytes, *, several: bool = False) -> bytes:
    """A record of MXNet's `recordio.pack`: one label in its header, or several behind it."""
    if several:
        labels_behind = struct.pack(f"<{len(labels)}f", *labels)
        return record(struct.pack("<IfQQ", len(labels), 0, number, 0) + labels_behind + image)
    return record(struct.pack("<IfQQ", 0, labels[0], number, 0) + image)


def write_recordio(folder: Path, crops: Crops, *, ranges: bool) -> Path:
    """A folder as insightface publishes it; with its ranges of identities, or without as im2rec makes it."""
    folder.mkdir()
    people = sorted({person for person, _ in crops})
    count = len(crops)
    records = [labelled([person, 0], at, image, several=at % 2 == 0) for at, (person, image) in enumerate(crops, 1)]
    if ranges:
        records.insert(0, labelled([count + 1, count + 1 + len(people)], 0, b"", several=True))
        for at, person in enumerate(people, count + 1):
            own = [number for number, (other, _) in enumerate(crops, 1) if other == person]
            records.append(labelled([own[0], own[-1] + 1], at, b"", several=True))
    (folder / "train.rec").write_bytes(b"".join(records))
    starts = [sum(map(len, records[:at])) for at in range(len(records))]
    (folder / "train.idx").write_text("".join(f"{at}\t{start}\n" for at, start in enumerate(starts)))
    (folder / "property").write_text(f"{len(people)},112,112")
    return folder


def write_folder(folder: Path, crops: Crops) -> Path:
    for at, (person, image) in enumerate(crops):
        (folder / str(person)).mkdir(parents=True, exist_ok=True)
        ending = "jpg" if image.startswith(b"\xff\xd8") else "png"
        (folder / str(person) / f"{at:03d}.{ending}").write_bytes(image)
    return folder


def write_parquet(folder: Path, crops: Crops, names: Sequence[str] = (), *, structs: bool = True) -> Path:
    """Two files; with structs and class names as Hugging Face's `datasets` writes them, or bytes and texts."""
    folder.mkdir()
    for number, part in enumerate((crops[: len(crops) // 2], crops[len(crops) // 2 :])):
        images = [{"bytes": image, "path": None} if structs else image for _, image in part]
        labels = pa.array([person if names else str(person) for person, _ in part])
        table = pa.table({"image": images, "label": labels})
        if names:
            features = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        pq.write_table(table, folder / f"train-{number:05d}-of-00002.parquet", row_group_size=3)
    return folder


def write_tars(folder: Path, crops: Crops, *, as_json: bool) -> Path:
    folder.mkdir()
    for number, part in enumerate((crops[: len(crops) // 2], crops[len(crops) // 2 :])):
        with tarfile.open(folder / f"{number:06d}.tar", "w") as archive:
            for at, (person, image) in enumerate(part):
                label = json.dumps({"label": person}) if as_json else str(person)
                for ending, content in (("jpg", image), ("json" if as_json else "cls", label.encode())):
                    member = tarfile.TarInfo(f"faces/{at:04d}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return folder


def write_lmdb(folder: Path, crops: Crops, *, msgpack: bool) -> Path:
    """A tree of a branch and leaves of five entries, each with its value in pages of its own; mdb.c of LMDB 0.9."""
    folder.mkdir()
    leaf_flag, branch_flag, elsewhere, size = 2, 1, 1, 4096
    pages = [b"", b""]

    def page(flags: int, nodes: Sequence[bytes]) -> int:
        ends = [size - sum(map(len, nodes[: at + 1])) for at in range(len(nodes))]
        head = struct.pack("<QHHHH", len(pages), 0, flags, 16 + 2 * len(nodes), ends[-1])
        head += struct.pack(f"<{len(nodes)}H", *ends)
        pages.append(head + bytes(ends[-1] - len(head)) + b"".join(reversed(nodes)))
        return len(pages) - 1

    def node(length: int, flags: int, key: bytes, data: bytes = b"") -> bytes:
        packed = struct.pack("<HHHH", length & 0xFFFF, length >> 16, flags, len(key)) + key + data
        return packed + bytes(len(packed) % 2)

    nodes = []
    for at, (person, image) in enumerate(crops):
        key = f"{at:04d}" if msgpack else f"{person}/{at:04d}"
        value = b"\x92\xc6" + struct.pack(">I", len(image)) + image + bytes([person]) if msgpack else image
        nodes.append(node(len(value), elsewhere, key.encode(), struct.pack("<Q", len(pages))))
        whole = bytes(16) + value
        pages += [whole[start : start + size].ljust(size, b"\0") for start in range(0, len(whole), size)]
    nodes.append(node(1, 0, b"__len__", b"\x0c"))
    leaves = [page(leaf_flag, nodes[at : at + 5]) for at in range(0, len(nodes), 5)]
    root = page(branch_flag, [node(number, 0, b"") for number in leaves])
    for transaction, entries in ((0, 0), (1, len(nodes))):
        table = struct.pack("<IHHQQQQQ", 0, 0, 2, 1, len(leaves), 0, entries, root)
        meta = struct.pack("<IIQQ", 0xBEEFC0DE, 1, 0, 2**20) + struct.pack("<I44x", size) + table
        meta += struct.pack("<QQ", len(pages) - 1, transaction)
        pages[transaction] = (struct.pack("<QHHHH", transaction, 0, 8, 0, 0) + meta).ljust(size, b"\0")
    (folder / "data.mdb").write_bytes(b"".join(pages))
    (folder / "lock.mdb").write_bytes(b"")
    return folder
