"""The flags of embed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from components.common.flags import ExecutorInput, Flag, Html, Input, Markdown, Output, Pictures
from components.common.shard import Shard, ShardText


@dataclass(frozen=True)
class Settings:
    """Embed every face of a dataset with a trained network and that network's own preprocessing."""

    input: Input
    """The dataset that `facenet collect` wrote."""
    # Text, because a pipeline names the teacher by it: no name is no path.
    checkpoint: Annotated[str, Flag("PATH", short="-c")]
    """The checkpoint that `facenet mine-and-train` wrote, any LiteRT face embedder (MODEL.tflite), or
    `dlib`, dlib's network for faces; empty for none, and no embeddings."""
    output: Output
    """Folder for the embeddings; former embeddings there are replaced."""
    faces: tuple[Path, ...] = ()
    """The dataset's faces manifest, or all shards of it; without it, the folders that the dataset names."""
    shard: ShardText = "1/1"
    """Embed only a part of the dataset: 2/4 is the second of four. `facenet evaluate` reads all parts as one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the layers of a checkpoint folder: LiteRT's in float32, which starts in a second, or that of
    TensorFlow in bfloat16. auto: bfloat16 where the processor has instructions for it, from 4,096 faces on. Embeddings
    are in float32 in any case."""
    flip_averaging: bool = False
    """Average each embedding with that of the mirror image, whatever the network's own preprocessing says: a better
    teacher, for twice the time."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    executor_input: ExecutorInput = ""

    def check(self) -> None:
        """Refuses a shard that does not exist."""
        Shard.read(self.shard)
