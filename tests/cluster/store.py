"""Object stores: what a URI means, with whose credentials a bucket is opened, what is downloaded and uploaded."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.versions import RefusedError, Version

MOUNTS = {"gs": "gcs", "s3": "s3", "minio": "minio"}
_BUCKET = re.compile(r"([a-z][a-z0-9]+:///?)([^/?]+)(/[^?]*)?(\?.+)?")
_SCHEMES = ("gs://", "s3://", "minio://", "mem://")


def local_path(uri: str, pod: Path = Path("/")) -> Path:
    """Where the launcher puts what lies at a URI.

    Source: component/launcher_v2.go, LocalPathForURI.
    """
    scheme, _, rest = uri.partition("://")
    if scheme not in MOUNTS:
        raise RefusedError(f"failed to generate local path for URI {uri}: unsupported storage scheme")
    return pod / MOUNTS[scheme] / rest


def is_stored(uri: str) -> bool:
    """Whether a URI is of a store at all; others are not downloaded, and nobody complains.

    Source: component/launcher_v2.go, downloadArtifacts.
    """
    return uri.partition("://")[0] in MOUNTS


@dataclass(frozen=True)
class Bucket:
    """A bucket, or a folder of one.

    Args:
        scheme: with its slashes, "s3://".
        name: of the bucket.
        prefix: the folder, with a slash at its end; "" for the whole bucket.
        query: how to reach it, with its question mark.
        session: whether it is opened with the pipeline root's credentials; otherwise with what the pod's environment
            has, where nothing says at which address a MinIO is.
    """

    scheme: str
    name: str
    prefix: str = ""
    query: str = ""
    session: bool = False

    @property
    def uri(self) -> str:
        """The bucket's own, without the folder."""
        return self.scheme + self.name

    @property
    def prefixed(self) -> str:
        """What its objects' URIs begin with.

        Source: objectstore/config.go, PrefixedBucket.
        """
        return self.scheme + posixpath.normpath(posixpath.join(self.name, self.prefix))

    def key(self, uri: str) -> str:
        """The key of a URI, below the folder.

        Source: objectstore/config.go, KeyFromURI.
        """
        if not uri.startswith(self.prefixed):
            raise RefusedError(f'URI "{uri}" does not have expected bucket prefix "{self.prefixed}"')
        key = uri.removeprefix(self.prefixed).lstrip("/")
        if not key:
            raise RefusedError(f'URI "{uri}" has empty key given prefixed bucket "{self.prefixed}"')
        return key


def pipeline_root(uri: str) -> Bucket:
    """The folder in which a run's artifacts lie.

    Source: objectstore/config.go, ParseBucketPathToConfig.
    """
    scheme, name, prefix, query = _parsed(uri, "unrecognized pipeline root format")
    prefix = prefix.removeprefix("/")
    return Bucket(scheme, name, f"{prefix}/" if prefix and not prefix.endswith("/") else prefix, query, session=True)


def provider(uri: str) -> str:
    """The kind of store that an imported URI is of.

    Source: objectstore/config.go, ParseProviderFromPath; component/importer_launcher.go, ImportSpecToMLMDArtifact.
    """
    try:
        return pipeline_root(uri).scheme.removesuffix("://")
    except RefusedError as error:
        raise RefusedError(f"no provider scheme found in artifact URI: {uri}") from error


def _parsed(uri: str, trouble: str) -> tuple[str, str, str, str]:
    match = _BUCKET.fullmatch(uri)
    if not match:
        raise RefusedError(f'parse bucket config failed: {trouble}: "{uri}"')
    if match[1] not in _SCHEMES:
        raise RefusedError(f'parse bucket config failed: unsupported Cloud bucket: "{uri}"')
    return match[1], match[2], match[3] or "", match[4] or ""


def opened(uri: str, root: Bucket, version: Version) -> Bucket:
    """The bucket from which an input is downloaded.

    What lies below the pipeline root is of the root's bucket. Another place in the same bucket is opened with the same
    credentials. Any other bucket is opened with the environment's; for `minio://` there was no way to before 2.17.0.

    Source: component/launcher_v2.go, downloadArtifacts and fetchNonDefaultBuckets; objectstore/object_store.go,
    OpenBucket, 2.15.0 and 2.17.0; objectstore/config.go, ParseBucketConfigForArtifactURI.
    """
    if uri.startswith(root.prefixed):
        return root
    scheme, name, _, _ = _parsed(uri, "unrecognized uri format")
    same = (scheme, name) == (root.scheme, root.name)
    if scheme == "minio://" and not same and not version.minio_without_session:
        raise RefusedError(f'open blob.Bucket: no driver registered for "minio" for URL "{scheme}{name}"')
    return Bucket(scheme, name, session=same)


