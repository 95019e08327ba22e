"""The Kubeflow specification of evaluate."""

from kfp import dsl

from components.evaluate.settings import Settings
from components.specification.component import component

evaluate = component(
    "evaluate",
    Settings,
    reads={"embeddings": (list[dsl.Artifact], ""), "faces": (dsl.Artifact, "faces")},
    writes={
        "report": (dsl.Artifact, "output"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
        "roc": (dsl.ClassificationMetrics, ""),
    },
)
