"""The tables that stages hand each other: folders of `part-*.parquet` with a declared, versioned schema.

What each column means stands in `schemas` and nowhere else. Each part also carries, as JSON in the Parquet metadata,
which manifest and which shard of it this is, and `about`: what the stage that wrote it says of all its rows (the crop
margin, the folder it read). Several tasks may have written one manifest: `order_shards` puts their folders in order,
every function that reads takes one folder or all of them, and `gather_parts` puts the parts of all into one folder,
which is the whole manifest.
"""

from components.common.manifest.loading import (
    Folders,
    about,
    folder_names,
    kind_of,
    open_part,
    parts,
    read,
    reading,
)
from components.common.manifest.schemas import (
    BOX,
    DATASET,
    DROPPED,
    EMBEDDINGS,
    FACES,
    MANIFESTS,
    PAIRS,
    PARTS,
    REJECTS,
    Manifest,
    about_person,
    unnamed,
)
from components.common.manifest.shards import gather_parts, order_shards, shard_of
from components.common.manifest.stored import Stored
from components.common.manifest.writing import ROWS_PER_GROUP, ROWS_PER_PART, NothingToWriteError, Writer, write, writer

__all__ = [
    "BOX",
    "DATASET",
    "DROPPED",
    "EMBEDDINGS",
    "FACES",
    "MANIFESTS",
    "PAIRS",
    "PARTS",
    "REJECTS",
    "ROWS_PER_GROUP",
    "ROWS_PER_PART",
    "Folders",
    "Manifest",
    "NothingToWriteError",
    "Stored",
    "Writer",
    "about",
    "about_person",
    "folder_names",
    "gather_parts",
    "kind_of",
    "open_part",
    "order_shards",
    "parts",
    "read",
    "reading",
    "shard_of",
    "unnamed",
    "write",
    "writer",
]
