"""Made-up sets in each layout that a benchmark is published in, of drawn photos."""

from __future__ import annotations

import io
import pickle
import shutil
from pathlib import Path

from PIL import Image


def people(photos: Path, count: int, each: int) -> list[list[Path]]:
    """Some photos of some people of a drawn sample."""
    return [sorted(person.glob("*.jpg"))[:each] for person in sorted(photos.glob("person-*"))[:count]]


def pairs_of(count: int, each: int) -> tuple[list, list]:
    """As many same-identity as different-identity pairs, as ((person, photo), (person, photo)); photos from 0."""
    same = [((person, 0), (person, photo)) for photo in range(1, each) for person in range(count)]
    different = [
        ((person, photo), ((person + 1) % count, photo)) for photo in range(1, each) for person in range(count)
    ]
    return same, different


def draw_cfp(folder: Path, photos: Path, count: int = 4) -> Path:
    """Two frontal photos and two from the side of each person; a fold for each two people."""
    frontal, profile = [], []
    for number, person in enumerate(people(photos, count, 4), start=1):
        for at, photo in enumerate(person):
            pose, listed = ("frontal", frontal) if at < 2 else ("profile", profile)
            place = folder / "Data" / "Images" / f"{number:03d}" / pose / f"{at % 2 + 1:02d}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, place)
            listed.append(f"{len(listed) + 1} ../{place.relative_to(folder).as_posix()}")
    protocol = folder / "Protocol"
    for kind in ("FF", "FP"):
        for fold in range(count // 2):
            split = protocol / "Split" / kind / f"{fold + 1:02d}"
            split.mkdir(parents=True)
            one, other = 4 * fold + 1, 4 * fold + 3  # the first photo of each of the fold's two people
            same, different = {
                "FF": ([(one, one + 1), (other, other + 1)], [(one, other), (one + 1, other + 1)]),
                "FP": ([(one, one), (other, other + 1)], [(one, other), (other, one + 1)]),
            }[kind]
            for name, pairs in (("same", same), ("diff", different)):
                (split / f"{name}.txt").write_text("".join(f"{i},{j}\n" for i, j in pairs))
    (protocol / "Pair_list_F.txt").write_text("\n".join(frontal) + "\n")
    (protocol / "Pair_list_P.txt").write_text("\r\n".join(profile))
    return folder


def draw_flagged(folder: Path, photos: Path, *, folds: bool, count: int = 4) -> Path:
    """CALFW's layout when the flags are folds, else CPLFW's; with the authors' aligned photos beside the others."""
    name = "CALFW" if folds else "CPLFW"
    for place in (folder / "images", folder / "aligned images"):
        place.mkdir(parents=True)
        for number, person in enumerate(people(photos, count, 3)):
            for at, photo in enumerate(person, start=1):
                shutil.copy(photo, place / f"Per_Son{number}_{at:04d}.jpg")
    same, different = pairs_of(count, 3)
    flags = [at * 2 // len(same) + 1 if folds else 1 for at in range(len(same))] + [0] * len(different)
    lines = [
        f"Per_Son{person}_{photo + 1:04d}.jpg {flag}"
        for pair, flag in zip(same + different, flags, strict=True)
        for person, photo in pair
    ]
    (folder / f"pairs_{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def draw_labelled(folder: Path, photos: Path, count: int = 4) -> Path:
    """AgeDB-30's layout as text."""
    place = folder / "imgs"
    place.mkdir(parents=True)
    for number, person in enumerate(people(photos, count, 3)):
        for at, photo in enumerate(person):
            shutil.copy(photo, place / f"{3 * number + at}.jpg")
    lines = [
        f"{3 * one[0] + one[1]}.jpg {3 * other[0] + other[1]}.jpg {label}"
        for pairs in zip(*pairs_of(count, 3), strict=True)
        for (one, other), label in zip(pairs, (1, 0), strict=True)
    ]
    (folder / "agedb_30_pair.txt").write_text("\n".join(lines) + "\n")
    return folder


def crop(photo: Path, side: int = 112) -> bytes:
    """The middle of a photo as JPEG."""
    encoded = io.BytesIO()
    with Image.open(photo) as picture:
        edge = min(picture.size) // 4
        middle = (edge, edge, min(picture.size) - edge, min(picture.size) - edge)
        picture.convert("RGB").resize((side, side), box=middle).save(encoded, "JPEG")
    return encoded.getvalue()


def draw_bin(file: Path, photos: Path, count: int = 4, protocol: int = 4) -> Path:
    """Insightface's layout; the first photo of a person is in several pairs."""
    crops = [[crop(photo) for photo in person] for person in people(photos, count, 3)]
    images, flags = [], []
    for pairs in zip(*pairs_of(count, 3), strict=True):
        for pair, flag in zip(pairs, (True, False), strict=True):
            images += [crops[person][photo] for person, photo in pair]
            flags.append(flag)
    file.write_bytes(pickle.dumps((images, flags), protocol=protocol))
    return file


def draw_templates(folder: Path, photos: Path, count: int = 4) -> Path:
    """IJB-C's layout: two templates of each person, one of two frames of a video and a photo, one of a photo."""
    (folder / "meta").mkdir(parents=True)
    (folder / "loose_crop").mkdir()
    lines = []
    for number, person in enumerate(people(photos, count, 4)):
        for at, photo in enumerate(person):
            name = f"{4 * number + at + 1}.jpg"
            shutil.copy(photo, folder / "loose_crop" / name)
            lines.append(f"{name} {10 * number + (7 if at < 3 else 9)} {(100 + number, 100 + number, 500, 3)[at]}")
    (folder / "meta" / "ijbc_face_tid_mid.txt").write_text("\n".join(lines) + "\n")
    pairs = [f"{10 * one + 7} {10 * other + 9} {int(one == other)}" for one in range(count) for other in range(count)]
    (folder / "meta" / "ijbc_template_pair_label.txt").write_text("\n".join(pairs) + "\n")
    (folder / "meta" / "ijbc_name_5pts_score.txt").write_text("1.jpg 1 1 1 1 1 1 1 1 1 1 0.99\n")
    return folder
