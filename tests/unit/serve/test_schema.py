"""Any request that the server's own OpenAPI document allows, or nearly does, is answered as that document says."""

from __future__ import annotations

import pytest
import requests


def asking(wanted, seen):
    def ask(case):
        answer = case.call(timeout=30)
        seen.add(answer.status_code)
        case.validate_response(answer, checks=wanted)

    return ask


@pytest.mark.long
def test_every_address_answers_as_the_document_says(empty, people):
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    as_said = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    known = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    times = settings(
        max_examples=30, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=known
    )
    assert empty("/enroll", min(people.values())[0], name="Ada")[0] == 200
    document = requests.get(f"{empty.address}/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=empty.address)
    statuses: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        ways = {GenerationMode.POSITIVE: as_said}
        if operation.body:  # without one, there is nothing that could be wrong
            ways[GenerationMode.NEGATIVE] = [*as_said, checks.negative_data_rejection]
        seen = statuses.setdefault(operation.path, set())
        for mode, wanted in ways.items():
            case = operation.as_strategy(generation_mode=mode)
            seed(0)(times(given(case)(asking(wanted, seen))))()
    assert statuses.keys() == document["paths"].keys()
    assert all(200 in statuses[path] for path in ("/identify", "/embed", "/v2", "/metrics"))
