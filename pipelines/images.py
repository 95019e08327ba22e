"""Which image each component runs in: the one table of image references."""

from __future__ import annotations

# A tag names one content for ever: Kubeflow's cache key holds this string, not what the image contains.
VERSION = "0.1.0"


def reference(component: str) -> str:
    """The image of a component, as `facenet/extract:0.1.0`."""
    return f"facenet/{component}:{VERSION}"
