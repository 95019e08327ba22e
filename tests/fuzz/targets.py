"""What reads what somebody else wrote: it must read it, or raise a `FacenetError` that says what is wrong."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.numpy
import yaml
from PIL import Image
from pillow_heif import register_heif_opener

from components.common import manifest
from components.common.crops import crop_of, decode_crops
from components.common.errors import FacenetError
from components.common.executor import inputs, write_metrics
from components.common.preprocessing import Crop, Preprocessing
from components.embed.network import Network
from components.evaluate.former import read_former
from components.evaluate.pairs_file import read_pairs_file
from components.extract.decode import Photo
from components.extract.photo import Extraction, faces_in
from components.extract.reasons import RejectedError
from components.import_faces import layouts
from components.import_faces.faces import see
from components.import_faces.source import open_source
from components.litert.embedder import LiteRTEmbedder
from components.litert.report import read_report
from components.litert.specification import Threshold, parse, record_of
from components.mine_and_train import state
from components.model import checkpoint, face_weights
from components.model.starts import find_start, unpack
from components.verify import gallery, runs
from components.verify.corrections import read_corrections
from pipelines.compiled import ir
from pipelines.local import results
from pipelines.look import history, preview, show
from pipelines.look.find import find
from pipelines.plan import recipe
from pipelines.records.files import read_run, read_task
from tests.unit.import_faces import made_sources

REPOSITORY = Path(__file__).resolve().parents[2]
_ROWS = 8


@dataclass(frozen=True)
class Target:
    """A reader.

    Args:
        seeds: from the folder of a run, contents that it reads without an error.
        read: writes a content where it belongs, below a folder of its own, and reads it.
        is_json: whether the seeds are JSON.
        heavy: whether it takes seconds to begin, or for each content.
    """

    seeds: Callable[[Path], Iterator[bytes]]
    read: Callable[[bytes, Path], Any]
    is_json: bool = False
    heavy: bool = False


def _some_rows(kind: manifest.Manifest) -> Callable[[Path], Iterator[bytes]]:
    """A manifest of the run with few rows, of which every other byte says something."""

    def seeds(run: Path) -> Iterator[bytes]:
        file = next(run.glob(f"**/{kind.name}/*.parquet"))
        table = pq.read_table(file).slice(0, _ROWS)
        if "image" in table.schema.names:
            table = table.set_column(
                table.schema.get_field_index("image"), kind.schema.field("image"), [[b"x"] * len(table)]
            )
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        yield buffer.getvalue()

    return seeds


def _of(pattern: str) -> Callable[[Path], Iterator[bytes]]:
    def seeds(run: Path) -> Iterator[bytes]:
        found = [path.read_bytes() for path in sorted(run.glob(pattern)) if path.is_file()]
        assert found, f"{run} has no {pattern}"
        yield from found

    return seeds


def _small(run: Path) -> tuple[Image.Image, bytes]:
    """The smallest crop that the run has, and EXIF that turns it."""
    images = manifest.read(_faces(run), manifest.FACES, ["image"])["image"].to_pylist()
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(min(images, key=len))) as picture:
        return picture.convert("RGB").resize((96, 96)), exif.tobytes()


def _photos(run: Path) -> Iterator[bytes]:
    """A real JPEG of every kind, PNG and GIF, as an editor would save them."""
    small, exif = _small(run)
    for kind, picture, options in (
        ("JPEG", small, {"exif": exif}),
        ("JPEG", small, {"progressive": True}),
        ("JPEG", small.convert("CMYK"), {}),
        ("PNG", small, {"exif": exif}),
        ("PNG", small.convert("RGBA"), {}),
        ("PNG", small.quantize(16), {"transparency": 0}),
        ("GIF", small, {"save_all": True, "append_images": [small.rotate(90)]}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        yield buffer.getvalue()


# Of the formats that codecs of their own read: the modes of pixels, and how they are saved.
_CODED: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "WEBP": (("RGB", {}), ("RGBA", {"lossless": True}), ("RGB", {"save_all": True})),
    "AVIF": (("RGB", {}), ("RGBA", {}), ("RGB", {"save_all": True})),
    "HEIF": (("RGB", {}), ("RGBA", {}), ("RGB", {"save_all": True})),
    "TIFF": tuple((mode, {"compression": how}) for mode in ("RGB", "CMYK") for how in ("raw", "tiff_lzw", "jpeg")),
    "BMP": (("RGB", {}), ("P", {}), ("1", {})),
    "JPEG2000": (("RGB", {}), ("RGBA", {"tile_size": (32, 32)}), ("L", {"no_jp2": True, "irreversible": True})),
}


def _coded(kind: str) -> Callable[[Path], Iterator[bytes]]:
    def seeds(run: Path) -> Iterator[bytes]:
        register_heif_opener()
        small, exif = _small(run)
        for mode, options in _CODED[kind]:
            # Not both: Pillow 13.0 ends the process where it writes an animation as AVIF with an orientation.
            more = {"append_images": [small.rotate(90)]} if "save_all" in options else {"exif": exif}
            buffer = io.BytesIO()
            small.convert(mode).save(buffer, kind, **options, **more)
            yield buffer.getvalue()

    return seeds


def _faces(run: Path) -> Path:
    return next(path for path in run.glob("*/faces") if path.is_dir())


def _read_photo(data: bytes, folder: Path) -> None:
    faces_in(data, Extraction(max_pixels=4_000_000))


def _manifest(kind: manifest.Manifest) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        (folder / "part-00000.parquet").write_bytes(data)
        manifest.order_shards([folder], kind)
        manifest.read(folder, kind).to_pylist()

    return read


def _read_crops(data: bytes, folder: Path) -> None:
    """A dataset's crops, where the faces manifest is sound and one image in it is not."""
    row = dict.fromkeys(("face_id", "photo_path", "photo_sha256", "identity", "detector"), "x")
    numbers = {"box": [0] * 4, "crop_box": [0] * 4, "score": 0, "landmarks": None, "phash": 0, "width": 9, "height": 9}
    with manifest.writer(folder / "faces", manifest.FACES, {"margin": 0.25, "alignment": "none"}) as rows:
        rows.add([{**row, **numbers, "image": data}])
    dataset = [{**row, "split": "train", "phash": 0, "part": 0, "row": 0}]
    decode_crops(pa.Table.from_pylist(dataset, schema=manifest.DATASET.schema), folder / "faces", 32)


