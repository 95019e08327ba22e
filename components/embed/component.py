"""The Kubeflow specifications of embed: with the network that was trained, and with one to learn from."""

from kfp import dsl

from components.embed.settings import Settings
from components.specification.component import component

_FACES = {"dataset": (dsl.Dataset, "input"), "faces": (dsl.Artifact, "faces")}
_WRITES = {"embeddings": (dsl.Artifact, "output"), "card": (dsl.HTML, "html"), "metrics": (dsl.Metrics, "")}

embed = component(
    "embed",
    Settings,
    reads={**_FACES, "checkpoint": (dsl.Model, "checkpoint")},
    writes=_WRITES,
    by_hand={"flip_averaging"},
)
teach = component(
    "embed",
    Settings,
    reads=_FACES,
    writes=_WRITES,
    by_hand={"precision", "shard"},
    renamed={"network": "checkpoint"},
    task_name="teach",
)
