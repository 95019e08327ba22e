"""`facenet embed`: dataset + checkpoint -> embeddings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.common.command import run
from components.common.crops import crop_of, decoded, faces_of
from components.common.errors import UsageError
from components.common.executor import write_metrics
from components.common.flags import Checkpoint, ExecutorInput, Input, Output, Switch
from components.common.manifest import DATASET, read
from components.common.progress import progress
from components.common.shard import Shard, ShardText
from components.embed.network import check_apart, opened
from components.model import BATCH_SIZE
from components.model.embeddings import write_embeddings


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
    """Of the layers' arithmetic, for a checkpoint folder: float32 unless told otherwise; embeddings stay in float32."""
    html: Path | None = None
    """Also write a card with a map of the embeddings to this file, as HTML."""
    markdown: Path | None = None
    """Likewise its summary, as Markdown."""
    pictures: Switch = True
    """false: the card shows no faces."""
    executor_input: ExecutorInput = ""
    """Kubeflow's description of the task; leave it out when running by hand."""


def _embed(settings: Settings) -> None:
    shard = Shard.read(settings.shard)
    rows = read(settings.input, DATASET)
    faces = faces_of(settings.input, settings.faces)
    crop = crop_of(faces)
    # Between batches: an image in a batch of another size may come out with other last bits.
    start, stop = (BATCH_SIZE * bound for bound in shard.bounds(-(-len(rows) // BATCH_SIZE)))
    rows = rows.slice(start, stop - start)
    network = opened(settings.checkpoint, settings.precision, many=True)
    if crop != network.crop:
        raise UsageError(
            "These faces were not cut out the way the network was trained.",
            received=f"faces: {crop}; {settings.checkpoint}: {network.crop}",
            advice="Run `facenet extract` with that margin and alignment, then collect and embed.",
        )
    if settings.checkpoint.is_file():  # what a checkpoint that was trained here is worth, the report says
        check_apart(settings.checkpoint, network)
    images = decoded(rows, faces, network.image_size)
    with progress(len(rows), "embed") as bar:
        embeddings = network.embed(images, bar)
    write_embeddings(settings.output, rows, embeddings, network.sha256, shard)
    if settings.html or settings.markdown:
        from components.embed.card import show

        card = show(rows, embeddings, faces, network.sha256, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, {"faces": len(rows), "embedding_size": embeddings.shape[1]})
    print(f"{len(rows)} embeddings of length {embeddings.shape[1]} in {settings.output}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the stage."""
    return run(Settings, _embed, argv, prog="facenet embed")


if __name__ == "__main__":
    sys.exit(main())
