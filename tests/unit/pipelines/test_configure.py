"""What flags and recipes make of a pipeline."""

from __future__ import annotations

import pytest

from pipelines.cli import main
from pipelines.configure import SOURCE_PIPELINE, configure
from pipelines.plan import recipe


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


@pytest.mark.parametrize("name", sorted(file.stem for file in recipe.FOLDER.glob("*.yaml")))
def test_every_recipe_sets_up_a_training_on_crops_and_says_what_of_it_is_for_photos(name, capsys):
    settings = recipe.read(name).settings
    _, _, given = configure(SOURCE_PIPELINE, name, "crops", [])
    assert given == {"photos": "crops"} | {key: value for key, value in settings.items() if "extract" not in key}
    said = capsys.readouterr().out
    assert [key for key in settings if key in said] == [key for key in settings if "extract" in key]
