"""What lies on a store that the cluster reads: which URIs Kubeflow's launcher can fetch.

The rules are the launcher's (kubeflow/pipelines, backend/src/v2/objectstore/config.go and object_store.go, the same in
2.15 to 2.17): it splits a URI into a scheme, a bucket and a key, and downloads every object whose key begins with it.
"""

from __future__ import annotations

import re

from components.common.errors import UsageError

SCHEMES = ("gs://", "s3://", "minio://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# One of the files that a TensorFlow checkpoint of version 2 is.
_PART = re.compile(r"\.(index|data-\d+-of-\d+)$")


def check(uri: str, what: str) -> None:
    """Makes sure that the launcher can fetch what a URI names.

    Args:
        uri: as it was given.
        what: is there, as the user knows it.

    Raises:
        UsageError: it is not on a store, a whole bucket, or written in a way that the launcher takes for another name.
    """
    scheme = next((scheme for scheme in SCHEMES if uri.startswith(scheme)), None)
    if scheme is None:
        raise UsageError(
            f"A cluster does not see this machine: {what} must be on a store that it reads.",
            received=uri,
            advice="Copy it there (aws s3 cp, gsutil cp, mc cp) and give the URI, which begins with "
            f"{', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}. To run on this machine: facenet run.",
        )
    bucket, _, key = uri.removeprefix(scheme).partition("/")
    if "@" in bucket:
        raise UsageError(
            f"Credentials do not belong into an address, as they are in that of {what}.",
            advice="Leave them out: the cluster has its own for its stores.",
        )
    if "?" in uri:
        raise _unreadable(uri, "what follows ? is no setting there but a part of the name")
    if not _BUCKET.fullmatch(bucket):
        raise _unreadable(uri, f"{bucket!r} is no bucket; where the store is, the cluster knows")
    names = key.removesuffix("/").split("/")
    if not any(names):
        raise UsageError(
            "Kubeflow's launcher reads a folder of a bucket, and no whole bucket.",
            received=uri,
            advice=f"Put {what} into a folder of it: {scheme}{bucket}/FOLDER.",
        )
    if not {"", ".", ".."}.isdisjoint(names):
        raise _unreadable(uri, "a name in it is empty, . or ..")


def check_weights(uri: str, what: str) -> None:
    """The same for weights to start from: one file, or a folder.

    Raises:
        UsageError: as `check`; or it is one of the several files of a checkpoint.
    """
    check(uri, what)
    if _PART.search(uri):
        raise UsageError(
            "This is one of the several files of a TensorFlow checkpoint.",
            received=uri,
            advice="Give the folder that they are in, with no other checkpoint beside them.",
        )


def _unreadable(uri: str, reason: str) -> UsageError:
    return UsageError(
        "Kubeflow's launcher does not read this URI as it is meant.",
        received=f"{uri} ({reason})",
        advice="Write it as SCHEME://BUCKET/FOLDER, with single slashes.",
    )
