from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageFile, PngImagePlugin, features

from components.common.formats import format_of
from components.extract.crop import cut
from components.extract.decode import Photo, reduction
from components.extract.reasons import Reason, RejectedError

PLENTY = 10**8
# EXIF orientation -> how a camera held that way stores an upright scene.
STORED = {
    1: lambda picture: picture,
    2: lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    4: lambda picture: picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda picture: picture.transpose(Image.Transpose.TRANSPOSE),
    6: lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    7: lambda picture: picture.transpose(Image.Transpose.TRANSVERSE),
    8: lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
}


def rejected(data: bytes, max_pixels: int = PLENTY):
    with pytest.raises(RejectedError) as caught:
        Photo(data, max_pixels).small("L", 64)
    return caught.value.reject


def difference(photo: Photo, picture: Image.Image) -> float:
    """Mean absolute difference of the grey values, 0 to 255."""
    expected = np.asarray(picture.convert("L"), float)
    return float(np.abs(photo.small("L", max(picture.size)) - expected).mean())


def png_of_16_bits(rgb: np.ndarray) -> bytes:
    """A PNG of 16 bits for each channel, which Pillow does not write. rgb: uint16 [height, width, 3]."""
    height, width, _ = rgb.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def tiff(size: tuple[int, int], bits: int, samples: int, data: bytes) -> bytes:
    """An uncompressed TIFF of any depth, which Pillow does not write."""
    depths, strip = 8, 8 + 2 * samples
    entries = [
        *((256, 4, 1, size[0]), (257, 4, 1, size[1])),
        (258, 3, samples, depths if samples > 2 else bits),
        *((259, 3, 1, 1), (262, 3, 1, 2 if samples > 1 else 1), (273, 4, 1, strip)),
        *((277, 3, 1, samples), (278, 4, 1, size[1]), (279, 4, 1, len(data))),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, strip + len(data)) + struct.pack("<H", bits) * samples + data + directory


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_comes_out_upright(portrait, encode, kind, orientation):
    """AVIF and HEIF keep it in boxes, and HEIF in EXIF as well, which must not turn the photo again."""
    scene = portrait.resize((300, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Photo(encode(STORED[orientation](scene), kind, exif=exif.tobytes()), PLENTY)
    assert (photo.width, photo.height) == (300, 200)
    assert difference(photo, scene) < 3
    assert photo.colour(2).size == (150, 100)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\xff\xff\xff\xff"])
def test_damaged_exif_does_not_cost_the_photo(portrait, encode, exif):
    assert difference(Photo(encode(portrait, exif=exif), PLENTY), portrait) < 3


@pytest.mark.parametrize(
    ("kind", "mode", "tolerance"),
    [
        *(("JPEG", "L", 3), ("JPEG", "CMYK", 4), ("PNG", "RGB", 0), ("PNG", "L", 0), ("PNG", "P", 8), ("GIF", "P", 8)),
        *((kind, mode, 3) for kind in ("WEBP", "AVIF", "HEIF", "JPEG2000") for mode in ("RGB", "L")),
        *(("TIFF", mode, 8) for mode in ("RGB", "L", "P", "CMYK", "YCbCr")),
        *(("BMP", "RGB", 0), ("BMP", "L", 0), ("BMP", "P", 8)),
    ],
)
def test_the_modes_of_each_format_show_the_same_picture(portrait, encode, kind, mode, tolerance):
    picture = portrait.quantize(256) if mode == "P" else portrait.convert(mode)
    photo = Photo(encode(picture, kind), PLENTY)
    assert difference(photo, portrait) <= tolerance
    assert photo.colour(1).mode == "RGB"


def test_16_bits_are_scaled_and_not_clipped(portrait, encode):
    grey = portrait.convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    for kind in ("PNG", "TIFF", "JPEG2000"):
        assert difference(Photo(encode(deep, kind), PLENTY), grey) == 0
    colours = np.asarray(portrait, np.uint16) * 257
    assert difference(Photo(png_of_16_bits(colours), PLENTY), portrait) == 0
    assert difference(Photo(tiff(portrait.size, 16, 3, colours.tobytes()), PLENTY), portrait) == 0


@pytest.mark.parametrize("bits", [10, 12])
def test_of_sensors_with_10_and_12_bits_white_is_white(portrait, encode, bits):
    grey = portrait.convert("L")
    deep = np.asarray(grey, np.uint16) << (bits - 8)
    deep[0, 0] = 2**bits - 1
    assert difference(Photo(encode(Image.fromarray(deep), "TIFF"), PLENTY), grey) < 0.01
    assert difference(Photo(encode(Image.fromarray(deep.astype(np.int32)), "TIFF"), PLENTY), grey) < 0.01


def test_12_bits_that_are_packed_are_scaled(portrait):
    grey = portrait.convert("L").resize((256, 256))
    pairs = np.asarray(grey, np.uint16).reshape(-1, 2) << 4
    packed = np.stack([pairs[:, 0] >> 4, pairs[:, 0] << 4 & 0xF0 | pairs[:, 1] >> 8, pairs[:, 1] & 0xFF], 1)
    photo = Photo(tiff(grey.size, 12, 1, packed.astype(np.uint8).tobytes()), PLENTY)
    assert difference(photo, grey) < 1


@pytest.mark.parametrize("white", [1.0, 255.0, 70000.0])
def test_fractions_are_scaled_and_what_is_no_number_is_black(portrait, encode, white):
    grey = portrait.convert("L")
    values = np.asarray(grey, np.float32) * (white / 255)
    values[0, :3] = np.nan, np.inf, -1
    values[0, 3] = white
    small = Photo(encode(Image.fromarray(values), "TIFF"), PLENTY).small("L", max(grey.size))
    assert np.abs(small[1:].astype(float) - np.asarray(grey)[1:]).mean() < 1
    assert small[0, :4].tolist() == [0, 0, 0, 255]


def test_a_heif_of_10_bits_has_the_tones_of_one_of_8(portrait, encode):
    deep = np.asarray(portrait, np.uint16) * 257
    written = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", portrait.size, deep.tobytes()).save(written)
    assert difference(Photo(written.getvalue(), PLENTY), portrait) < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_becomes_white(portrait, encode, mode):
    see_through = portrait.convert(mode)
    see_through.putalpha(Image.new("L", portrait.size, 0))
    assert Photo(encode(see_through, "PNG"), PLENTY).small("L", 64).min() == 255


def test_a_palette_with_a_transparent_colour_becomes_white_there(encode):
    picture = Image.new("P", (40, 40), 0)
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.paste(1, (0, 0, 20, 40))
    for kind in ("PNG", "GIF"):
        colours = np.asarray(Photo(encode(picture, kind, transparency=0), PLENTY).colour(1))
        assert (colours[:, :20] == [200, 0, 0]).all() and (colours[:, 20:] == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_of_several_pictures_the_first_counts(encode, kind):
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ("black", "white"))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert Photo(data, PLENTY).small("L", 40).max() < 3


@pytest.mark.parametrize("second", [Image.new("RGB", (255, 318)), Image.new("L", (64, 80))])
def test_phones_jpeg_with_a_second_picture_or_a_map_counts_as_jpeg(portrait, encode, second):
    data = encode(portrait, "MPO", save_all=True, append_images=[second])
    assert difference(Photo(data, PLENTY), portrait) < 3


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {})])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_an_image_without_its_end_is_rejected_and_not_half_decoded(portrait, encode, kind, options, kept):
    data = encode(portrait, kind, **options)
    reject = rejected(data[: int(len(data) * kept)])
    assert reject.reason in (Reason.TRUNCATED, Reason.UNREADABLE)
    if kept == 0.5:
        assert reject.reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.NOT_AN_IMAGE),
        (b"<html>404</html>", Reason.NOT_AN_IMAGE),
        (b"\xff\xd8\xff", Reason.UNREADABLE),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, Reason.UNREADABLE),
    ],
)
def test_what_is_no_image_is_rejected(data, reason):
    assert rejected(data).reason is reason


