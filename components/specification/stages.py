"""The table of stages: the command line, the images, and the tests of every stage follow from it."""

from __future__ import annotations

# stage: what it does, in the words of `facenet --help`; in the order in which a run comes to them
STAGES = {
    "extract": "find the faces in a folder of photos",
    "import-faces": "take over crops that others made, in place of extract",
    "collect": "choose the faces to learn from, and who is kept unseen",
    "mine-and-train": "train a network on hard triplets",
    "embed": "turn every face of a dataset into an embedding",
    "evaluate": "score the embeddings of people kept out of training",
    "export": "write the network as LiteRT files, for a Raspberry Pi",
}


def command(stage: str) -> str:
    """What people write after `facenet`: the stage's name, and of `import-faces` its first word.

    That could not name its room: it is a word of Python's own.
    """
    return {"import-faces": "import"}.get(stage, stage)


def package(component: str) -> str:
    """Where the code of a stage, or of another component, lies: `components.mine_and_train`."""
    return f"components.{component.replace('-', '_')}"
