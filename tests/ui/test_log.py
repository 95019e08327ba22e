import pytest

from pipelines.look.log import CHUNK, as_shown, log_before, log_end, log_part
from pipelines.records.record import RUNNING
from tests.ui.records import run_of, task_of

LINES = b"".join(b"line %07d \xc3\xa9\n" % number for number in range(100_000))  # 1.7 MB


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log.txt"
    file.write_bytes(LINES)
    return file


def test_the_pieces_of_a_log_put_together_are_the_log(log):
    pieces, start = [], 0
    while (piece := log_part(log, start, ended=True)).text:
        assert piece.start == start and piece.end - start <= CHUNK
        pieces.append(piece.text)
        start = piece.end
    assert "".join(pieces) == LINES.decode()


def test_the_log_read_backwards_is_the_log(log):
    pieces, stop = [], len(LINES)
    while stop:
        piece = log_before(log, stop, ended=True)
        assert piece.end == stop
        pieces.append(piece.text)
        stop = piece.start
    assert "".join(reversed(pieces)) == LINES.decode()


def test_a_line_is_waited_for_until_it_has_an_end_or_nothing_more_comes(tmp_path):
    file = tmp_path / "log.txt"
    file.write_bytes(b"one\ntwo")
    assert log_part(file, 0, ended=False).text == log_before(file, 7, ended=False).text == "one\n"
    assert log_part(file, 4, ended=False) == log_part(file, 4, stop=4, ended=False)
    assert log_part(file, 0, ended=True).text == log_before(file, 7, ended=True).text == "one\ntwo"


def test_a_line_without_end_is_shown_in_pieces(tmp_path):
    file = tmp_path / "log.txt"
    file.write_bytes(b"x" * (2 * CHUNK + 5))
    assert log_part(file, 0, ended=False).end == CHUNK
    assert log_before(file, 2 * CHUNK + 5, ended=True).end == 2 * CHUNK + 5
    assert log_part(file, 10**12, ended=True).text == ""
    assert log_end(file) == ["x" * CHUNK]


def test_what_a_terminal_would_overwrite_or_colour_is_not_shown():
    assert as_shown(b"  0%\r 50%\r100%\r\n\x1b[31mred\x1b[0m\xff\n") == "100%\nred\ufffd\n"


def test_of_a_log_of_100_mb_its_end_is_sent(site):
    task = task_of("task", log="20260101-000000-000/task/log.txt", state=RUNNING)
    run_of(site.runs, "20260101-000000-000", task, state=RUNNING)
    file = site.runs / "20260101-000000-000" / "task" / "log.txt"
    with file.open("wb") as log:
        log.truncate(100 * 2**20)  # a hole: it takes no place
        log.seek(0, 2)
        log.write(b"\nthe last line\nand a part")
    page = site.get("/runs/20260101-000000-000/task")
    assert "the last line" in page.text and "and a part" not in page.text
    assert len(page.content) < 2 * CHUNK
    assert f'data-from="{file.stat().st_size - len("and a part")}"' in page.text
    more = site.get(f"/log/runs/20260101-000000-000/task?from={file.stat().st_size - len('and a part')}")
    assert more.content == b""
    with file.open("ab") as log:
        log.write(b" more\n")
    more = site.get(f"/log/runs/20260101-000000-000/task?from={more.headers['log-next']}")
    assert more.text == "and a part more\n"
    assert more.headers["log-next"] == str(file.stat().st_size)
    whole = site.get("/log/runs/20260101-000000-000/task", "HEAD")
    assert whole.headers["content-length"] == str(file.stat().st_size)