def _read_about(data: bytes, folder: Path) -> None:
    """A faces manifest whose record of itself is not as it was written."""
    schema = manifest.FACES.schema.with_metadata({b"facenet": data})
    pq.write_table(schema.empty_table(), folder / "part-00000.parquet")
    crop_of(manifest.order_shards([folder], manifest.FACES))


def _about(run: Path) -> Iterator[bytes]:
    yield pq.read_schema(manifest.parts(_faces(run), manifest.FACES)[0]).metadata[b"facenet"]


def _read_description(data: bytes, folder: Path) -> None:
    (folder / checkpoint.DESCRIPTION).write_bytes(data)
    (folder / checkpoint.WEIGHTS).touch()
    checkpoint.specification_of(folder)


def _preprocessing(_: Path) -> Iterator[bytes]:
    yield json.dumps(Preprocessing(32, Crop(0.25, "none")).to_json()).encode()


def _read_preprocessing(data: bytes, _: Path) -> None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    Preprocessing.from_json(record)


def _read_weights(data: bytes, folder: Path) -> None:
    from components.model.network import build

    architecture, _ = checkpoint.specification_of(_WHERE["run"] / "mine-and-train" / "checkpoint")
    (folder / checkpoint.WEIGHTS).write_bytes(data)
    checkpoint.restore(build(architecture), folder / checkpoint.WEIGHTS)


_WHERE: dict[str, Path] = {}


