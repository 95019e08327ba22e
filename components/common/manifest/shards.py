"""Manifests in several folders: each task of several that work side by side writes a shard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.common.atomic import link_or_copy, new_directory
from components.common.errors import UsageError
from components.common.manifest.loading import Folders, about, parts, record_of
from components.common.manifest.schemas import PARTS, Manifest
from components.common.shard import WHOLE, Shard


def order_shards(folders: Sequence[Path], manifest: Manifest) -> tuple[Path, ...]:
    """Puts the shards of a manifest in order, whatever order they come in: a pipeline promises none.

    Args:
        folders: one whole manifest, or every shard of one.
        manifest: its kind.

    Raises:
        UsageError: a shard is missing or there twice, or belongs to another division or to other settings; see `parts`.
    """
    shards = sorted((shard_of(folder, manifest), folder) for folder in folders)
    if not shards or not _are_whole([shard for shard, _ in shards]):
        raise UsageError(
            f"These are not all shards of one {manifest.name} manifest.",
            received=", ".join(f"{folder} ({shard})" for shard, folder in shards),
            advice="Give the folder of every shard, each once.",
        )
    ordered = tuple(folder for _, folder in shards)
    first = about(ordered[0], manifest)
    for folder in ordered[1:]:
        if (other := about(folder, manifest)) != first:
            raise UsageError(
                f"The shards of this {manifest.name} manifest were made with different settings.",
                received=f"{ordered[0]}: {first}; {folder}: {other}",
                advice=f"Run `facenet {manifest.written_by}` again for all shards with the same settings.",
            )
    return ordered


def shard_of(folder: Path, manifest: Manifest) -> Shard:
    """Which shard of a manifest lies in a folder; a folder with the parts of all shards holds the whole.

    Raises:
        UsageError: it holds some shards and not the others; see `parts`.
    """
    shards: list[Shard] = sorted({record_of(file, manifest)["shard"] for file in parts(folder, manifest)})
    if len(shards) == 1:
        return shards[0]
    if not _are_whole(shards):
        raise UsageError(
            f"This folder holds parts of several shards of a {manifest.name} manifest, and not of all.",
            received=f"{folder} ({', '.join(map(str, shards))})",
            advice="Give the folder of every shard, each once.",
        )
    return WHOLE


def _are_whole(shards: Sequence[Shard]) -> bool:
    return list(shards) == [Shard(number, len(shards)) for number in range(1, len(shards) + 1)]


def gather_parts(folders: Folders, manifest: Manifest, path: Path) -> None:
    """Puts the parts of a manifest into one folder, in their order; they are linked where the file system can.

    Args:
        folders: the manifest, or its shards in the order of `order_shards`.
        manifest: its kind.
        path: the folder that they go into; a former manifest there is replaced.
    """
    with new_directory(path, [PARTS]) as folder:
        for number, file in enumerate(parts(folders, manifest)):
            link_or_copy(file, folder / f"part-{number:05d}.parquet")
