"""What losses and heads give on people who are not trained on: `python -m benchmarks.losses DATASET`.

A training of a whole network takes minutes, and its score depends on its seed. So that many can be compared, what is
trained here are three layers on the features of a network that stays as it is, which takes seconds. Each trial is flags
of mine-and-train. A row for each training goes to a CSV file.
"""

from __future__ import annotations

import csv
import statistics
from pathlib import Path
from time import process_time

import keras
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from keras import layers

from benchmarks.harness import command_line
from components.common.batches import Images, embed_many
from components.common.crops import decode_crops, faces_of
from components.common.manifest import DATASET, read
from components.common.parsing import parse
from components.evaluate.score import protocol_for, score
from components.mine_and_train.settings import Settings
from components.mine_and_train.train import Training
from components.model.backbones.normalization import normalize
from components.model.network import Architecture, Embedder, build, scale
from components.model.pretrained import start_from

Labels = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]
# Of the network that stays as it is: a part of dlib's, chosen by so many faces.
_TRUNK = Architecture("dlib_tiny", 68, 128)
_CROP_SHARE = 0.9067
_CHOOSE_BY = 64
# Features are stored as pixels, so that they are trained on as faces are.
_SIDE = 10
_DEVIATIONS = 4
_WIDTHS = (512, 256)
_EMBEDDING = 128
_DRAWS = 5  # of the pairs, as one draw moves a score as much as a seed of the training does

_CLASSIFY = "--loss classification --class_head"
TRIALS = {
    # A pass over what a round mined has fewer steps than the rounds of the others: more rounds in as much time.
    "triplets mined, hard": "--loss triplet --rounds 75",
    "triplets in the batch, semi-hard": "--loss online-triplet --negatives semi-hard",
    "contrastive": "--loss contrastive",
    "softmax": f"{_CLASSIFY} softmax",
    "arcface": f"{_CLASSIFY} arcface",
    "cosface": f"{_CLASSIFY} cosface",
    "adaface": f"{_CLASSIFY} adaface",
    "arcface, 3 sub-centres": f"{_CLASSIFY} arcface --class_subcentres 3",
    "arcface, a tenth": f"{_CLASSIFY} arcface --class_sample_rate 0.1",
}
COMMON = (
    "--optimizer adam --learning_rate 0.002 --schedule cosine --flip false"
    " --rounds 25 --max_batches 20 --batch_size 192 --faces_per_identity 4"
)


def labels_of(rows: pa.Table) -> Labels:
    """int64 [n], from 0."""
    return np.unique(rows["identity"].to_numpy(zero_copy_only=False), return_inverse=True)[1]


def features_of(tables: list[tuple[pa.Table, Path]]) -> list[Rows]:
    """What the trunk makes of the faces of some rows of datasets: float32 [n, 256] each."""
    decoded = [decode_crops(rows, faces_of(at, ()), _TRUNK.image_size, _CROP_SHARE) for rows, at in tables]
    keras.utils.set_random_seed(0)
    network = build(_TRUNK)
    start_from(network, _TRUNK, Path("dlib"), decoded[0][:_CHOOSE_BY])
    trunk = keras.Model(network.input, network.get_layer("embedding").input)
    return [np.concatenate([trunk(scale(images[i : i + 64])) for i in range(0, len(images), 64)]) for images in decoded]


def as_images(features: list[Rows]) -> list[Images]:
    """Features as uint8 [n, s, s, 3]: each number by its mean and deviation in the first of them."""
    mean, deviation = features[0].mean(axis=0), features[0].std(axis=0) + 1e-9
    images = []
    for some in features:
        pixels = np.zeros((len(some), _SIDE * _SIDE * 3), np.uint8)
        numbers = 127.5 + (some - mean) / deviation * (127.5 / _DEVIATIONS)
        pixels[:, : some.shape[1]] = np.clip(np.rint(numbers), 0, 255)
        images.append(pixels.reshape(-1, _SIDE, _SIDE, 3))
    return images


def build_layers() -> keras.Model:
    """What is trained: as `components.model.network.build` makes a network, with three layers instead of a backbone."""
    inputs = layers.Input((_SIDE, _SIDE, 3))
    x = layers.Rescaling(float(_DEVIATIONS))(layers.Flatten()(inputs))
    for width in _WIDTHS:
        x = layers.ReLU()(normalize(layers.Dense(width, use_bias=False)(x)))
    x = normalize(layers.Dense(_EMBEDDING, use_bias=False, name="embedding")(x), scale=False)
    return keras.Model(inputs, layers.UnitNormalization(axis=-1, name="unit_length")(x))


def trained(flags: str, images: Images, labels: Labels, scored: list[tuple[Images, Labels]]) -> dict[str, float]:
    """Trains by some flags, and scores at the end."""
    how = parse(Settings, f"-i . -c . {flags}".split(), prog="").hyperparameters
    keras.utils.clear_session()
    keras.utils.set_random_seed(how.seed)
    training = Training(build_layers(), images, labels, how)
    began = process_time()
    for _ in training.run():
        pass
    found = {"steps": training.steps, "seconds": process_time() - began, "loss": training.rounds[-1].loss}
    with training.evaluation_weights():
        embed = Embedder(training.network, how.batch_size)
        for number, (unseen, people) in enumerate(scored):
            found |= scores(embed_many(embed, unseen, _EMBEDDING), people, f"_{number}")
    return found


def scores(vectors: Rows, people: Labels, ending: str) -> dict[str, float]:
    """The mean over some draws of the pairs."""
    drawn = []
    for seed in range(_DRAWS):
        protocol, sentence = protocol_for(people, seed)
        assert protocol is not None, sentence
        drawn.append(score(protocol, vectors))
    return {
        f"{name}{ending}": statistics.mean(getattr(one, name) for one in drawn) for name in ("accuracy", "auc", "val")
    }


def main() -> None:
    """Every trial with the first seed, then with the next."""
    parser = command_line(__doc__)
    parser.add_argument("dataset", type=Path, help="its train split is trained on, its other splits are scored")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="datasets of other people to score on")
    parser.add_argument("--to", type=Path, default=Path("losses.csv"), help="where rows are added (losses.csv)")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), help=f"of: {'; '.join(TRIALS)}; or NAME:FLAGS")
    parser.add_argument("--common", default=COMMON, help=f"flags of all trials ({COMMON})")
    given = parser.parse_args()
    rows = read(given.dataset, DATASET)
    known = pc.equal(rows["split"], "train")
    tables = [(rows.filter(known), given.dataset), (rows.filter(pc.invert(known)), given.dataset)]
    tables += [(read(other, DATASET), other) for other in given.others]
    features = features_of(tables)
    people = [labels_of(some) for some, _ in tables]
    images = as_images(features)
    scored = list(zip(images[1:], people[1:], strict=True))
    print("faces", [len(some) for some in people], "people", [len(np.unique(some)) for some in people])
    for seed in given.seeds:
        for trial in given.trials:
            name, _, flags = trial.partition(":")
            flags = f"{given.common} {flags or TRIALS[name]} --seed {seed}"
            row = {"trial": name, "seed": seed, **trained(flags, images[0], people[0], scored)}
            print(
                *(f"{key} {value:.4g}" if isinstance(value, float) else value for key, value in row.items()), flush=True
            )
            new = not given.to.exists()
            with given.to.open("a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if new:
                    writer.writeheader()
                writer.writerow(row)


if __name__ == "__main__":
    main()
