"""What a training leaves at its end: the checkpoint, and what shows how it went."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from components.common.batches import ManyImages, embed_many
from components.common.crops import Crops
from components.common.executor import write_metrics
from components.common.manifest import Folders, unnamed
from components.mine_and_train.card import ShownFace, card
from components.mine_and_train.events import write_projector
from components.mine_and_train.hardest import hardest_triplets
from components.mine_and_train.history import Round, metrics
from components.mine_and_train.loop import EVENTS, TrainingLoop
from components.mine_and_train.sampler import sample_round
from components.model.checkpoint import fingerprint
from components.model.embeddings import write_embeddings
from components.model.network import embedder_for
from components.page.pictures import thumbnail

_SHOWN_TRIPLETS = 6


def write_network(loop: TrainingLoop, rows: pa.Table, faces: Folders, kept: Round) -> None:
    """Writes the checkpoint, which holds the network of the round `kept`, and the embeddings if asked for."""
    settings = loop.settings
    loop.write_checkpoint(settings.checkpoint, kept)
    print(f"checkpoint in {settings.checkpoint}")
    embed = embedder_for(loop.training.network, loop.preprocessing)
    if settings.embeddings:
        images = Crops(rows, faces, settings.image_size, settings.crop_share)
        vectors = embed_many(embed, images, settings.embedding_size)
        write_embeddings(settings.embeddings, rows, vectors, fingerprint(settings.checkpoint))
        print(f"{len(rows)} embeddings in {settings.embeddings}")


def write_card(
    loop: TrainingLoop, images: ManyImages, rows: pa.Table, labels: npt.NDArray[np.int64], kept: Round
) -> None:
    """Writes the card, the projector's files and the metrics.

    Args:
        loop: the training, at its end.
        images: uint8 [n, s, s, 3], the crops of the training split.
        rows: their rows of the dataset.
        labels: int64 [n], their identities.
        kept: the round whose network the checkpoint holds.
    """
    settings, rounds = loop.settings, loop.training.from_start
    # As the last round drew its own: of an offline one these are the very faces.
    how = settings.hyperparameters
    rng = np.random.default_rng([how.seed, rounds[-1].number])
    named = np.flatnonzero(~np.array(unnamed(rows), bool))
    some = named if len(named) else np.arange(len(labels))  # those without names are in no triplet to show
    chosen = some[sample_round(labels[some], how.identities_per_round, how.faces_per_identity, rng)]
    seen = images[chosen]
    embeddings = embedder_for(loop.training.network, loop.preprocessing)(seen)
    names = rows["identity"].take(chosen).to_pylist()
    write_projector(loop.folder / EVENTS, embeddings, names, seen if settings.pictures else None)

    def face(row: int) -> ShownFace:
        picture = thumbnail(Image.fromarray(seen[row])) if settings.pictures else ""
        return ShownFace(names[row], picture)

    defaults = type(settings)(input=settings.input, checkpoint=settings.checkpoint).config()
    hardest = hardest_triplets(embeddings, labels[chosen], _SHOWN_TRIPLETS)
    shown = card(rounds, kept, settings.config(), defaults, hardest, face)
    shown.write(loop.folder / "card.html", None)
    shown.write(settings.html, settings.markdown)
    print(f"card in {loop.folder / 'card.html'}; for TensorBoard: {loop.folder / EVENTS}")
    write_metrics(settings.executor_input, metrics(rounds, kept, len(np.unique(labels[named])), len(labels)))
