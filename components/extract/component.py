"""The Kubeflow specification of extract."""

from kfp import dsl

from components.extract.settings import Settings
from components.specification.component import component

extract = component(
    "extract",
    Settings,
    reads={"photos": (dsl.Artifact, "input")},
    writes={
        "faces": (dsl.Artifact, "output"),
        "rejects": (dsl.Artifact, "rejects"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
    by_hand={"workers", "max_pixels"},
    renamed={"which_faces": "faces"},
)
