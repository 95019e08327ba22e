"""How many shards: what people write as a number is a list in the pipeline, for Kubeflow loops over a list."""

from __future__ import annotations

import json
import re

# The parameter of the pipeline whose items extract and embed get as --shard.
SHARDS = "shards"


def write_out(text: str) -> str:
    """`3` as `["1/3", "2/3", "3/3"]`; any other text as it is."""
    if not re.fullmatch(r"[0-9]{1,4}", text):
        return text
    return json.dumps([f"{number}/{int(text)}" for number in range(1, int(text) + 1)])
