"""The Kubeflow specification of export."""

from kfp import dsl

from components.export.settings import Settings
from components.specification.component import component

export = component(
    "export",
    Settings,
    reads={
        "dataset": (dsl.Dataset, "input"),
        "faces": (dsl.Artifact, "faces"),
        "checkpoint": (dsl.Model, "checkpoint"),
        "report": (dsl.Artifact, "report"),
    },
    writes={
        "model": (dsl.Model, "output"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
)
