"""A stage's flag that is given to a command which takes settings."""

from __future__ import annotations

import pytest

from pipelines.cli import main


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("run -i . -p weights.npz", "given as --set pretrained=weights.npz."),
        ("run -i . --pretrained=weights.npz", "given as --set pretrained=weights.npz."),
        ("run -i . --max-batches 15", "given as --set mine-and-train.max_batches=15."),
        ("run -i . --rounds --no-cache", "given as --set rounds=VALUE."),
        ("run -i . --margin 0.3", "given as --set extract.margin=0.3 or --set mine-and-train.margin=0.3."),
        ("rerun mine-and-train --learning_rate 0.1", "given as --set mine-and-train.learning_rate=0.1."),
        ("submit --pretrained gs://x", "given as --set pretrained=gs://x."),
        ("run -i . --inputs x", "Did you mean --input?"),
        ("runs --rounds 3", "Did you mean --runs?"),
    ],
)
def test_a_flag_of_a_stage_is_told_how_to_be_given(words, advice, capsys):
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert "There is no such flag." in said
    assert advice in said
