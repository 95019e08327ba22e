"""Who may import what: the rooms of docs/design.md have walls."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from components.specification.stages import STAGES, package

REPOSITORY = Path(__file__).resolve().parents[2]

EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def extra(name: str) -> set[str]:
    """What an extra of pyproject.toml installs: modules, and rooms, those that have an extra of their name."""
    found = {f"components.{name}"} if (REPOSITORY / "components" / name).is_dir() else set()
    for requirement in map(Requirement, EXTRAS[name]):
        if requirement.name == "facenet":
            found |= set().union(*map(extra, requirement.extras))
        else:
            record = distribution(requirement.name).read_text("RECORD") or ""
            found |= {re.split("[/.]", line, maxsplit=1)[0] for line in record.splitlines()}
    return found


COMMON = {"numpy", "pyarrow", "PIL", "tqdm", "components.common"}
# package: what its modules may import besides the standard library and themselves, in functions too
ALLOWED = {
    "components.common": COMMON | {"threadpoolctl"},
    "components.sample": COMMON,
    "components.model": COMMON | extra("model") | {"h5py", "safetensors"},
    "components.litert": COMMON | extra("litert"),
    "components.specification": {"kfp", "components.common"},
    "components.page": COMMON | extra("figures"),
    "components.verify": (COMMON - {"pyarrow"})
    | {"cv2", "dlib", "faiss", "model_signing", "picamera2", "components.extract", "components.embed.network"}
    | {f"components.litert.{module}" for module in ("identification", "report", "specification")}
    | {"components.model.checkpoint.describe"},
    "components.serve": (COMMON - {"pyarrow"})
    | {"starlette", "uvicorn", "components.verify", "components.embed.network", "components.page"}
    | {f"components.extract.{module}" for module in ("photo", "photos", "reasons", "workers")},
    "pipelines.plan": {"yaml", "components.common"},
    "pipelines.compiled": {"yaml", "components.common", "pipelines.plan"},
    "pipelines.records": {"components.common", "pipelines.description"},
    "pipelines.cache": {"components.common", "components.specification.code", "pipelines.plan", "pipelines.records"},
    "pipelines.local": {"components.common"} | {f"pipelines.{room}" for room in ("plan", "records", "cache")},
    "pipelines.tuning": {"optuna", "yaml", "components.common"}
    | {f"pipelines.{room}" for room in ("plan", "records", "cache", "local")},
    "pipelines.erase": {"pyarrow", "components.common", "pipelines.records", "pipelines.cache"},
    "pipelines.look": {"numpy", "pyarrow", "matplotlib", "components.common", "components.page"}
    | {f"pipelines.{room}" for room in ("plan", "records", "description")},
    "pipelines.ui": {"starlette", "uvicorn", "jinja2", "markupsafe", "components.common", "components.page"}
    | {"components.verify.listing"}
    | {f"pipelines.{room}" for room in ("plan", "records", "description", "look")},
    # What of a run goes elsewhere: its network with the code that runs it, and its signature.
    "pipelines.tracking": {"numpy", "pyarrow", "mlflow", "components.common", "components.litert.embedder"}
    | {"components.specification.code", "components.specification.images", "components.verify.signature"}
    | {f"pipelines.{room}" for room in ("records", "description", "look")},
    "pipelines.cluster": {"yaml", "components.common"}
    | {f"pipelines.{room}" for room in ("plan", "compiled", "records")},
    # The commands: they use all rooms, and no room knows them.
    "pipelines": {"components.common"}
    | {f"components.specification.{module}" for module in ("code", "images", "stages")},
}
# Of another stage a stage may import single modules.
OF_OTHERS = {
    "mine-and-train": {f"components.evaluate.{module}" for module in ("embeddings", "protocols", "score")},
    "export": {f"components.evaluate.{module}" for module in ("numbers", "protocols", "score")},
    "collect": {"components.evaluate.embeddings"},
    "import-faces": {f"components.extract.{module}" for module in ("reasons", "scan", "workers")}
    | {f"components.evaluate.{module}" for module in ("bin_file", "pairs_file")},
}
ALLOWED |= {package(stage): COMMON | extra(stage) | OF_OTHERS.get(stage, set()) for stage in STAGES}
SPECIFICATION = {"kfp", "components.specification.component"}
WIRING = {
    "pipelines/choose.py": {"kfp", "components.specification.images"},
    "pipelines/facenet.py": {"kfp", "components.common", "components.specification.images", "pipelines.choose"}
    | {f"{package(stage)}.component" for stage in STAGES},
    "pipelines/compile.py": {"kfp", "yaml", "pipelines", "components.common"},
    # Below the rooms that show runs: what the numbers of this pipeline are called.
    "pipelines/description.py": {"components.common.records", "components.evaluate.numbers", "components.verify.runs"},
    # Who is in which split, by the rules of the stages.
    "pipelines/people.py": {"components.common", "pipelines.plan"}
    | {"components.collect.splits", "components.evaluate.chance", "components.extract.scan"},
    # The stages' settings, which it fills in; it has no other code of theirs but what must be known before they run.
    "pipelines/score.py": {"components.common", "components.embed.network", "components.extract.scan"}
    | {f"components.evaluate.{module}" for module in ("drawn_pairs", "pairs_file", "pairs_list", "slices", "templates")}
    | {f"components.{stage}.settings" for stage in ("extract", "collect", "embed", "evaluate")}
    | {"components.specification.stages", "pipelines.benchmark"},
    # Lays benchmark sets out for the stages: what their lists say, and crops as rows of the faces manifest.
    "pipelines/benchmark.py": {"components.common", "components.extract.reasons", "components.extract.scan"}
    | {f"components.import_faces.{module}" for module in ("faces", "sample")}
    | {f"components.evaluate.{module}" for module in ("bin_file", "pairs_list", "published", "templates")},
    # Which run is the newest, by the rule of `verify`.
    "pipelines/look/find.py": {"components.common", "components.verify.runs", "pipelines.look", "pipelines.records"},
    # What tells photos from others, by extract's rule.
    "pipelines/submit.py": {"components.common", "components.extract.contents", "pipelines"},
    # Whose networks are in use: of galleries, and of the newest run, by the rule of `verify`.
    "pipelines/prune.py": {"components.common", "components.model.checkpoint", "pipelines"}
    | {f"components.verify.{module}" for module in ("database", "runs")},
    "pipelines/publish.py": {"components.common", "components.verify.signature", "pipelines"},
    "pipelines/sign.py": {"components.common", "components.verify.signature", "pipelines"},
    # Galleries, and what was said of photos, are what it shares with the command of a Pi.
    "pipelines/forget.py": {"components.common", "pipelines"}
    | {f"components.verify.{module}" for module in ("corrections", "gallery", "unsay")},
    # Loaded only when a cluster is asked; `facenet submit --dry-run` and --help do without.
    "pipelines/cluster/access.py": {"kfp", "kfp_server_api", "urllib3", "pipelines.cluster", "components.common"},
    "pipelines/cluster/failures.py": {"kfp_server_api", "urllib3", "components.common"},
}  # fmt: skip

MODULES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in ("components", "pipelines")
    for path in (REPOSITORY / folder).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def allowed_for(module: str) -> set[str]:
    if module in WIRING:
        return WIRING[module]
    if module.endswith("/component.py") and "/specification/" not in module:
        return SPECIFICATION | {f"{module.rsplit('/', 1)[0].replace('/', '.')}.settings"}
    package = module.rsplit("/", 1)[0].replace("/", ".")
    while package not in ALLOWED:
        package = package.rpartition(".")[0]
        if not package:
            return {"components"}
    return ALLOWED[package] | {package}


def within(name: str, allowed: set[str]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in allowed)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module):
    foreign = {name for name in imported(REPOSITORY / module) if name.partition(".")[0] not in sys.stdlib_module_names}
    outside = sorted(name for name in foreign if not within(name, allowed_for(module)))
    assert not outside, f"{module} imports {outside}; see {Path(__file__).name} and docs/design.md"


def room_of(name: str) -> str:
    """The room that a module or a room of the table lies in."""
    return next(room for room in sorted(ALLOWED, key=len, reverse=True) if within(name, {room}))


def test_no_room_knows_one_above_it():
    """The rooms, drawn from what their modules import, have an order; on top are the commands, `pipelines`."""
    below = {room: set() for room in ALLOWED}
    for module in MODULES:
        if module in ("components/__init__.py", "pipelines/description.py"):  # nothing; below the rooms that show it
            continue
        own = room_of(module.removesuffix(".py").replace("/", "."))
        for name in imported(REPOSITORY / module):
            if name.partition(".")[0] in ("components", "pipelines") and not within(name, {"pipelines.description"}):
                below[own].add(room_of(name))
    others = {room: found - {room} for room, found in below.items()}
    TopologicalSorter(others).prepare()  # or CycleError
    assert not [room for room, found in others.items() if "pipelines" in found]


def test_no_module_uses_pickle_and_what_loads_it():
    for module in MODULES:
        loaded = {name.partition(".")[0] for name in imported(REPOSITORY / module)}
        assert not loaded & {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}, module
        assert "allow_pickle" not in (REPOSITORY / module).read_text(), module
