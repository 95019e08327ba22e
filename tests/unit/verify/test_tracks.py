from __future__ import annotations

import numpy as np
import pytest

from components.extract.crop import overlap
from components.verify.tracks import PATIENCE, VOTES, Tracks
from tests.unit.verify.rows import SIZE, unit

ADA, BOB, EVE = unit(np.eye(3, SIZE))
APART = 1.2
HERE, THERE = (100, 100, 200, 200), (400, 100, 500, 200)


class Watched:
    """Tracks, and what they were asked to embed."""

    def __init__(self):
        self.tracks = Tracks(APART)
        self.embedded = 0

    def see(self, *faces):
        """The next picture, of (box, embedding); the numbers of the tracks that are in it."""

        def embed(some):
            self.embedded += len(some)
            return np.stack([faces[face][1] for face in some])

        self.tracks.update([box for box, _ in faces], embed)
        return [track.number for track in self.tracks.alive if not track.missed]

    def at(self, box):
        """The number of the track at a place."""
        return next(track.number for track in self.tracks.alive if track.box == box)


def moved(box, right):
    return (box[0] + right, box[1], box[2] + right, box[3])


def test_overlap():
    assert overlap(HERE, HERE) == 1
    assert overlap(HERE, THERE) == overlap(HERE, moved(HERE, 100)) == 0
    assert overlap(HERE, moved(HERE, 50)) == pytest.approx(1 / 3)


def test_a_face_that_moves_is_one_track_and_is_embedded_only_now_and_then():
    watched = Watched()
    for step in range(80):
        assert watched.see((moved(HERE, 10 * step), ADA)) == [1]
    assert watched.embedded == VOTES + (80 - VOTES) // 8


def test_people_who_cross_do_not_swap():
    """They pass through each other, for one picture only the one in front is seen, and boxes say nothing."""
    watched = Watched()
    for step in range(31):
        ada, bob = (moved(HERE, 10 * step), ADA), (moved(HERE, 300 - 10 * step), BOB)
        watched.see(*((bob,) if step == 15 else (ada, bob)))
        assert len(watched.tracks.alive) == 2
    assert watched.at(moved(HERE, 300)) == 1
    assert watched.at(HERE) == 2
    for track, face in zip(watched.tracks.alive, (ADA, BOB), strict=True):
        assert track.embedding @ face == pytest.approx(1)


def test_a_track_is_taken_up_again_until_its_patience_ends():
    watched = Watched()
    assert watched.see((HERE, ADA)) == [1]
    for _ in range(PATIENCE):
        assert watched.see() == []
    assert watched.see((THERE, ADA)) == [1]
    for _ in range(PATIENCE + 1):
        assert watched.see() == []
    assert watched.tracks.alive == []
    assert watched.see((HERE, ADA)) == [2]


def test_one_blurred_picture_changes_nothing_and_somebody_else_at_a_place_is_another_track():
    watched = Watched()
    watched.see((HERE, ADA))
    assert watched.see((HERE, BOB)) == watched.see((HERE, ADA)) == [1]
    assert len(watched.tracks.alive[0].votes) == 2
    watched.see((HERE, BOB))
    assert watched.see((HERE, BOB)) == [2]
    assert len(watched.tracks.alive) == 1  # who was there is not waited for: the place is taken
    watched.see()
    assert watched.see((HERE, EVE)) == [3]


def test_all_votes_together_are_nearer_to_the_person_than_each_of_them():
    watched, rng = Watched(), np.random.default_rng(0)
    faces = unit(ADA + rng.normal(0, 0.05, (VOTES, SIZE)))
    for face in faces:
        watched.see((HERE, face))
    (track,) = watched.tracks.alive
    assert np.linalg.norm(track.embedding) == pytest.approx(1)
    assert np.linalg.norm(track.embedding - ADA) < np.linalg.norm(faces - ADA, axis=1).min()
