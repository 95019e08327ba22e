"""The Kubeflow specification of import."""

from kfp import dsl

from components.import_faces.settings import Settings
from components.specification.component import component

import_faces = component(
    "import-faces",
    Settings,
    reads={"source": (dsl.Artifact, "input")},
    writes={
        "faces": (dsl.Artifact, "output"),
        "rejects": (dsl.Artifact, "rejects"),
        "card": (dsl.HTML, "html"),
        "metrics": (dsl.Metrics, ""),
    },
    by_hand={"workers"},
)
