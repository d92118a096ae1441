"""Looking names up, in threads of its own: a name whose servers do not answer keeps only itself waiting.

The event loop's own lookups share four threads with everything else in the process; a few dead names would stop them
all. What a name led to lately is served where looking it up takes long or fails (RFC 8767): who asks must check what is
served, fresh or not.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

# The system gives a dead name up after some seconds. These sleep meanwhile, and are made only as they are needed.
_THREADS: Final = 256
# Kept free for names that were found before, and the most that those may take which took long or failed last time.
_RESERVED: Final = 32
_FOR_SUSPECTS: Final = 64
# Who has a last address waits no longer for a new one; what takes longer is suspect the next time.
_PATIENCE: Final = 1.0
# How long a last address is served. Servers move; a certificate tells whether it is still theirs.
_SERVED: Final = 3600.0
# Most names, and addresses of one, that are remembered.
_NAMES: Final = 2000
_ADDRESSES: Final = 16
# What says that there is no such name; all else may be different in a moment.
_GONE: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_T = TypeVar("_T")
_Key = tuple[str, int]
# Family, protocol and address.
_Address = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """One that is going on, since when, and whether it takes the place of a suspect."""

    found: asyncio.Future[list[_Address]]
    began: float
    suspect: bool


class PooledResolver(AbstractResolver):
    """The system's resolver, many lookups side by side, each name once at a time.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")
        self._looking: dict[_Key, _Lookup] = {}
        self._good: OrderedDict[_Key, tuple[float, list[_Address]]] = OrderedDict()
        self._suspect: OrderedDict[_Key, None] = OrderedDict()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """In: a host name. Out: its addresses; the last ones, where new ones do not come at once. Errors: OSError, also
        where too many lookups hang already."""
        key = (host, int(family))
        addresses = await self._addresses(key)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, protocol, address in addresses
        ]

    async def close(self) -> None:
        """Let go of the threads; one that hangs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _addresses(self, key: _Key) -> list[_Address]:
        lookup = self._looking.get(key) or self._look_up(key)
        last = self._last(key)
        if lookup is None:
            if last is None:
                raise OSError(socket.EAI_AGAIN, "Too many names are being looked up")
            return last
        if last is None:
            # Whoever asks may give up; the thread is busy until the system answers.
            return await asyncio.shield(lookup.found)
        await asyncio.wait([lookup.found], timeout=max(0.0, lookup.began + _PATIENCE - self._clock()))
        if not lookup.found.done():
            return last
        error = lookup.found.exception()
        return lookup.found.result() if error is None or _is_gone(error) else last

    def _last(self, key: _Key) -> list[_Address] | None:
        """What a name led to lately."""
        found_at, addresses = self._good.get(key, (float("-inf"), []))
        return addresses if self._clock() - found_at < _SERVED else None

    def _look_up(self, key: _Key) -> _Lookup | None:
        """Begin to look a name up; None where there is no place for it."""
        suspect = key in self._suspect
        room = _THREADS if key in self._good else _THREADS - _RESERVED
        if len(self._looking) >= room:
            return None
        if suspect and sum(one.suspect for one in self._looking.values()) >= _FOR_SUSPECTS:
            return None
        found = asyncio.get_running_loop().run_in_executor(self._pool, _system, *key)
        lookup = self._looking[key] = _Lookup(found, self._clock(), suspect)
        found.add_done_callback(partial(self._looked, key, lookup.began))
        return lookup

    def _looked(self, key: _Key, began: float, found: asyncio.Future[list[_Address]]) -> None:
        """Remember what became of a lookup."""
        del self._looking[key]
        if found.cancelled():
            return
        error = found.exception()
        if error is None:
            _remember(self._good, key, (self._clock(), found.result()[:_ADDRESSES]))
        elif _is_gone(error):
            self._good.pop(key, None)
        if self._clock() - began > _PATIENCE or (error is not None and not _is_gone(error)):
            _remember(self._suspect, key, None)
        else:
            self._suspect.pop(key, None)


def _system(host: str, family: int) -> list[_Address]:
    found = socket.getaddrinfo(host, 0, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    return [(int(kind), protocol, str(address[0])) for kind, _, protocol, _, address in found]


def _is_gone(error: BaseException) -> bool:
    return isinstance(error, socket.gaierror) and error.errno in _GONE


def _remember(names: OrderedDict[_Key, _T], key: _Key, value: _T) -> None:
    names[key] = value
    names.move_to_end(key)
    while len(names) > _NAMES:
        names.popitem(last=False)
