"""Photos and folders as nobody would wish them: each photo gives its faces or a reject, and nothing else happens."""

from __future__ import annotations

import inspect
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from components.common.manifest import FACES, REJECTS, read
from components.extract.__main__ import main
from components.extract.decode import Photo
from components.extract.photo import Extraction, faces_in
from components.extract.reasons import Reason, RejectedError
from components.extract.scan import scan
from pipelines.cache.content import _walk

PLENTY = 10**8


def frame(width: int, height: int) -> bytes:
    """A frame of a GIF: its descriptor, and not one pixel of the data that follows."""
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"


def gif(width: int, height: int, *frames: bytes) -> bytes:
    palette = b"\0\0\0\xff\xff\xff\x80\x80\x80\x40\x40\x40"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + palette + b"".join(frames) + b"\x3b"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return png[:33] + chunk(name, body) + png[33:]


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("GIF", {"save_all": True})),
        *(("WEBP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"save_all": True}), ("AVIF", {}), ("HEIF", {})),
        *(("TIFF", {"compression": how}) for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        *(("BMP", {}), ("JPEG2000", {}), ("JPEG2000", {"no_jp2": True})),
    ],
)
def test_cut_off_at_every_tenth_byte_a_photo_is_whole_or_rejected(portrait, encode, kind, options):
    small = portrait.resize((60, 60))
    if "save_all" in options:
        options = {**options, "append_images": [Image.new("RGB", small.size)]}
    data = encode(small, kind, **options)
    whole = Photo(data, PLENTY).small("L", 60)
    rejects = 0
    for end in range(0, len(data), 10):
        try:
            assert np.array_equal(Photo(data[:end], PLENTY).small("L", 60), whole), f"half decoded at {end}"
        except RejectedError:
            rejects += 1
    assert rejects > 20


def of_size(data: bytes, before: bytes, layout: str, *size: int) -> bytes:
    """A file whose header says another size: what follows `before`."""
    at = data.index(before) + len(before)
    return data[:at] + struct.pack(layout, *size) + data[at + struct.calcsize(layout) :]


def bmp(width: int, height: int, data: bytes = b"", compression: int = 0) -> bytes:
    """A BMP of black, 8 bits a pixel; compression 1 is run lengths."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + header + bytes(1024) + data


def bombs_of_codecs(encode) -> dict[str, bytes]:
    """Small files of each format that say they are large; some would be, if they were decoded."""
    small = Image.new("RGB", (64, 64))
    animated = encode(small, "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    tiff = encode(Image.new("1", (20000, 20000)), "TIFF", compression="group4")
    return {
        "WEBP, the canvas of an animation": animated[:24] + b"\xff\x3f\0" * 2 + animated[30:],
        "WEBP, a picture": of_size(encode(small, "WEBP"), b"\x9d\x01\x2a", "<HH", 0x3FFF, 0x3FFF),
        "AVIF": of_size(encode(small, "AVIF"), b"ispe\0\0\0\0", ">II", 16000, 16000),
        "HEIF": of_size(encode(small, "HEIF"), b"ispe\0\0\0\0", ">II", 16000, 16000),
        "TIFF": tiff,
        "BMP": bmp(20000, 20000),
        "BMP in run lengths": bmp(10000, 10000, b"\1\1\0\0" * 10000, compression=1),
        "JPEG 2000": of_size(encode(small, "JPEG2000"), b"ihdr", ">II", 60000, 60000),
    }


def test_a_bomb_of_each_codec_is_rejected_by_its_header(encode):
    for name, bomb in bombs_of_codecs(encode).items():
        reject = faces_in(bomb, Extraction())
        assert (reject.reason, "million pixels" in reject.detail) == (Reason.TOO_MANY_PIXELS, True), name


def test_a_picture_larger_than_its_header_says_is_rejected_or_scaled_to_it(encode):
    large = Image.new("RGB", (700, 700), "red")
    for kind, mark in (("AVIF", b"ispe\0\0\0\0"), ("HEIF", b"ispe\0\0\0\0"), ("JPEG2000", b"ihdr")):
        try:
            photo = Photo(of_size(encode(large, kind), mark, ">II", 64, 64), PLENTY)
            assert photo.colour(1).size == (photo.width, photo.height) == (64, 64), kind
        except RejectedError as error:
            assert error.reject.reason is Reason.UNREADABLE, kind


# What is far too large is told from its header: were a pixel of it decoded, there would not be the memory.
BOMBS = {
    "a small file of 65500 x 65500 pixels": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 65500, 65500, 8, 6, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    + chunk(b"IEND", b""),
    "a GIF whose screen is too large": gif(65535, 65535, frame(1, 1)),
    "a GIF whose frame is larger than its screen": gif(1, 1, frame(65535, 65535)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_rejected_by_its_header(bomb):
    reject = faces_in(BOMBS[bomb], Extraction())
    assert reject.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_a_png_unpacks_beside_its_pixels_is_limited(encode, name):
    packed = zlib.compress(bytes(200 * 2**20), 9)
    body = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[name] + packed
    data = with_chunk(encode(Image.new("L", (64, 64)), "PNG"), name, body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    faces_in(data, Extraction())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_of_a_hundred_thousand_frames_one_is_decoded(portrait, encode):
    data = encode(portrait, "GIF")
    many = data[:-1] + frame(1, 1) * 100_000 + data[-1:]
    assert faces_in(many, Extraction()) == faces_in(data, Extraction()) != ()


@pytest.mark.parametrize("size", [(1, 1), (1, 30000), (30000, 1), (2, 2), (9, 30000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "JPEG2000"])
def test_a_photo_of_any_shape_is_looked_at(encode, size, kind):
    assert faces_in(encode(Image.new("RGB", size), kind), Extraction()).reason is Reason.NO_FACE


@pytest.mark.parametrize("profile", [b"", b"no profile", bytes(3_000_000)])
def test_an_odd_colour_profile_does_not_cost_the_photo(portrait, encode, profile):
    for picture in (portrait, portrait.convert("CMYK")):
        assert isinstance(faces_in(encode(picture, icc_profile=profile), Extraction()), tuple)


def test_arithmetic_coding_and_lossless_are_decoded_or_rejected(portrait, encode):
    data = encode(portrait)
    start = data.index(b"\xff\xc0")
    for marker in (0xC1, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB):
        changed = data[: start + 1] + bytes([marker]) + data[start + 2 :]
        outcome = faces_in(changed, Extraction())
        assert isinstance(outcome, tuple) or outcome.reason in (Reason.UNREADABLE, Reason.TRUNCATED, Reason.NO_FACE)
    assert features.check("jpg")


# A fast sign that no photo gets further than its reject: none of these shows a face.
def odd_files(folder: Path) -> dict[str, str]:
    """Fills a folder with what only looks like photos; returns the reason of each."""
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("<html>")
    (folder / "directory.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        former = Path.cwd()
        os.chdir(folder)  # the path of a socket has at most 108 bytes
        listening.bind("socket.jpg")
        os.chdir(former)
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "broken.jpg").symlink_to("nothing")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "locked.jpg").touch()
    (folder / "locked.jpg").chmod(0)
    (folder / "line\nbreak.jpg").touch()
    (folder / f"{'ü' * 125}.jpg").touch()  # 254 bytes
    (folder / "\u202egpj.abc\u05d0.jpg").touch()
    (folder / "<img src=x onerror=alert(1)>.jpg").touch()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jpg")).touch()
    (folder / "below").mkdir()
    (folder / "below" / "circle").symlink_to(folder)
    (folder / "below" / os.fsdecode(b"\xff")).symlink_to(folder)
    gone = ("pipe.jpg", "socket.jpg", "device.jpg", "broken.jpg", "loop.jpg")
    none = ("empty.jpg", "text.png", "line\nbreak.jpg", f"{'ü' * 125}.jpg", "\u202egpj.abc\u05d0.jpg")
    return {
        **dict.fromkeys(gone, "not-a-file"),
        **dict.fromkeys((*none, "<img src=x onerror=alert(1)>.jpg"), "not-an-image"),
        "locked.jpg": "unreadable",
        "\\xff\\xfe.jpg": "bad-name",
    }


def test_odd_files_are_listed_each_with_its_reason_and_the_photos_among_them_count(sample_photos, powerless, tmp_path):
    folder = tmp_path / "photos" / "Ada"
    folder.mkdir(parents=True)
    expected = {f"Ada/{name}": reason for name, reason in odd_files(folder).items()}
    shutil.copy(sample_photos / "person-00000" / "00.jpg", folder / "photo.jpg")
    words = ["-i", "photos", "-o", "faces", "--html", "card.html", "--markdown", "card.md", "--workers", "1"]
    command = [*powerless, sys.executable, "-m", "components.extract", *words]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = read(tmp_path / "faces-rejects", REJECTS).to_pylist()
    assert {row["photo_path"]: row["reason"] for row in rows} == expected
    assert read(tmp_path / "faces", FACES)["photo_path"].to_pylist() == ["Ada/photo.jpg"]
    assert "Traceback" not in done.stderr
    assert "not followed: Ada/below/circle" in done.stdout
    assert "<img src=x" not in (tmp_path / "card.html").read_text()


@pytest.mark.long
def test_a_hundred_thousand_files_in_one_folder_are_a_folder_of_photos(tmp_path):
    folder = tmp_path / "photos" / "Ada"
    folder.mkdir(parents=True)
    former = ""
    for number in range(100_000):
        path = f"{folder}/{number}.jpg"
        if number % 50_000:  # a file has at most 65,000 names
            os.link(former, path)
        else:
            os.mknod(path)
            former = path
    assert len(scan(tmp_path / "photos").photos) == 100_000
    shutil.rmtree(folder)


def test_folders_may_lie_in_each_other_as_deep_as_they_like(tmp_path):
    former, deep = Path.cwd(), 300
    os.chdir(tmp_path)
    for _ in range(deep):
        Path("x").mkdir()
        os.chdir("x")
    Path("1.jpg").touch()
    os.chdir(former)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + deep // 2)  # as if the folders were many more
    try:
        assert scan(tmp_path).photos == [f"{'x/' * deep}1.jpg"]
        assert len(list(_walk(str(tmp_path)))) == deep + 1
    finally:
        sys.setrecursionlimit(limit)
        subprocess.run(["rm", "-r", str(tmp_path / "x")], check=True)


def test_a_photo_that_takes_for_ever_is_rejected_and_the_others_are_not(sample_photos, tmp_path, monkeypatch):
    """A named pipe that somebody put in a photo's place after the folder was scanned does not end."""
    from components.extract import photos

    monkeypatch.setattr(photos, "SECONDS_PER_PHOTO", 10.0)  # the start of a process is in it
    monkeypatch.setattr(photos, "extract_photo", _hanging)
    good = sample_photos / "person-00000" / "00.jpg"
    rejected, taken = photos.extract_photos([tmp_path / "hangs.jpg", good], Extraction(), workers=1)
    assert rejected.reject is not None and rejected.reject.reason is Reason.TOO_SLOW
    assert taken.faces


def _hanging(path: Path, extraction: Extraction):
    import time

    from components.extract.photo import extract_photo

    if path.name == "hangs.jpg":
        time.sleep(600)
    return extract_photo(path, extraction)


def test_without_memory_for_a_photo_it_is_rejected_and_the_run_goes_on(sample_photos, tmp_path):
    """A limit of the system on each process, as a container has: the photo of 90 million pixels needs more."""
    folder = tmp_path / "photos" / "Ada"
    folder.mkdir(parents=True)
    shutil.copy(sample_photos / "person-00000" / "00.jpg", folder / "1.jpg")
    Image.new("RGBA", (9000, 10000)).save(folder / "2.png", compress_level=1)
    limited = (
        "import resource, sys; from components.extract.__main__ import main\n"
        "if __name__ == '__main__':\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (900 * 2**20,) * 2)\n"
        "    sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "limited.py").write_text(limited)
    words = ["-i", str(folder.parent), "-o", str(tmp_path / "faces"), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "limited.py"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = read(tmp_path / "faces-rejects", REJECTS).to_pylist()
    assert row["photo_path"] == "Ada/2.png" and row["reason"] in ("unreadable", "worker-died"), row


def test_the_stage_is_not_stopped_by_wrong_names_on_the_command_line(tmp_path, capsys):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    assert main(["-i", name, "-o", str(tmp_path / "faces")]) == 2
    assert "no such photo folder" in capsys.readouterr().err
