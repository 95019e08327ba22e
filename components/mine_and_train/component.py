"""The Kubeflow specification of mine-and-train."""

from kfp import dsl

from components.mine_and_train.settings import Settings
from components.specification.component import component

mine_and_train = component(
    "mine-and-train",
    Settings,
    reads={"dataset": (dsl.Dataset, "input"), "faces": (dsl.Artifact, "faces"), "teacher": (dsl.Artifact, "teacher")},
    writes={
        "checkpoint": (dsl.Model, "checkpoint"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
)
