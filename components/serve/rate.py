"""How often one address may ask: a token bucket for each."""

from __future__ import annotations

import time

# Of addresses that are remembered; more than that at once is no use that this server is for.
_ADDRESSES = 10_000
# Buckets hold so many seconds' requests.
_SECONDS = 2


class Rate:
    """Counts requests of addresses.

    Args:
        per_second: how many one address may make, and `_SECONDS` times as many at once; 0 for any number.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        # When the bucket of an address is full again, by the monotonic clock; without an entry it is full.
        self._full: dict[str, float] = {}

    def wait(self, address: str) -> float:
        """Counts a request, unless it comes too soon: then after how many seconds it would not."""
        if not self._per_second:
            return 0.0
        now = time.monotonic()
        if len(self._full) >= _ADDRESSES:
            self._full = {one: full for one, full in self._full.items() if full > now}
        full = max(self._full.get(address, now), now) + 1 / self._per_second
        # A request that is alone never waits, however low the rate.
        too_soon = full - now - max(_SECONDS, 1 / self._per_second)
        if too_soon > 1e-9:
            return too_soon
        self._full[address] = full
        return 0.0