def test_a_format_that_nothing_reads_is_rejected_with_what_to_install(portrait, encode, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reject = rejected(encode(portrait, "HEIF"))
    assert (reject.reason, reject.detail) == (Reason.NO_READER, "HEIF (install pillow-heif)")
    monkeypatch.setattr(features, "check", lambda name: False)
    for kind in ("WEBP", "AVIF", "JPEG2000"):
        reject = rejected(encode(portrait, kind))
        assert reject.reason is Reason.NO_READER and kind in reject.detail


@pytest.mark.parametrize(
    ("start", "name"),
    [
        *((b"heic\0\0\0\0mif1heic", "HEIF"), (b"heix\0\0\0\0", "HEIF"), (b"mif1\0\0\0\0mif1heic", "HEIF")),
        *((b"hevc\0\0\0\0", "HEIF"), (b"msf1\0\0\0\0hevc", "HEIF"), (b"mif1\0\0\0\0mif1miafavif", "AVIF")),
        *((b"avis\0\0\0\0", "AVIF"), (b"isom\0\0\0\0avc1mp41", None), (b"qt  \0\0\0\0", None)),
    ],
)
def test_which_format_a_box_names(start, name):
    kind = format_of(b"\0\0\0\x20ftyp" + start)
    assert (kind and kind.name) == name


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_orientation_in_xmp_turns_nothing(portrait, encode, kind):
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp)
    scene = portrait.resize((300, 200))
    data = encode(scene, kind, **({"xmp": xmp.encode()} if kind == "JPEG" else {"pnginfo": text}))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.getexif().get(0x0112) == 6  # Pillow's own answer
    assert difference(Photo(data, PLENTY), scene) < 3


