"""The flags of embed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.common.flags import Checkpoint, ExecutorInput, Html, Input, Markdown, Output, Pictures
from components.common.shard import Shard, ShardText


@dataclass(frozen=True)
class Settings:
    """Embed every face of a dataset with a trained network and that network's own preprocessing."""

    input: Input
    """The dataset that `facenet collect` wrote."""
    checkpoint: Checkpoint
    """The checkpoint that `facenet mine-and-train` wrote, or any LiteRT face embedder: MODEL.tflite."""
    output: Output
    """Where the embeddings go; former ones are replaced."""
    faces: tuple[Path, ...] = ()
    """Where the dataset's faces manifest, or all shards of it, lies now; where collect read it, when not given."""
    shard: ShardText = "1/1"
    """Embed a part of the dataset only, as 2/4 for the second of four; `facenet evaluate` reads all parts as one."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Arithmetic of the layers, for a checkpoint folder: float32 unless told otherwise; embeddings stay in float32."""
    html: Html = None
    markdown: Markdown = None
    pictures: Pictures = True
    executor_input: ExecutorInput = ""

    def check(self) -> None:
        """Refuses a shard that there is not."""
        Shard.read(self.shard)
