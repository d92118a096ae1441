"""Counts failed sign-ins, so that guessing a password takes years.

It must never count a success against anybody, and never grow without bound.
"""

from collections import OrderedDict, deque
from collections.abc import Callable


class TooManyTriesError(Exception):
    """Too many failed sign-ins. `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many failed sign-ins")
        self.retry_after = retry_after


class FailureLimiter:
    """At most `limit` failures a key in `window` seconds. In memory: each process counts for itself."""

    def __init__(self, limit: int, window: float, clock: Callable[[], float], *, max_keys: int = 10_000) -> None:
        self._limit, self._window, self._clock, self._max_keys = limit, window, clock, max_keys
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Errors: `TooManyTriesError` when the key has no try left."""
        failures = self._failures.get(key)
        if failures is None:
            return
        now = self._clock()
        while failures and failures[0] <= now - self._window:
            failures.popleft()
        if not failures:
            del self._failures[key]
        elif len(failures) >= self._limit:
            raise TooManyTriesError(max(1, round(failures[0] + self._window - now)))

    def failed(self, key: str) -> None:
        """Remember one failure; the key that failed longest ago is forgotten first when there are too many."""
        self._failures.setdefault(key, deque(maxlen=self._limit)).append(self._clock())
        self._failures.move_to_end(key)
        while len(self._failures) > self._max_keys:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)
