"""One POST to an address that somebody typed: guarded, never redirected, its answer bounded in bytes and time.

Webhooks, web push and chat all go through here. It never raises for the other side's faults.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

import aiohttp
from aiohttp import ClientRequest
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.notify.channels.base import RESPONSE_CHARACTERS
from services.notify.channels.connection import (
    Answer,
    EndlessHeadsError,
    Exchange,
    GuardedConnector,
    StaleConnectionError,
)
from services.notify.channels.guard import ForbiddenAddressError, GuardedResolver, guarded_socket, url_violations
from services.notify.channels.resolving import PooledResolver
from services.notify.domain import Attempt, Outcome, retry_after

_RESPONSE_BYTES = RESPONSE_CHARACTERS * 4
_GONE = frozenset({410})
# An answer is stored as it comes, so none is to be packed.
_WANTED = "accept: */*\r\naccept-encoding: identity\r\n"


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
    """POSTs over connections that are kept and shared.

    Args:
        guarding: what requests may reach. timeout: seconds for connecting, and for being answered.
    """

    def __init__(self, guarding: Guarding, timeout: float) -> None:
        self._guarding = guarding
        self._timeout = timeout
        self._connecting = aiohttp.ClientTimeout(connect=timeout)
        self._connector: GuardedConnector | None = None
        # The same few addresses come again and again.
        self._place = lru_cache(maxsize=4096)(_Place)

    async def open(self) -> None:
        """Get ready; connections are kept alive, so a busy endpoint pays for TLS once."""
        resolver = self._guarding.resolver or PooledResolver()
        tls = self._guarding.tls or True
        # How many run at once is the worker's to say; a limit here would let a slow endpoint hold the others up.
        if self._guarding.allow_private:
            self._connector = GuardedConnector(_RESPONSE_BYTES, limit=0, ttl_dns_cache=10, resolver=resolver, ssl=tls)
        else:
            self._connector = GuardedConnector(
                _RESPONSE_BYTES,
                limit=0,
                ttl_dns_cache=10,
                resolver=GuardedResolver(resolver),
                socket_factory=guarded_socket,
                ssl=tls,
            )

    async def close(self) -> None:
        """Close the connections."""
        if self._connector is not None:
            await self._connector.close()
            self._connector = None

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
        if self._connector is None:
            raise RuntimeError("The channel is not open")
        started = time.perf_counter()
        if refused(address, self._guarding.allow_private):
            return Attempt("again", 0, reason="address-refused")
        try:
            place = self._place(address)
            request = _request(place, headers, body)
            until = started + self._timeout
            try:
                answer = await self._ask(self._connector, self._connecting, place, request, until)
            except StaleConnectionError:
                # Many servers let go of a connection without a word, some of each after one answer: as good as surely
                # they have not read this. Once, and over a new one: what they may have read comes no oftener.
                self._connector.forget(place.server)
                left = aiohttp.ClientTimeout(connect=max(until - time.perf_counter(), 0.001))
                answer = await self._ask(self._connector, left, place, request, until)
            outcome, reason = _meaning(answer.status, gone)
            wait = None if outcome == "taken" else retry_after(answer.retry_after, now)
            return Attempt(outcome, _since(started), answer.status, _text(answer.body), reason, wait)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Attempt("again", _since(started), reason=_reason(error))

    async def _ask(
        self,
        connector: GuardedConnector,
        connecting: aiohttp.ClientTimeout,
        place: _Place,
        request: bytes,
        until: float,
    ) -> Answer:
        connection = await connector.connect(place.server, [], connecting)
        try:
            left = until - time.perf_counter()
            if left <= 0:
                raise TimeoutError  # nobody would hear whether what is sent now is taken
            return await cast("Exchange", connection.protocol).ask(request, left)
        finally:
            connection.release()  # to whoever is next, or closed where none may be


@lru_cache(maxsize=4096)
def refused(address: str, allow_private: bool) -> bool:
    """Whether an address may not be called at all; the same few addresses come again and again."""
    return bool(url_violations(address, allow_private=allow_private))


class _Place:
    """Where an address leads.

    Attributes:
        server: what the library opens a connection by. head: how each request to it begins.
    """

    def __init__(self, address: str) -> None:
        self.server = ClientRequest("POST", URL(address))
        target, host = self.server.url.raw_path_qs, self.server.headers["host"]
        self.head = f"POST {target} HTTP/1.1\r\nhost: {host}\r\n{_WANTED}"


def _request(place: _Place, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it goes out. Raises `ValueError` for a header that would begin another one."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    more = "".join(lines)
    if more.count("\r") != len(lines) or more.count("\n") != len(lines) or "\0" in more:
        raise ValueError("A header has more than one line")
    return f"{place.head}{more}content-length: {len(body)}\r\n\r\n".encode() + body


def _text(body: bytearray) -> str:
    """The beginning of an answer as text."""
    # PostgreSQL's text holds no NUL.
    return body.decode("utf-8", "replace").replace("\x00", "")[:RESPONSE_CHARACTERS] if body else ""


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
    if isinstance(error, TimeoutError):
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
