"""The stage: dataset + checkpoint -> the embeddings manifest."""

from __future__ import annotations

from components.common.crops import check_crop, decode_crops, faces_of
from components.common.executor import write_metrics
from components.common.manifest import DATASET, read
from components.common.progress import progress
from components.common.quantity import quantity
from components.common.shard import Shard
from components.embed.network import check_apart, open_network
from components.embed.settings import Settings
from components.model import BATCH_SIZE
from components.model.embeddings import write_embeddings


def run(settings: Settings) -> None:
    """Embeds the faces, writes the manifest, the card and the numbers."""
    shard = Shard.read(settings.shard)
    rows = read(settings.input, DATASET)
    faces = faces_of(settings.input, settings.faces)
    # The rows are cut between batches: in a batch of another size, an embedding may differ in its last bits.
    start, stop = (BATCH_SIZE * bound for bound in shard.bounds(-(-len(rows) // BATCH_SIZE)))
    rows = rows.slice(start, stop - start)
    network = open_network(settings.checkpoint, settings.precision, many=True)
    share = check_crop(faces, settings.checkpoint, network.crop)
    if settings.checkpoint.is_file():  # of a checkpoint that was trained here, the report says what it is worth
        check_apart(settings.checkpoint, network)
    images = decode_crops(rows, faces, network.image_size, share)
    with progress(len(rows), "embed") as bar:
        embeddings = network.embed(images, bar)
    write_embeddings(settings.output, rows, embeddings, network.sha256, shard)
    if settings.html or settings.markdown:
        from components.embed.card import show

        card = show(rows, embeddings, faces, network.sha256, pictures=settings.pictures)
        card.write(settings.html, settings.markdown)
    write_metrics(settings.executor_input, {"faces": len(rows), "embedding_size": embeddings.shape[1]})
    print(f"{quantity(len(rows), 'embedding')} of length {embeddings.shape[1]} in {settings.output}")
