"""Checks JSON against a published schema: the models of the package kfp_server_api, or of the package kubernetes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from kfp_server_api import models

_PRIMITIVE = {"str": str, "int": int, "float": (int, float), "bool": bool}


class NotTheSchemaError(ValueError):
    """A field that the schema does not know, or a value of another type than it says."""


def check(value: Any, kind: str, where: str, models: Any = models) -> None:
    """Raises unless a value is of a type as the models write it: `str`, `list[X]`, `dict(str, X)`, a model."""
    outer = re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind)
    if outer and outer[1]:
        _fits(isinstance(value, list), value, kind, where)
        for number, entry in enumerate(value):
            check(entry, outer[1], f"{where}[{number}]", models)
    elif outer:
        _fits(isinstance(value, dict), value, kind, where)
        for key, entry in value.items():
            check(entry, outer[2], f"{where}.{key}", models)
    elif kind in _PRIMITIVE:
        _fits(type(value) is not bool or kind == "bool", value, kind, where)
        _fits(isinstance(value, _PRIMITIVE[kind]), value, kind, where)
    elif kind == "datetime":
        datetime.fromisoformat(value)
    elif kind != "object":
        _check_model(value, getattr(models, kind), where, models)


def _check_model(value: Any, model: Any, where: str, models: Any) -> None:
    if hasattr(model, "allowable_values"):
        _fits(value in model.allowable_values, value, model.__name__, where)
        return
    _fits(isinstance(value, dict), value, model.__name__, where)
    kinds = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    for key, entry in value.items():
        if key not in kinds:
            raise NotTheSchemaError(f"{where}: {model.__name__} has no field {key}")
        check(entry, kinds[key], f"{where}.{key}", models)


def _fits(fits: bool, value: Any, kind: str, where: str) -> None:
    if not fits:
        raise NotTheSchemaError(f"{where}: {value!r} is not of type {kind}")