def test_the_limit_itself_is_allowed(encode):
    data = encode(Image.new("L", (30, 20)))
    assert Photo(data, 600).width == 30
    assert Photo(data, 150).width == 30
    assert rejected(data, 149).reason is Reason.TOO_MANY_PIXELS
    png = encode(Image.new("L", (30, 20)), "PNG")
    assert Photo(png, 600).least == 1
    assert rejected(png, 599).reason is Reason.TOO_MANY_PIXELS
    for kind in ("WEBP", "JPEG2000"):  # which take more memory
        data = encode(Image.new("RGB", (30, 20)), kind)
        assert Photo(data, 1200).width == 30
        assert rejected(data, 1199).reason is Reason.TOO_MANY_PIXELS


@pytest.fixture
def decoded(monkeypatch):
    """The pictures that Pillow decodes, in the order in which it does."""
    pictures = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: (pictures.append(self), load(self))[1])
    return pictures


def test_a_jpeg_of_more_pixels_is_never_decoded_whole(portrait, encode, decoded):
    """As a phone of 108 megapixels makes them; the square of a face is then half as large."""
    scene = portrait.resize((300, 200))
    photo = Photo(encode(scene), 200 * 150)
    assert (photo.width, photo.height, photo.least) == (300, 200, 2)
    assert difference(photo, scene) < 3
    crop = cut(photo, (100, 50, 200, 150))
    assert crop.size == (50, 50)
    assert (
        np.abs(np.asarray(crop, float) - np.asarray(scene.crop((100, 50, 200, 150)).resize((50, 50)), float)).mean() < 4
    )
    assert {picture.size for picture in decoded} == {(150, 100)}


def test_grey_comes_out_of_colours_that_are_decoded(portrait, encode, decoded):
    photo = Photo(encode(portrait), PLENTY)
    photo.colour(1)
    assert difference(photo, portrait) < 3
    assert len({id(picture) for picture in decoded}) == 1


@pytest.mark.parametrize(("size", "shape"), [((1, 1), (1, 1)), ((1, 3000), (640, 1)), ((3000, 2), (1, 640))])
def test_extreme_shapes_keep_at_least_one_pixel(encode, size, shape):
    assert Photo(encode(Image.new("RGB", size)), PLENTY).small("L", 640).shape == shape


def test_a_large_jpeg_in_small_is_the_same_picture_as_the_whole_scaled_down(portrait, encode):
    large = portrait.resize((1501, 1103), Image.Resampling.BICUBIC)
    small = Photo(encode(large), PLENTY).small("L", 200)
    expected = np.asarray(large.convert("L").resize((200, 147), Image.Resampling.BILINEAR), float)
    assert small.shape == (147, 200)
    assert np.abs(small - expected).mean() < 2


def test_the_reduction_is_the_largest_allowed_one():
    assert [reduction(most) for most in (0.2, 1, 1.9, 2, 3.9, 4, 7.9, 8, 100)] == [1, 1, 1, 2, 2, 4, 4, 8, 8]
