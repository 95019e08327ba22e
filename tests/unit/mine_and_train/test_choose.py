"""The best of several checkpoints, and which trials go on, as on a cluster."""

from __future__ import annotations

import json

import pytest

from components.common.errors import UsageError
from components.mine_and_train.__main__ import main
from components.mine_and_train.trial import with_trial

TRIALS = ['{"margin": 0.1}', '{"margin": 0.2}', '{"margin": 0.3}']
NEXT = ['{"margin": 0.1, "until": 8}', '{"margin": 0.2, "until": 8}', '{"margin": 0.3, "until": 8}']


def checkpoint(folder, trial, scores, kept):
    folder.mkdir()
    rounds = [{"number": number, "validation_auc": score} for number, score in enumerate(scores, 1)]
    about = {"training": {"trial": trial, "rounds": rounds, "kept_round": kept}}
    (folder / "facenet.json").write_text(json.dumps(about))
    (folder / "model.weights.h5").write_text(trial)
    return str(folder)


def choose(tmp_path, places, next_=NEXT, keep=1):
    listed = {"checkpoints": {"artifacts": [{"uri": place} for place in places]}}
    flags = ["-c", str(tmp_path / "best"), "--going", str(tmp_path / "parameters" / "going"), "--by", "validation_auc"]
    flags += ["--these", json.dumps(TRIALS), "--next", json.dumps(next_), "--keep", str(keep)]
    return main(["choose", *flags, "--executor_input", json.dumps({"inputs": {"artifacts": listed}})])


def test_the_best_by_the_round_that_was_kept_goes_on_in_whatever_order_they_come(tmp_path):
    scores = [([0.9, 0.7], 1), ([0.6, 0.95], 1), ([None, 0.9], 2)]
    places = [checkpoint(tmp_path / str(place), TRIALS[place], *one) for place, one in enumerate(scores)]
    assert choose(tmp_path, places[::-1], keep=2) == 0
    assert (tmp_path / "best" / "model.weights.h5").read_text() == TRIALS[0], "of equal ones the earlier"
    assert json.loads((tmp_path / "parameters" / "going").read_text()) == [NEXT[0], NEXT[2]]
    assert choose(tmp_path, places, []) == 0
    assert json.loads((tmp_path / "parameters" / "going").read_text()) == []


def test_what_is_no_checkpoint_of_these_trials_is_refused(tmp_path, capsys):
    assert choose(tmp_path, [checkpoint(tmp_path / "0", '{"margin": 0.7}', [0.5], 1)]) == 2
    assert "of none of these trials" in capsys.readouterr().err
    assert choose(tmp_path, [str(tmp_path / "nothing")]) == 2
    assert "This is no checkpoint of a trial." in capsys.readouterr().err
    assert choose(tmp_path, [checkpoint(tmp_path / "1", TRIALS[1], [None], 1)]) == 1
    assert "Hold more people out" in capsys.readouterr().err
    assert choose(tmp_path, [], next_=[1]) == 2
    assert "Trials are a JSON list of texts." in capsys.readouterr().err


def test_settings_of_a_trial_go_before_the_flags():
    given = ["--margin", "0.2", "--trial", '{"margin": 0.3, "flip_averaging": true, "backbone": "small_resnet"}']
    added = ["--margin", "0.3", "--flip_averaging", "true", "--backbone", "small_resnet"]
    assert with_trial(given) == given + added
    with pytest.raises(UsageError, match="JSON object"):
        with_trial(["--trial", "margin"])
