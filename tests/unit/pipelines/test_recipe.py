from __future__ import annotations

import pytest

from components.common.errors import UsageError
from pipelines.compile import DEFAULT_OUTPUT
from pipelines.configure import configure


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-3", 0.001), ("2.E+1", 20.0), (".5e0", 0.5), ("-1e0", -1.0), ("0.001", 0.001), ("3", 3.0), ("1e1_0", None)],
)
def test_a_number_in_a_recipe_is_what_it_is_after_set(written, value, tmp_path):
    name, file = "mine-and-train.learning_rate", tmp_path / "mine.yaml"
    file.write_text(f"about: mine\nset:\n  {name}: {written}\n")
    if value is None:
        with pytest.raises(UsageError, match="is a number"):
            configure(DEFAULT_OUTPUT, str(file), None, [])
        return
    by_recipe = configure(DEFAULT_OUTPUT, str(file), None, [])[0]
    by_flag = configure(DEFAULT_OUTPUT, None, None, [f"{name}={written}"])[0]
    of_task = [pipeline.task("mine-and-train").sources["learning_rate"].value for pipeline in (by_recipe, by_flag)]
    assert of_task == [value, value]


def test_a_text_with_an_exponent_in_it_stays_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("about: 1e3 faces\nset:\n  mine-and-train.pretrained: a1e-3\n")
    assert configure(DEFAULT_OUTPUT, str(file), None, [])[2] == {"mine-and-train.pretrained": "a1e-3"}
