"""The Kubeflow specification of collect."""

from kfp import dsl

from components.collect.settings import Settings
from components.specification.component import component

collect = component(
    "collect",
    Settings,
    reads={"extracted": (list[dsl.Artifact], "")},
    writes={
        "faces": (dsl.Artifact, "faces"),
        "dataset": (dsl.Dataset, "output"),
        "dropped": (dsl.Artifact, "dropped"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
    by_hand=("drop_outliers",),  # in a run there are no embeddings yet
)
