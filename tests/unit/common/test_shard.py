import pytest

from components.common.errors import UsageError
from components.common.shard import WHOLE, Shard


def test_what_is_written_is_what_is_read():
    assert Shard.read("2/4") == Shard(2, 4)
    assert str(Shard(2, 4)) == "2/4"
    assert Shard.read("1/1") == WHOLE


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "-1/2", "1/0", "1/2/3", "a/b", "1 / 2", "1.0/2", "2/4\n"])
def test_what_is_no_part_of_a_whole_is_refused(text):
    with pytest.raises(UsageError, match="--shard says which part"):
        Shard.read(text)


@pytest.mark.parametrize("total", [0, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_parts_are_the_whole_and_nearly_equal(total, count):
    parts = [range(*Shard(number, count).bounds(total)) for number in range(1, count + 1)]
    assert [place for part in parts for place in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
