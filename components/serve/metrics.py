"""What Prometheus asks for, in its text format (version 0.0.4): how often, how fast, and how busy."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts requests.

    Attributes:
        in_flight: requests that are being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}

    def count(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer.

        Args:
            path: of the request, one of a few: every other one is another line for ever.
            status: of the answer.
            seconds: from the request's head to the answer's end.
        """
        self._requests[path, status] += 1
        self._seconds[path] = self._seconds.get(path, 0.0) + seconds
        self._buckets.setdefault(path, [0] * (len(_SECONDS) + 1))[bisect_left(_SECONDS, seconds)] += 1

    def text(self) -> str:
        """All of it."""
        lines = ["# HELP facenet_requests_total Answers, by path and status.", "# TYPE facenet_requests_total counter"]
        lines += [
            f'facenet_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self._requests.items())
        ]
        name = "facenet_request_seconds"
        lines += [f"# HELP {name} From a request's head to its answer's end.", f"# TYPE {name} histogram"]
        for path, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, _SECONDS), "+Inf"), buckets, strict=True):
                total += count
                lines.append(f'{name}_bucket{{path="{path}",le="{bound}"}} {total}')
            lines.append(f'{name}_sum{{path="{path}"}} {self._seconds[path]:.6f}')
            lines.append(f'{name}_count{{path="{path}"}} {total}')
        name = "facenet_requests_in_flight"
        lines += [
            f"# HELP {name} Requests that are being answered.",
            f"# TYPE {name} gauge",
            f"{name} {self.in_flight}",
        ]
        return "\n".join(lines) + "\n"
