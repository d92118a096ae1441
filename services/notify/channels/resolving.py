"""Looking names up, in threads of its own: a name whose servers do not answer keeps only itself waiting.

The event loop's own lookups share four threads with everything else in the process; a few dead names would stop them
all.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

# The system gives a dead name up after some seconds; a circuit opens long before so many hang.
_THREADS = 48


class PooledResolver(AbstractResolver):
    """The system's resolver, many lookups side by side."""

    def __init__(self, threads: int = _THREADS) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="names")
        self._looking = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """In: a host name. Out: its addresses. Errors: OSError, also where too many lookups hang already."""
        if self._looking >= self._threads:
            raise OSError(socket.EAI_AGAIN, "Too many names are being looked up")
        self._looking += 1
        looking = asyncio.get_running_loop().run_in_executor(
            self._pool, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        # Whoever asked may have given up; the thread is busy until the system answers.
        looking.add_done_callback(self._looked)
        found = await asyncio.shield(looking)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Let go of the threads; one that hangs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _looked(self, looking: asyncio.Future[Any]) -> None:
        self._looking -= 1
        if not looking.cancelled():
            looking.exception()  # heard, whoever asked
