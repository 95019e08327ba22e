"""Faces of consecutive pictures put together into tracks, one for each person who is there.

By overlap of boxes, as SORT does it (Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016) but greedily and
without a model of motion, and by embeddings, as DeepSORT adds them (Wojke et al., ICIP 2017). What a track is called is
decided by all of its last embeddings, so that a name does not flicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.common.directions import directions
from components.extract.crop import Box, overlap

Row = npt.NDArray[np.float32]

# So many embeddings have a vote on a track's name.
VOTES = 8
# A track ends when so many pictures in turn do not show it.
PATIENCE = 5
# A face at the place of a track whose votes are complete is embedded in every so manieth picture only.
_EVERY = 8
# Of what two boxes cover together, the part that both cover: from `_NEAR` on they may be one person's, from `_STILL` on
# the face has hardly moved.
_NEAR, _STILL = 0.3, 0.5


@dataclass
class Track:
    """A person who is there.

    Args:
        number: of the track, from 1 on.
        box: where the face was last.
        votes: its last embeddings, float32 [size] and of unit length; at least one.
        missed: how many pictures in turn have not shown it since; 0 when the last one does.
        age: pictures since its last embedding.
        doubted: whether the last face at its place looked like somebody else's.
    """

    number: int
    box: Box
    votes: deque[Row] = field(default_factory=lambda: deque(maxlen=VOTES))
    missed: int = 0
    age: int = 0
    doubted: bool = False

    @property
    def embedding(self) -> Row:
        """Float32 [size], of unit length: the mean direction of its votes, by which the track is named.

        It names strangers as often as a single embedding does, and the right person far more often than the mean
        distance of its votes would: README.md has the figures.
        """
        return directions(np.mean(self.votes, axis=0)).astype(np.float32)


class Tracks:
    """The people who are there, picture by picture.

    Args:
        apart: distance, 0 to 2, from which on a face is somebody else's than a track.

    Attributes:
        alive: the tracks that have not ended, in the order of their numbers.
    """

    def __init__(self, apart: float) -> None:
        self.alive: list[Track] = []
        self._apart = apart
        self._begun = 0

    def update(self, boxes: Sequence[Box], embed: Callable[[list[int]], npt.NDArray[np.float32]]) -> None:
        """Takes in the faces of the next picture.

        Args:
            boxes: of its faces.
            embed: the embeddings of some of these faces, by their positions: float32 [n, size], unit length. It is not
                asked for faces that have hardly moved and that nobody else is near to, but every few pictures.
        """
        overlaps = np.array([[overlap(track.box, box) for box in boxes] for track in self.alive])
        overlaps = overlaps.reshape(len(self.alive), len(boxes))
        pairs = self._settled(overlaps)
        for number, _ in pairs:
            self.alive[number].age += 1
        open_faces = sorted(set(range(len(boxes))) - {face for _, face in pairs})
        embeddings = dict(zip(open_faces, embed(open_faces), strict=True)) if open_faces else {}
        pairs += self._alike(overlaps, embeddings, {track for track, _ in pairs})
        for number, track in enumerate(self.alive):
            track.missed += all(number != taken for taken, _ in pairs)
        for number, face in pairs:
            track = self.alive[number]
            track.box, track.missed = boxes[face], 0
        self.alive = [track for track in self.alive if track.missed <= PATIENCE]
        for face in sorted(embeddings.keys() - {face for _, face in pairs}):
            # Whoever was there, and is not seen, has made room.
            self.alive = [track for track in self.alive if not track.missed or overlap(track.box, boxes[face]) < _NEAR]
            self._begun += 1
            self.alive.append(Track(self._begun, boxes[face]))
            self.alive[-1].votes.append(embeddings[face])

    def _settled(self, overlaps: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
        """Tracks and faces that go together without a look at the face."""
        touching = overlaps > 0
        alone = (touching.sum(axis=0) == 1)[None] & (touching.sum(axis=1) == 1)[:, None]
        return [
            (number, face)
            for number, face in np.argwhere(alone & (overlaps >= _STILL)).tolist()
            if (track := self.alive[number]).missed == 0
            and not track.doubted
            and len(track.votes) == VOTES
            and track.age < _EVERY - 1
        ]

    def _alike(
        self, overlaps: npt.NDArray[np.float64], embeddings: dict[int, Row], taken: set[int]
    ) -> list[tuple[int, int]]:
        """Tracks and faces that go together by their embeddings, which become votes; the nearest first.

        A track that was missed may be found anywhere, any other near its place only. One picture of a face may be
        blurred: where nothing else is near, it is the track's even when it looks like somebody else's, but only once.
        """
        near = overlaps >= _NEAR
        candidates = []
        for number in set(range(len(self.alive))) - taken:
            track, own = self.alive[number], self.alive[number].embedding
            for face, embedding in embeddings.items():
                distance = float(np.sqrt(max(0.0, 2 - 2 * float(own @ embedding))))
                if near[number, face] or track.missed:
                    candidates.append((distance > self._apart, distance, number, face))
        pairs: list[tuple[int, int]] = []
        for unlike, _, number, face in sorted(candidates):
            track = self.alive[number]
            if number in taken or face in {other for _, other in pairs}:
                continue
            if unlike and (track.doubted or track.missed or near[:, face].sum() > 1):
                continue
            if not unlike:
                track.votes.append(embeddings[face])
            track.doubted, track.age = unlike, 0
            taken = taken | {number}
            pairs.append((number, face))
        return pairs
