"""Webhooks after the Standard Webhooks specification: a signed POST, a short look at the answer.

It never follows a redirect, never reads more of an answer than it keeps, and never waits longer than its limit.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from functools import lru_cache

import aiohttp

from services.notify.channels.base import RESPONSE_CHARACTERS
from services.notify.channels.guard import ForbiddenAddressError, GuardedResolver, guarded_socket, url_violations
from services.notify.channels.resolving import PooledResolver
from services.notify.domain import Attempt, Outcome, retry_after
from services.notify.signing import headers_of
from services.notify.store.deliveries import Delivery, Target
from shared.messaging.outbox import OutboxRow
from shared.telemetry import current_traceparent

_RESPONSE_BYTES = RESPONSE_CHARACTERS * 4
_BODY_SECONDS = 2.0
_GONE = 410
_FIXED = {"content-type": "application/json", "user-agent": "Vong-Tay-Webhooks/1.0"}


class WebhookChannel:
    """POSTs to partners' endpoints over one shared session.

    Args:
        allow_private: whether addresses that are not public, and plain http, are taken. timeout: seconds for all.
    """

    at_once: int | None = None
    writes: bool = False

    def __init__(self, *, allow_private: bool, timeout: float) -> None:
        self._allow_private = allow_private
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session; it keeps connections alive, so a busy endpoint pays for TLS once."""
        # How many run at once is the worker's to say; a limit here would let a slow endpoint hold the others up.
        if self._allow_private:
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=10, resolver=PooledResolver())
        else:
            connector = aiohttp.TCPConnector(
                limit=0, ttl_dns_cache=10, resolver=GuardedResolver(), socket_factory=guarded_socket
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding"),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One signed POST."""
        if self._session is None:
            raise RuntimeError("The channel is not open")
        started = time.perf_counter()
        if _refused(target.address, self._allow_private):
            return Attempt("again", 0, reason="address-refused")
        headers = _FIXED | headers_of(delivery.id, now, delivery.body, target.keys)
        if trace := current_traceparent():
            headers["traceparent"] = trace
        try:
            async with self._session.post(
                target.address, data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                head = await _head(response)
                wait = retry_after(response.headers.get("retry-after"), now)
                outcome, reason = _meaning(response.status)
                return Attempt(outcome, _since(started), response.status, head, reason, wait)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Attempt("again", _since(started), reason=_reason(error))

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None


@lru_cache(maxsize=4096)
def _refused(address: str, allow_private: bool) -> bool:
    """Whether the address may not be called at all; the same few addresses come again and again."""
    return bool(url_violations(address, allow_private=allow_private))


async def _head(response: aiohttp.ClientResponse) -> str:
    """The beginning of the answer as text. The status has said already what became of the delivery: a rest that is
    long, slow or broken is not read, and its connection is dropped."""
    length = response.content_length
    if response.content.at_eof() or length == 0:
        return ""
    kept = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while len(kept) < _RESPONSE_BYTES:
                chunk = await response.content.read(_RESPONSE_BYTES - len(kept))
                if not chunk:
                    break
                kept += chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        response.close()
    if not response.content.at_eof():
        response.close()
    # PostgreSQL's text holds no NUL.
    return kept.decode("utf-8", "replace").replace("\x00", "")[:RESPONSE_CHARACTERS]


def _meaning(status: int) -> tuple[Outcome, str | None]:
    if 200 <= status < 300:
        return "taken", None
    if status == _GONE:
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
