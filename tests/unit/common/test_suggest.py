from components.common.suggest import suggestion


def test_a_name_near_to_nothing_lists_what_there_is():
    assert suggestion("zzz", ["extract", "collect"]) == "Known: extract, collect."


def test_the_nearest_name_comes_first():
    names = ["rounds", "mine-and-train.rounds", "evaluate.folds"]
    assert suggestion("mine_and_train.rounds", names).startswith("Did you mean mine-and-train.rounds or")
