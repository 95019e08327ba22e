"""What ML Metadata keeps of artifacts, and what comes back from it."""

from __future__ import annotations

import json
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from tests.cluster.versions import RefusedError

Artifacts = dict[str, list[spec.RuntimeArtifact]]


class Metadata:
    """The artifacts of a run: each has a number, which is its name from then on."""

    def __init__(self) -> None:
        self._count = 0
        self._imported: dict[str, spec.RuntimeArtifact] = {}

    def record(self, name: str, artifact: spec.RuntimeArtifact, session: dict[str, Any]) -> spec.RuntimeArtifact:
        """An output artifact, as later tasks will see it: without its type.

        A boolean has become a number; a list and a dictionary are each in a dictionary of their own.

        Source: metadata/converter.go, toMLMDArtifact, StructValueToMLMDValue and toRuntimeArtifact; metadata/client.go,
        RecordArtifact and ToRuntimeArtifact.

        Args:
            name: of the output.
            artifact: what is known of it.
            session: how its store is reached.
        """
        self._count += 1
        kept = spec.RuntimeArtifact(name=str(self._count), uri=artifact.uri)
        for key, value in artifact.metadata.fields.items():
            match value.WhichOneof("kind"):
                case "bool_value":
                    kept.metadata[key] = float(value.bool_value)
                case "list_value" | "struct_value" as kind:
                    inner = kept.metadata.get_or_create_struct(key)
                    inner.fields[kind.removesuffix("_value")].CopyFrom(value)
                case "null_value":
                    trouble = "unknown/unsupported value type *structpb.Value_NullValue"
                    raise RefusedError(f"failed to convert RuntimeArtifact to MLMD artifact: {trouble}")
                case _:
                    kept.metadata.fields[key].CopyFrom(value)
        for key, text in (("display_name", name), ("store_session_info", json.dumps(session, separators=(",", ":")))):
            if key not in kept.metadata.fields:
                kept.metadata[key] = text
        kept.type.instance_schema = ""
        return kept

    def imported(self, name: str, artifact: spec.RuntimeArtifact, session: dict[str, Any]) -> spec.RuntimeArtifact:
        """Likewise of an importer that may take an artifact that is known already, which this run's photos are then.

        Source: component/importer_launcher.go, findOrNewArtifactToImport.
        """
        if artifact.uri not in self._imported:
            self._imported[artifact.uri] = self.record(name, artifact, session)
            del self._imported[artifact.uri].metadata.fields["display_name"]
        return self._imported[artifact.uri]


def through_dag(given: Artifacts) -> Artifacts:
    """What is left of the inputs of a DAG for the tasks in it: of a list, its last artifact only, and no types.

    Of an artifact that is two inputs at once only one is left.

    Source: metadata/client.go, CreateExecution and GetInputArtifactsByExecutionID; issue 13900. PR 13901, open, would
    keep the list.
    """
    by_number = {int(one.name): (name, one) for name, listed in given.items() for one in listed}
    left: Artifacts = {}
    for _, (name, one) in sorted(by_number.items()):
        untyped = spec.RuntimeArtifact()
        untyped.CopyFrom(one)
        untyped.ClearField("type")
        left[name] = [untyped]
    return left
