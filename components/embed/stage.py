"""The stage: dataset + checkpoint -> the embeddings manifest."""

from __future__ import annotations

from components.common.crops import crop_of, decoded, faces_of
from components.common.errors import UsageError
from components.common.executor import write_metrics
from components.common.manifest import DATASET, read
from components.common.progress import progress
from components.common.shard import Shard
from components.embed.network import check_apart, opened
from components.embed.settings import Settings
from components.model import BATCH_SIZE
from components.model.embeddings import write_embeddings


def run(settings: Settings) -> None:
    """Embeds the faces, writes the manifest, the card and the numbers."""
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
            advice=f"Run `facenet extract {network.crop.flags}`, then collect and embed.",
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
