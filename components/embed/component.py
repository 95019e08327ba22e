"""The Kubeflow specification of embed."""

from kfp import dsl

from components.embed.settings import Settings
from components.specification.component import component

embed = component(
    "embed",
    Settings,
    reads={
        "dataset": (dsl.Dataset, "input"),
        "faces": (dsl.Artifact, "faces"),
        "checkpoint": (dsl.Model, "checkpoint"),
    },
    writes={
        "embeddings": (dsl.Artifact, "output"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
    by_hand={"precision"},
)