def _weights(run: Path) -> Iterator[bytes]:
    _WHERE["run"] = run
    yield from _of("mine-and-train/checkpoint/model.weights.h5")(run)


def _file(name: str, read: Callable[[Path], Any]) -> Callable[[bytes, Path], None]:
    def written(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        read(path)

    return written


def _embed(path: Path) -> None:
    embed = LiteRTEmbedder(path, threads=1)
    embed(np.zeros((1, embed.image_size, embed.image_size, 3), np.uint8))


def _corrections(_: Path) -> Iterator[bytes]:
    faces = [{"photo": f"{name}.jpg", "sha256": name * 64, "box": [0, 0, 9, 9]} for name in "abc"]
    yield json.dumps({"version": 1, "same": [faces[:2]], "different": [faces[::2]]}).encode()


def _galleries(_: Path) -> Iterator[bytes]:
    embeddings = np.eye(8, dtype=np.float32)
    entries = [gallery.Enrollment(f"person {n % 3}", f"id {n}", f"{n}.jpg", row) for n, row in enumerate(embeddings)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.db"
        with gallery.open_gallery(path, _NETWORK, create=True) as opened:
            opened.add(entries)
        yield path.read_bytes()


_NETWORK = Network(Crop(0.25, "none"), 32, 8, "0" * 64, lambda images, _: images)


def _read_gallery(path: Path) -> None:
    with gallery.open_gallery(path, _NETWORK) as opened:
        opened.people()
    with gallery.open_gallery(path) as opened:
        opened.forget("person 1")


def _pairs(_: Path) -> Iterator[bytes]:
    yield b"2\t1\nAda\t1\t2\nAda\t1\tBob\t2\nAda\t3\t4\nBob\t1\tEve\t1\n"
    yield b"1\n# slice: near\nAda/1 Ada/2\nAda/x y/1\tBob/1\n"
    yield b"Ada_0001.jpg 1\nAda_0002.jpg 1\nAda_0001.jpg 0\nBob_0001.jpg 0\n"
    yield b"1.jpg 2.jpg 1\n1.jpg 3.jpg 0\n"


def _bins(_: Path) -> Iterator[bytes]:
    images = [b"\xff\xd8\n'" + bytes([number]) for number in range(4)]
    for protocol in (0, 2, 4, 5):
        yield pickle.dumps((images, [True, False]), protocol)
        yield pickle.dumps(([np.frombuffer(image, np.uint8).copy() for image in images], [True, False]), protocol)


def _compiled(_: Path) -> Iterator[bytes]:
    documents = list(yaml.safe_load_all((REPOSITORY / "pipeline.yaml").read_text()))
    yield json.dumps(documents[0]).encode()  # JSON is YAML too


def _archives(_: Path) -> Iterator[bytes]:
    for kind in ("w", "w:gz", "w:bz2", "w:xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=kind) as archive:
            for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00001", "checkpoint"):
                member = tarfile.TarInfo(f"network/{name}")
                member.size = 600
                archive.addfile(member, io.BytesIO(name.encode().ljust(600)))
        yield packed.getvalue()


def _read_archive(path: Path) -> None:
    with unpack(path):
        pass


_FACE_WEIGHTS = {"conv2d_1a.conv.weight": (2, 3, 1, 1), "conv2d_1a.bn.running_mean": (2,), "last_linear.weight": (4, 2)}


def _safetensors(_: Path) -> Iterator[bytes]:
    yield safetensors.numpy.save({name: np.ones(shape, np.float32) for name, shape in _FACE_WEIGHTS.items()})


def _keras2(_: Path) -> Iterator[bytes]:
    for root in ("", "model_weights/"):
        packed = io.BytesIO()
        with h5py.File(packed, "w") as file:
            file[f"{root}Conv2d_1a_3x3/Conv2d_1a_3x3/kernel:0"] = np.ones((1, 1, 3, 2), np.float32)
            file[f"{root}Conv2d_1a_3x3_BatchNorm/Conv2d_1a_3x3_BatchNorm/beta:0"] = np.ones(2, np.float32)
            file[f"{root}Bottleneck/Bottleneck/kernel:0"] = np.ones((2, 4), np.float32)
        yield packed.getvalue()


def _read_face_weights(path: Path) -> None:
    with face_weights.open_weights(path, find_start(path).kind) as stored:
        for name in stored.shapes:
            stored.read(name)
        assert stored.pixels


def _recipes(_: Path) -> Iterator[bytes]:
    yield b'{"about": "x", "set": {"collect.min_examples": 3, "rounds": 2}}'


def _specifications(_: Path) -> Iterator[bytes]:
    preprocessing = {"crop": {"margin": 0.25, "alignment": "none"}, "image_size": 32}
    yield json.dumps(record_of(preprocessing, (Threshold(0.01, 0.5, 0.4, 0.6, 0.9),), {"a": 1})).encode()


def _executor_inputs(_: Path) -> Iterator[bytes]:
    artifact = {"artifacts": [{"name": "faces", "uri": "s3://bucket/x", "metadata": {}}]}
    outputs = {"outputFile": "output.json", "artifacts": {"metrics": artifact}}
    yield json.dumps({"inputs": {"artifacts": {"faces": artifact}}, "outputs": outputs}).encode()


def _executor_outputs(_: Path) -> Iterator[bytes]:
    artifact = {"name": "m", "uri": "u", "metadata": {"a": 1.5}}
    yield json.dumps({"artifacts": {"metrics": {"artifacts": [artifact]}}}).encode()


def _read_executor_input(data: bytes, folder: Path) -> None:
    text = data.decode(errors="replace")
    os.chdir(folder)  # a changed text may name any file
    inputs(text, "faces", (), "-i FACES")
    with suppress(OSError):
        write_metrics(text, {"a": 1})


def _states(run: Path) -> Iterator[bytes]:
    whole = state.load(next(run.glob("*/training/state.npz")).parent)
    assert whole is not None
    with tempfile.TemporaryDirectory() as folder:
        few = {name: array.ravel()[:_ROWS] for name, array in whole.arrays.items()}
        state.save(Path(folder), replace(whole, arrays=few))
        yield (Path(folder) / state.FILE).read_bytes()


def _read_picture(data: bytes, _: Path) -> None:
    with suppress(RejectedError):
        photo = Photo(data, 4_000_000)
        photo.small("L", 32)
        photo.colour(photo.least)


def _read_record(data: bytes, folder: Path) -> None:
    """Of a run or of a task, by everything that looks at runs."""
    for name in ("run.json", "task.json"):
        (folder / "1" / "a").mkdir(parents=True, exist_ok=True)
        (folder / "1" / name).write_bytes(data)
        (folder / "1" / "a" / name).write_bytes(data)
    read_task(folder, "1", "a")
    history.runs(folder)
    for what in ("1", "1/a"):
        with suppress(FacenetError):
            found = find(folder, what)
            show._run(folder, found.run) if found.task is None else show._task(folder, found.run, found.task)
    read_run(folder, "1")


def _read_left(data: bytes, folder: Path) -> None:
    """What `verify` looks for in a runs folder."""
    model = folder / "1" / "export" / "model"
    model.mkdir(parents=True)
    for place in (folder / "1" / "run.json", model / "export.json", model / "facenet-int8.tflite"):
        place.write_bytes(data)
    runs.newest(folder)


def _read_table(path: Path) -> None:
    preview._table([path], "a", 0, _ROWS)


def _crops(run: Path) -> list[tuple[int, bytes]]:
    """Two small crops of each of two people, a JPEG and a PNG."""
    small, _ = _small(run)
    found = []
    for person in (0, 1):
        for kind in ("JPEG", "PNG"):
            small.resize((16 + person, 16 + person)).save(buffer := io.BytesIO(), kind)
            found.append((person, buffer.getvalue()))
    return found


def _sources(write: Callable[[Path, list[tuple[int, bytes]]], Path], pattern: str) -> Callable[[Path], Iterator[bytes]]:
    def seeds(run: Path) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "source", _crops(run))
            yield from (path.read_bytes() for path in sorted(Path(folder, "source").glob(pattern)))

    return seeds


def _read_source(path: Path) -> None:
    """A source of crops, its whole and a part."""
    source = open_source(layouts.find(path), "")
    for start in (0, source.extent // 2):
        for _, sample in source.samples(start):
            see(sample.image)


def _import_of(name: str, seeds: Callable[[Path], Iterator[bytes]]) -> Target:
    return Target(seeds, _file(f"source.{name}", _read_source))


TARGETS = {
    "photo": Target(_photos, _read_photo),
    "picture": Target(_photos, _read_picture),
    **{f"{kind} picture": Target(_coded(kind), _read_picture) for kind in _CODED},
    "crop": Target(_photos, _read_crops),
    **{f"{kind.name} manifest": Target(_some_rows(kind), _manifest(kind)) for kind in manifest.MANIFESTS.values()},
    "record of a manifest": Target(_about, _read_about, is_json=True),
    "facenet.json": Target(_of("*/checkpoint/facenet.json"), _read_description, is_json=True, heavy=True),
    "preprocessing": Target(_preprocessing, _read_preprocessing, is_json=True),
    "specification": Target(_specifications, lambda data, _: parse(data.decode(errors="replace"), "x"), is_json=True),
    "pairs file": Target(_pairs, _file("pairs.txt", read_pairs_file)),
    ".bin set": Target(_bins, _file("set.bin", read_pairs_file)),
    "RecordIO": _import_of("rec", _sources(partial(made_sources.write_recordio, ranges=True), "*.rec")),
    ".bin set of crops": _import_of("bin", _bins),
    "Parquet of crops": _import_of("parquet", _sources(partial(made_sources.write_parquet, names=["a", "b"]), "*")),
    "LMDB of crops": _import_of("mdb", _sources(partial(made_sources.write_lmdb, msgpack=True), "data.mdb")),
    "tar of crops": _import_of("tar", _sources(partial(made_sources.write_tars, as_json=True), "*")),
    "corrections": Target(_corrections, _file("corrections.json", read_corrections), is_json=True),
    "gallery": Target(_galleries, _file("gallery.db", _read_gallery)),
    "pipeline": Target(_compiled, _file("pipeline.yaml", ir.read), is_json=True),
    "recipe": Target(_recipes, _file("recipe.yaml", lambda path: recipe.read(str(path))), is_json=True),
    "executor input": Target(_executor_inputs, _read_executor_input, is_json=True),
    "executor output": Target(_executor_outputs, _file("output.json", results._executor_output), is_json=True),
    "report": Target(
        _of("*/report/metrics.json"), _file("metrics.json", lambda path: read_report(path.parent, "x")), is_json=True
    ),
    "former report": Target(_of("*/report/metrics.json"), _file("metrics.json", read_former), is_json=True),
    "record of a run": Target(_of("run.json"), _read_record, is_json=True),
    "record of a task": Target(_of("collect/task.json"), _read_record, is_json=True),
    "run that left a network": Target(_of("run.json"), _read_left, is_json=True),
    "export that left one": Target(_of("export/model/export.json"), _read_left, is_json=True),
    "table to look at": Target(_some_rows(manifest.DATASET), _file("part-00000.parquet", _read_table)),
    "state of a training": Target(_states, _file("state.npz", lambda path: state.load(path.parent))),
    "LiteRT model": Target(_of("export/model/*int8.tflite"), _file("facenet.tflite", _embed)),
    "archive": Target(_archives, _file("network.tar", _read_archive)),
    "safetensors": Target(_safetensors, _file("faces.safetensors", _read_face_weights)),
    "Keras 2 weights": Target(_keras2, _file("faces.h5", _read_face_weights)),
    "weights": Target(_weights, _read_weights, heavy=True),
}
FINE = FacenetError
