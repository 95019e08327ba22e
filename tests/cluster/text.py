"""Parameters as text, and the placeholders in a container's words.

The driver (since 2.17.0) and the launcher each have their own way to write a number.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

from tests.cluster.store import local_path
from tests.cluster.versions import RefusedError

_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)']}}")


def go_json(value: Any) -> str:
    """What Go's encoding/json makes of a list or a dictionary: sorted, without spaces, safe inside HTML.

    Whole numbers have no point, and an exponent stands below 1e-6 and from 1e21 on.
    """
    match value:
        case dict():
            return "{" + ",".join(f"{go_json(key)}:{go_json(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(go_json, value)) + "]"
        case float():
            short = value == 0 or 1e-6 <= abs(value) < 1e21
            return plain(value) if short else _exponent(value).replace("e-0", "e-")
    written = json.dumps(value, ensure_ascii=False)
    for letter in "<>&\u2028\u2029":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return written


def plain(number: float) -> str:
    """A number as strconv.FormatFloat(number, 'f', -1, 64): never an exponent."""
    return format(Decimal(repr(number)).normalize(), "f")


def _exponent(number: float) -> str:
    _, digits, power = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(power, int)
    power += len(digits) - 1
    rest = "".join(map(str, digits[1:]))
    return f"{'-' * (number < 0)}{digits[0]}{'.' * bool(rest)}{rest}e{'+' if power >= 0 else '-'}{abs(power):02d}"


def launcher_text(value: Value) -> str:
    """A parameter as the launcher writes it.

    Source: component/launcher_v2.go, getPlaceholders.
    """
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return plain(value.number_value)
        case "bool_value":
            return str(value.bool_value).lower()
        case "list_value" | "struct_value":
            return go_json(json_format.MessageToDict(value))
        case kind:
            raise RefusedError(f"unknown PipelineSpec Value type {kind}")


def driver_text(value: Value) -> str:
    """A parameter as the driver writes it.

    Source: driver/util.go, pbValueToString, 2.17.0.
    """
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            if number == math.trunc(number) and abs(number) < 2**63:
                return str(int(number))
            # %g of the shortest digits that are the number.
            return plain(number) if 1e-4 <= abs(number) < 1e6 else _exponent(number)
        case "null_value":
            return ""
    return launcher_text(value)


def fill_by_driver(words: list[str], parameters: dict[str, Value]) -> list[str]:
    """The words of a container after the driver; those that name an output are left to the launcher.

    Source: driver/util.go, resolveContainerArgs and resolveCondition, 2.17.0.
    """

    def one(match: re.Match[str]) -> str:
        if match[1] not in parameters:
            raise RefusedError(
                f'failed to resolve input parameters: parameter "{match[1]}" not found in executor input'
            )
        return driver_text(parameters[match[1]])

    assert not [word for word in words if word.strip().startswith('{"IfPresent":')], "no rule for conditions here"
    return [word if "$.outputs" in word else _PARAMETER.sub(one, word) for word in words]


def fill_by_launcher(words: list[str], given: Any) -> list[str]:
    """The words of a container after the launcher; of the first one, only `{{$}}` is filled in.

    What it knows nothing of stays as it is. The order in which it fills in is not fixed, so none may matter.

    Source: component/launcher_v2.go, compileCmdAndArgs and getPlaceholders.

    Args:
        words: the command and the arguments.
        given: the ExecutorInput message, a component's defaults added.
    """
    table = {}
    for side, artifacts in (("inputs", given.inputs.artifacts), ("outputs", given.outputs.artifacts)):
        for name, listed in artifacts.items():
            if listed.artifacts:
                table[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = listed.artifacts[0].uri
                table[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = str(local_path(listed.artifacts[0].uri))
    for name, value in given.inputs.parameter_values.items():
        table[f"{{{{$.inputs.parameters['{name}']}}}}"] = launcher_text(value)
    first, *rest = [word.replace("{{$}}", json_format.MessageToJson(given, indent=None)) for word in words]
    return [first, *(_replaced(word, table) for word in rest)]


def _replaced(word: str, table: dict[str, str]) -> str:
    forward = backward = word
    for placeholder, replacement in table.items():
        forward = forward.replace(placeholder, replacement)
    for placeholder, replacement in reversed(table.items()):
        backward = backward.replace(placeholder, replacement)
    assert forward == backward, f"a value that is a placeholder of another: {word}"
    return forward
