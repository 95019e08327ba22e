"""Whether what a command prints with --json, or a report's metrics.json, is what a schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_METRICS = Path(__file__).parents[1] / "components/evaluate/metrics.schema.json"

TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip
CHECKED = {"type", "description", "properties", "required", "additionalProperties", "items", "$ref"}
CHECKED |= {"minimum", "maximum", "minItems", "maxItems", "enum"}


def problems(value: Any, schema: dict[str, Any], definitions: dict[str, Any], place: str = "") -> list[str]:
    """Where a value is not as the schema says: as much of JSON Schema as our files use, and an error for more."""
    assert schema.keys() <= CHECKED, f"{place}: {schema.keys() - CHECKED} is not checked here"
    if "$ref" in schema:
        return problems(value, definitions[schema["$ref"].removeprefix("#/$defs/")], definitions, place)
    if "type" not in schema:
        return []  # anything
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean") for kind in kinds):
        return [f"{place} is {value!r}, not {kinds}"]
    if value not in schema.get("enum", [value]):
        return [f"{place} is {value!r}"]
    if isinstance(value, dict):
        if schema["additionalProperties"] is True:
            assert "properties" not in schema
            return []
        known = schema["properties"]
        found = [f"{place} lacks {name}" for name in schema["required"] if name not in value]
        found += [f"{place} has {name}" for name in value if name not in known]
        return found + [
            line
            for name in value
            if name in known
            for line in problems(value[name], known[name], definitions, f"{place}.{name}")
        ]
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return [f"{place} has {len(value)} items"]
        return [
            line
            for number, item in enumerate(value)
            for line in problems(item, schema["items"], definitions, f"{place}[{number}]")
        ]
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return [f"{place} is {value}"]
    return []


def checked_metrics(report: Path) -> Any:
    """What the metrics.json of a report holds, all of it as its schema says."""
    metrics = json.loads((report / "metrics.json").read_text())
    found = problems(metrics, {"$ref": "#/$defs/report"}, json.loads(_METRICS.read_text())["$defs"])
    assert not found, found
    return metrics
