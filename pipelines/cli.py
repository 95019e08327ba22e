"""The `facenet` command: one name for the stages, and for the pipeline as a whole.

Imports a command's module only when that command is asked for: the list of commands should appear at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from components.common.errors import UsageError
from components.common.suggest import suggestion
from components.specification.stages import STAGES, command, package

# command: (module with `main`, what it does)
COMMANDS = {
    "run": ("pipelines.run", "run the whole pipeline on this machine: photos -> network and report"),
    "rerun": ("pipelines.rerun", "run one task again on what a past run gave it"),
    "tune": ("pipelines.tune", "search for settings: many trainings, the best of them run whole"),
    "runs": (
        "pipelines.runs",
        "list the runs: how they ended, and how good their networks are; --prune deletes old ones",
    ),
    "note": ("pipelines.note", "say something of a run, and put tags on it"),
    "publish": ("pipelines.publish", "log a run to MLflow, and register its network in Kubeflow's Model Registry"),
    "sign": ("pipelines.sign", "sign an exported network, so that whoever gets it can check whose it is"),
    "show": ("pipelines.look.show", "show a run, a task of it, or what that made"),
    "ui": ("pipelines.ui.__main__", "show runs, tasks and artifacts in a browser, on this machine only"),
    "tensorboard": ("pipelines.look.tensorboard", "start TensorBoard on the training of a run"),
    "submit": ("pipelines.submit", "start a run of the pipeline on a Kubeflow cluster"),
    "sample": ("components.sample.__main__", "draw photos of people who do not exist, to try things with"),
    **{command(stage): (f"{package(stage)}.__main__", about) for stage, about in STAGES.items()},
    "score": ("pipelines.score", "score a network on a folder of people, or on a list of pairs"),
    "verify": ("components.verify.verify", "compare photos: the same person or not"),
    "enroll": ("components.verify.enroll", "put people's faces into a gallery"),
    "index": ("components.verify.make_index", "make an index of a gallery of millions, for identify --approximate"),
    "identify": ("components.verify.identify", "say who of a gallery is in a photo"),
    "rehearse": ("components.verify.rehearse", "say how identify would do with people, and which setting suits them"),
    "watch": ("components.verify.watch", "say who comes into a folder of photos, or before a camera"),
    "serve": ("components.serve.__main__", "answer verify, identify, enroll, forget and embed over HTTP; a page, too"),
    "forget": ("pipelines.forget", "erase a person from a gallery, and from what runs left"),
    "cluster": ("components.verify.cluster", "sort photos into people without knowing any of them"),
    "images": ("pipelines.build", "build the components' images with Docker"),
    "compile": ("pipelines.compile", "write pipeline.yaml, which a cluster and `facenet run` execute"),
}
# What installs the packages of a command, where that has another name.
_EXTRAS = {
    **dict.fromkeys(("run", "rerun", "runs", "note", "tensorboard", "submit", "compile"), "pipeline"),
    **dict.fromkeys(("enroll", "identify", "rehearse", "watch", "forget", "cluster"), "verify"),
    "sign": "verify,sign",
    "import": "import-faces",
    "show": "pipeline,manifests",
    "publish": "pipeline,manifests,litert,mlflow",
    "score": "extract,collect,embed,evaluate",
}


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: facenet COMMAND [flags]",
            "",
            "Photos in; a face-embedding network and an honest verification report out.",
            "",
            *(f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()),
            "",
            "`facenet COMMAND --help` lists the flags of a command.",
            "`facenet --debug COMMAND ...` shows where in the code an error arose.",
            "To begin:",
            "  facenet sample -o sample && facenet run -i sample",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: the command's name and its flags; `sys.argv[1:]` when None.

    Returns:
        The command's exit code; 2 for an unknown command.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--debug"]:
        os.environ["FACENET_DEBUG"] = "1"  # for the tasks of a run too
        argv = argv[1:]
    from components.common.command import report_errors

    if not argv or argv[0] in ("-h", "--help", "help"):
        return report_errors(lambda: print(_help(), flush=True), prog="facenet") or (0 if argv else 2)
    name, flags = argv[0], argv[1:]
    if name not in COMMANDS:
        error = UsageError("There is no such command.", received=name, advice=suggestion(name, COMMANDS))
        print(f"facenet: {error}", file=sys.stderr)
        return error.exit_code
    try:
        code = report_errors(lambda: importlib.import_module(COMMANDS[name][0]).main(flags), prog=f"facenet {name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in ("components", "pipelines"):
            raise
        extra = _EXTRAS.get(name, name)
        error = UsageError(
            f"`facenet {name}` needs a package that is not installed.",
            received=missing.name,
            advice=f"Install what this command needs: pip install -e '.[{extra}]'",
        )
        print(f"facenet: {error}", file=sys.stderr)
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
