"""How the processors are shared among what is ready, and what happens when it is stopped."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from pipelines.local import schedule
from pipelines.local.processes import BackEnd


class Pieces:
    """Pieces of work that note which processors they have, and when they begin and end."""

    def __init__(self, monkeypatch, processors, pieces, seconds=0.01, after=()):
        monkeypatch.setattr(schedule, "_processors", lambda: list(range(processors)))
        self.needs, self.seconds = dict.fromkeys(pieces) | dict(after), seconds
        self.cores, self.ended, self.most, self.running = {}, [], 0, {}
        self.stopped = threading.Event()

    def ready(self):
        ended = {None, *(piece for piece, _ in self.ended)}
        found = [piece for piece, need in self.needs.items() if need in ended]
        for piece in found:
            del self.needs[piece]
        return found

    def start(self, piece, cores):
        self.cores[piece] = cores
        assert not set(cores) & {core for others in self.running.values() for core in others}
        self.running[piece] = cores
        self.most = max(self.most, len(self.running))
        return piece

    def execute(self, piece):
        self.stopped.wait(self.seconds)
        return 0 if piece != "broken" else 1

    def finish(self, piece, exit_code):
        del self.running[piece]
        self.ended.append((piece, exit_code))

    def run(self):
        back_end = BackEnd(self.execute, lambda reason: self.stopped.set())
        schedule.side_by_side(back_end, self.ready, self.start, self.finish)


def test_one_piece_has_every_processor(monkeypatch):
    pieces = Pieces(monkeypatch, 8, ["a"])
    pieces.run()
    assert pieces.cores == {"a": ()}  # no limit
    assert pieces.ended == [("a", 0)]


def test_pieces_that_are_ready_together_share_the_processors(monkeypatch):
    pieces = Pieces(monkeypatch, 8, ["a", "b", "c"], seconds=0.2)
    pieces.run()
    assert sorted(map(len, pieces.cores.values())) == [2, 3, 3]
    assert sorted(core for cores in pieces.cores.values() for core in cores) == list(range(8))


def test_more_pieces_than_processors_wait_for_one(monkeypatch):
    pieces = Pieces(monkeypatch, 3, list("abcdefgh"))
    pieces.run()
    assert pieces.most <= 3
    assert sorted(piece for piece, _ in pieces.ended) == list("abcdefgh")


def test_what_becomes_ready_later_is_run_and_a_failure_stops_nothing(monkeypatch):
    pieces = Pieces(monkeypatch, 2, ["broken", "a"], after={"b": "broken", "c": "b"})
    pieces.run()
    assert sorted(pieces.ended) == [("a", 0), ("b", 0), ("broken", 1), ("c", 0)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_stops_what_runs_and_goes_on(monkeypatch, error):
    pieces = Pieces(monkeypatch, 4, ["a", "b"], seconds=60)
    start = pieces.start

    def failing(piece, cores):
        if piece == "b":
            raise error
        return start(piece, cores)

    pieces.start = failing
    began = time.monotonic()
    with pytest.raises(error):
        pieces.run()
    assert pieces.stopped.is_set()
    assert time.monotonic() - began < 30


def test_a_signal_that_does_not_wake_the_waiting_thread_stops_all_the_same(monkeypatch):
    pieces = Pieces(monkeypatch, 2, ["a"])
    stopped = []

    def execute(piece):
        time.sleep(0.2)  # the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        stopped.append(pieces.stopped.wait(20))
        return 0

    pieces.execute = execute
    with pytest.raises(KeyboardInterrupt):
        pieces.run()
    assert stopped == [True]
