"""One POST to an address that somebody typed: guarded, never redirected, its answer bounded in bytes and time.

Webhooks, web push and chat all go through here. It never raises for the other side's faults.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver

from services.notify.channels.base import RESPONSE_CHARACTERS
from services.notify.channels.guard import ForbiddenAddressError, GuardedResolver, guarded_socket, url_violations
from services.notify.channels.heads import BoundedConnector, EndlessHeadsError
from services.notify.channels.resolving import PooledResolver
from services.notify.domain import Attempt, Outcome, retry_after

_RESPONSE_BYTES = RESPONSE_CHARACTERS * 4
_BODY_SECONDS = 2.0
_GONE = frozenset({410})
# An answer is stored as it comes, so none is to be packed. Said once for the session: the library takes longer to leave
# its own words out than to find that they have been said.
_WANTED: Mapping[str, str] = {"accept": "*/*", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Guarding:
    """What requests may reach.

    Attributes:
        allow_private: whether addresses that are not public, and plain http, are taken: a demo's and the tests'.
        resolver: looks names up; None: the system. tls: whom certificates are believed from; None: the system's.
    """

    allow_private: bool
    resolver: AbstractResolver | None = None
    tls: ssl.SSLContext | None = None


class Caller:
    """POSTs over one shared session.

    Args:
        guarding: what requests may reach. timeout: seconds for all of one.
    """

    def __init__(self, guarding: Guarding, timeout: float) -> None:
        self._guarding = guarding
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session; it keeps connections alive, so a busy endpoint pays for TLS once."""
        resolver = self._guarding.resolver or PooledResolver()
        tls = self._guarding.tls or True
        # How many run at once is the worker's to say; a limit here would let a slow endpoint hold the others up.
        if self._guarding.allow_private:
            connector = BoundedConnector(limit=0, ttl_dns_cache=10, resolver=resolver, ssl=tls)
        else:
            connector = BoundedConnector(
                limit=0, ttl_dns_cache=10, resolver=GuardedResolver(resolver), socket_factory=guarded_socket, ssl=tls
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers=_WANTED,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(
        self,
        address: str,
        body: bytes,
        headers: Mapping[str, str],
        now: datetime,
        gone: frozenset[int] = _GONE,
    ) -> Attempt:
        """One POST. In: `gone`, the statuses that say that nobody is there any more. Out: what became of it, with the
        beginning of the answer."""
        if self._session is None:
            raise RuntimeError("The channel is not open")
        started = time.perf_counter()
        if refused(address, self._guarding.allow_private):
            return Attempt("again", 0, reason="address-refused")
        try:
            response = await self._session.post(address, data=body, headers=headers, allow_redirects=False)
            if response.closed and response.content.at_eof():
                head = ""  # nothing came behind the head, and the connection is free again
            else:
                async with response:
                    head = await _head(response)
            outcome, reason = _meaning(response.status, gone)
            wait = None if outcome == "taken" else retry_after(response.headers.get("retry-after"), now)
            return Attempt(outcome, _since(started), response.status, head, reason, wait)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Attempt("again", _since(started), reason=_reason(error))


@lru_cache(maxsize=4096)
def refused(address: str, allow_private: bool) -> bool:
    """Whether an address may not be called at all; the same few addresses come again and again."""
    return bool(url_violations(address, allow_private=allow_private))


async def _head(response: aiohttp.ClientResponse) -> str:
    """The beginning of the answer as text. The status has said already what became of the delivery: a rest that is
    long, slow or broken is not read, and its connection is dropped."""
    content = response.content
    if content.at_eof() or response.content_length == 0:
        return ""
    kept = bytearray()
    try:
        if content.is_eof():
            kept += content.read_nowait(_RESPONSE_BYTES)  # all of it has come: nothing is waited for
        else:
            async with asyncio.timeout(_BODY_SECONDS):
                while len(kept) < _RESPONSE_BYTES:
                    chunk = await content.read(_RESPONSE_BYTES - len(kept))
                    if not chunk:
                        break
                    kept += chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    if not content.at_eof():
        response.close()
    # PostgreSQL's text holds no NUL.
    return kept.decode("utf-8", "replace").replace("\x00", "")[:RESPONSE_CHARACTERS]


def _meaning(status: int, gone: frozenset[int]) -> tuple[Outcome, str | None]:
    if 200 <= status < 300:
        return "taken", None
    if status in gone:
        return "gone", "gone"
    if 300 <= status < 400:
        return "again", "redirect-refused"
    return "again", f"http-{status}"


def _reason(error: BaseException) -> str:
    """A stable word for what went wrong; an exception's text may quote the address."""
    if _is_forbidden(error):
        return "address-refused"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "timeout"
    if isinstance(error, EndlessHeadsError):
        return "endless-heads"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name-not-found"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionError):
        return "unreachable"
    return "broken-answer"


def _is_forbidden(error: BaseException) -> bool:
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ForbiddenAddressError) or isinstance(
            getattr(inner, "os_error", None), ForbiddenAddressError
        ):
            return True
        inner = inner.__cause__
    return False


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
