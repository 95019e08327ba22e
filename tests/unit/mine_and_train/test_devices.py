"""Two devices make the steps of one: two logical CPUs, and two workers that TF_CONFIG names."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.common.errors import UsageError
from components.mine_and_train.devices import strategy_here
from components.mine_and_train.history import Round

REPOSITORY = Path(__file__).resolve().parents[3]
PLAIN = ["--optimizer", "sgd", "--momentum", "0", "--learning_rate", "0.02"]
WAYS = {
    "offline": PLAIN,
    "online after a classification, clipped, averaged, changed, of two members": [
        *(*PLAIN, "--classification_rounds", "1", "--loss", "online-triplet", "--negatives", "random-violating"),
        *("--class_head", "adaface", "--class_subcentres", "2", "--class_sample_rate", "0.1"),
        *("--clip_norm", "0.5", "--ema", "0.9", "--jitter", "0.1", "--erasing", "0.5"),
        *("--members", "2", "--image_size", "36"),
    ],
}
# A training that also leaves the triplets of its first round in the file that it is told.
TRAINING = """
import os, sys
import numpy as np
from components.mine_and_train import train
from components.mine_and_train.__main__ import main

def mine(*given, mine=train.mine):
    mined = mine(*given)
    if not os.path.exists(os.environ["MINED"]):
        np.save(os.environ["MINED"], mined.triplets.to_triplets())
    return mined

train.mine = mine
sys.exit(main(sys.argv[1:]))
"""
# Run in a process of its own: logical devices must be made before TensorFlow is used.
TWO_LOGICAL = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from components.mine_and_train import devices
devices.strategy_here = lambda: tf.distribute.MirroredStrategy(
    ["/cpu:0", "/cpu:1"], cross_device_ops=tf.distribute.HierarchicalCopyAllReduce()
)
"""


def flags(dataset, folder, more):
    places = ["-i", str(dataset), "-c", str(folder / "checkpoint")]
    network = ["--backbone", "small_resnet", "--image_size", "32", "--embedding_size", "8", "--validate_every", "1"]
    size = ["--rounds", "2", "--max_batches", "3", "--batch_size", "16", "--faces_per_identity", "4"]
    return [*places, *network, *size, *more]


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    # oneDNN's convolutions round by the size of the batch, which each device has another part of: here it is to be seen
    # how devices share a batch, and rounding is made small.
    return kept | {"PYTHONPATH": str(REPOSITORY), "TF_ENABLE_ONEDNN_OPTS": "0"} | more


def start(arguments, mined, script=TRAINING, **more):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env=environment(MINED=str(mined), **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process, code=0):
    output, _ = process.communicate(timeout=900)
    assert process.returncode == code, output
    return output


def history(folder):
    return [Round(**row) for row in pq.read_table(folder / "checkpoint-training" / "history.parquet").to_pylist()]


def triplets(file):
    return sorted(map(tuple, np.load(file).tolist()))


def assert_same_training(ours, alone):
    """The same triplets and, but for the rounding of sums in another order, the same losses and distances."""
    assert (ours[0].triplets_found, ours[0].triplets_trained) == (alone[0].triplets_found, alone[0].triplets_trained)
    assert ours[1].triplets_found == pytest.approx(alone[1].triplets_found, rel=0.01)
    # One triplet more or less, by rounding, and a second offline round draws others: only what was found is compared.
    rounds = 1 if ours[1].triplets_found != alone[1].triplets_found else 2
    for found, wanted, close in list(zip(ours, alone, (1e-3, 2e-2), strict=True))[:rounds]:
        for name in ("loss", "positive_distance", "negative_distance", "active", "spread"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=close, abs=close / 10), name


@pytest.fixture(scope="module", params=[pytest.param(way, marks=pytest.mark.long) for way in WAYS])
def alone(request, dataset, tmp_path_factory):
    """One device's training: the flags of its way, and its folder."""
    folder = tmp_path_factory.mktemp("alone")
    finished(start(flags(dataset, folder, WAYS[request.param]), folder / "mined.npy"))
    return WAYS[request.param], folder


def test_two_logical_devices_make_the_steps_of_one(alone, dataset, tmp_path):
    way, folder = alone
    output = finished(start(flags(dataset, tmp_path, way), tmp_path / "mined.npy", TWO_LOGICAL + TRAINING))
    assert "2 devices share each batch" in output
    assert_same_training(history(tmp_path), history(folder))
    if "online-triplet" not in way:
        assert triplets(tmp_path / "mined.npy") == triplets(folder / "mined.npy")


def two_workers(dataset, folder, way):
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]
    configurations = [
        json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}) for index in (0, 1)
    ]
    arguments = flags(dataset, folder, way)
    return [
        start(arguments, folder / f"mined-{index}.npy", TF_CONFIG=configuration)
        for index, configuration in enumerate(configurations)
    ]


@pytest.mark.long
def test_two_workers_make_the_steps_of_one_and_the_first_writes(alone, dataset, tmp_path):
    way, folder = alone
    chief, other = two_workers(dataset, tmp_path, way)
    told = finished(other), finished(chief)
    assert "checkpoint in" not in told[0] and "checkpoint in" in told[1]
    assert_same_training(history(tmp_path), history(folder))
    if "online-triplet" not in way:
        of_workers = [triplets(tmp_path / f"mined-{index}.npy") for index in (0, 1)]
        assert of_workers == [triplets(folder / "mined.npy")] * 2


@pytest.mark.long
def test_workers_stop_together_and_go_on_together(dataset, tmp_path):
    way = [*PLAIN, "--rounds", "400"]
    chief, other = two_workers(dataset, tmp_path, way)
    until = time.monotonic() + 120
    while not (tmp_path / "checkpoint-training" / "history.parquet").exists():
        assert time.monotonic() < until and chief.poll() is None, chief.communicate()[0]
        time.sleep(0.1)
    other.send_signal(signal.SIGTERM)
    assert "Stopped; nothing is lost" in finished(chief, 75)
    finished(other, 75)
    done = len(history(tmp_path))
    chief, other = two_workers(dataset, tmp_path, [*PLAIN, "--rounds", str(done + 2)])
    finished(other)
    assert f"Going on after round {done}" in finished(chief)
    assert len(history(tmp_path)) == done + 2


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": 3}', '{"task": {}}'])
def test_a_wrong_cluster_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match="TF_CONFIG does not describe a cluster"):
        strategy_here()


def test_one_device_shares_nothing(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategy_here().num_replicas_in_sync == 1
