"""Sessions that somebody ended before their time: their cookies, wherever they were copied to, let nobody in any more.

It must never hold more of a session than a digest of its nonce: what is told of it lets nobody in.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from shared.identity.sessions import SESSION_SECONDS

# How long somebody who signs out waits for it to be known everywhere. It holds here at once.
_TELLING_SECONDS = 2.0


def digest_of(nonce: str) -> str:
    """A session's name, as it is told: the nonce is random, so it cannot be guessed from this."""
    return hashlib.sha256(b"vongtay.session\x00" + nonce.encode()).hexdigest()


class EndedSessions:
    """What this process knows of ended sessions, its own and those that others told.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._untold: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()
        # Whether somebody tells the others: a process by itself has nobody to tell.
        self.shared = False

    def __contains__(self, nonce: str) -> bool:
        return self._until.get(digest_of(nonce), 0.0) > self._clock()

    async def end(self, nonce: str) -> None:
        """From now on the session is none here; everywhere once it was told, for which this waits a little while."""
        self.learn(digest_of(nonce), self._clock())
        if not self.shared:
            return
        self._untold[digest_of(nonce)] = None
        self._told.clear()
        self._wake.set()
        try:
            async with asyncio.timeout(_TELLING_SECONDS):
                await self._told.wait()
        except TimeoutError:
            return  # whoever tells goes on trying; nobody stays signed in for it

    def learn(self, digest: str, at: float) -> None:
        """A session ended at a moment; by a clock that is ahead no later than now, or all that comes after would be
        kept as long."""
        now = self._clock()
        self._until[digest] = max(self._until.get(digest, 0.0), min(at, now) + SESSION_SECONDS)
        self._until.move_to_end(digest)
        # No cookie is older than that: what came first has run out first, or soon after.
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)

    async def untold(self) -> list[str]:
        """Digests that the others do not know yet; waits until there is one."""
        await self._wake.wait()
        return list(self._untold)

    def told(self, digests: list[str]) -> None:
        """The others know of them."""
        for digest in digests:
            self._untold.pop(digest, None)
        if not self._untold:
            self._wake.clear()
            self._told.set()
