"""Settings for a run, as data: `pipelines/recipes/NAME.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.common.errors import MALFORMED, UsageError
from components.common.suggest import suggestion
from pipelines.plan.values import Value

FOLDER = Path(__file__).resolve().parent.parent / "recipes"
DEFAULT = "own"


class Loader(yaml.SafeLoader):
    """With the numbers of YAML 1.2, section 10.3.2: for PyYAML, which reads YAML 1.1, `1e-3` would be a text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@dataclass(frozen=True)
class Recipe:
    """Settings under a name.

    Args:
        name: of its file.
        about: what it is for, and the hardware, time and score to expect.
        settings: by `parameter` of the pipeline or `task.parameter`.
    """

    name: str
    about: str
    settings: Mapping[str, Value]


def read(name: str) -> Recipe:
    """Reads a recipe.

    Args:
        name: one of those in `FOLDER`, or the path of a YAML file.

    Raises:
        UsageError: there is none, or it is not a recipe.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
        raise UsageError(
            "There is no such recipe.",
            received=name,
            advice=f"{suggestion(name, known)} The path of a YAML file is good too.",
        )
    try:
        content = Loader(file.read_text(encoding="utf-8")).get_single_data()
    except (OSError, yaml.YAMLError, *MALFORMED) as error:
        raise UsageError(
            "This recipe is not YAML.",
            received=f"{file} ({error})",
            advice="A recipe has two keys: `about`, a text, and `set`, a mapping like `collect.min_examples: 3`.",
        ) from error
    fits = (
        isinstance(content, dict)
        and content.keys() == {"about", "set"}
        and isinstance(content["about"], str)
        and isinstance(content["set"], dict)
        and all(isinstance(key, str) for key in content["set"])
    )
    if not fits:
        raise UsageError(
            "This file is not a recipe.",
            received=file,
            advice="A recipe has two keys: `about`, a text, and `set`, a mapping like `collect.min_examples: 3`.",
        )
    return Recipe(file.stem, content["about"].strip(), content["set"])