def check_inputs(artifacts: Any, root: Bucket, version: Version) -> dict[str, list[str]]:
    """With whose credentials each input is read, "root" or "environment".

    Of a list, only the first one's bucket is opened.

    Source: component/launcher_v2.go, downloadArtifacts and fetchNonDefaultBuckets.

    Args:
        artifacts: the inputs of an ExecutorInput: from names to lists of artifacts.
        root: the run's.
        version: of the back end.

    Raises:
        RefusedError: an input cannot be downloaded, whatever lies there.
    """
    uris = {name: [one.uri for one in listed.artifacts] for name, listed in artifacts.items()}
    others = {opened(some[0], root, version) for some in uris.values() if some} - {root}
    for name, some in uris.items():
        for uri in filter(is_stored, some):
            bucket = opened(uri, root, version)
            if bucket not in {root, *others}:
                raise RefusedError(
                    f"failed to get bucket when downloading input artifact {name} with bucket key {bucket.prefixed}"
                )
            try:
                bucket.key(uri)
            except RefusedError as error:
                raise RefusedError(
                    f'failed to download input artifact "{name}" from remote storage URI "{uri}": {error}'
                ) from error
    return {
        name: ["root" if opened(uri, root, version).session else "environment" for uri in some]
        for name, some in uris.items()
    }


def downloads(keys: Iterable[str], wanted: str, local: Path, version: Version) -> dict[str, Path]:
    """Where a bucket's objects are put when one key is wanted; an object of that name, or all that begin with it.

    Nothing there is no error: then nothing is put anywhere. The object that web consoles make for a folder, its key
    with a slash at the end, becomes a file of the folder's name, in which nothing else can be put.

    Source: objectstore/object_store.go, DownloadBlob, 2.15.0; 2.17.0 with isBlobKeyUnderPrefix and
    sanitizeDownloadPath.

    Raises:
        RefusedError: a key leads elsewhere, or two keys need a file and a folder of one name.
    """
    placed: dict[str, Path] = {}
    for key in sorted(key for key in keys if key.startswith(wanted)):
        if version.checks_keys:
            folder = wanted.rstrip("/")
            if key != folder and not key.startswith(f"{folder}/"):
                continue
            if ".." in key.split("/"):
                raise RefusedError(f"path traversal detected: blob key \"{key}\" contains '..' component")
        elif ".." in key.split("/"):
            # It asks for the key as go-cloud escapes it, which is no object's.
            raise RefusedError(f'failed to open reader for blob "{key}": NoSuchKey')
        placed[key] = Path(os.path.normpath(local / _relative(key, wanted)))
        blocked = [other for other in placed.values() if other in placed[key].parents]
        if blocked:
            raise RefusedError(
                f'downloadFile(): unable to complete copying "{key}" to local storage "{placed[key]}": failed to '
                f'create local directory "{placed[key].parent}": mkdir {blocked[0]}: not a directory'
            )
    return placed


def _relative(key: str, folder: str) -> str:
    """As filepath.Rel: by names alone."""
    parts, above = (posixpath.normpath(path).split("/") for path in (key, folder))
    same = len(posixpath.commonprefix([parts, above]))
    return "/".join([".."] * (len(above) - same) + parts[same:])


def uploads(local: Path, key: str) -> dict[str, Path]:
    """The objects that an output becomes, and the files they are made of.

    Empty folders are lost. A link to a file is its content; a link to a folder is an error, unless it is the output
    itself. An output that was not made is left out, and nobody complains; nor does anybody about a link to nothing,
    which ends the upload where it stands. Control characters in a name are escaped in the key.

    Source: objectstore/object_store.go, UploadBlob; component/launcher_v2.go, uploadOutputArtifacts; and blob/blob.go
    of github.com/google/go-cloud, NewWriter.
    """
    made: dict[str, Path] = {}
    with contextlib.suppress(FileNotFoundError):
        made.update(_objects(local, key))
    return made


def _objects(local: Path, key: str) -> Iterator[tuple[str, Path]]:
    if not local.is_dir():
        yield _uploaded(local, key)
        return
    for entry in sorted(os.scandir(local), key=lambda entry: os.fsencode(entry.name)):
        if entry.is_dir(follow_symlinks=False):
            yield from _objects(Path(entry.path), f"{key}/{entry.name}")
        else:
            yield _uploaded(Path(entry.path), posixpath.normpath(posixpath.join(key, entry.name)))


def _uploaded(file: Path, key: str) -> tuple[str, Path]:
    trouble = f"uploadFile(): unable to complete copying {str(file)!r} to remote storage {key!r}"
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise RefusedError(f"{trouble}: blob: NewWriter key must be a valid UTF-8 string") from error
    if file.is_dir():
        raise RefusedError(f"{trouble}: unable to complete copying: read {file}: is a directory")
    if not file.exists():
        raise FileNotFoundError(file)
    return re.sub(r"[\x00-\x1f]", lambda found: f"__{ord(found[0]):#x}__", key), file
