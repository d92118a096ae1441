"""Bounds what comes before an answer and behind it: a server may say "100 Continue" or "103 Early Hints" a few times,
not for ever, and it answers once.

The library reads past heads before the answer for as long as they come, without ever letting go of the event loop, and
keeps what comes behind it for the next request, however much it is: one endpoint would stop all others.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

# Real servers say one or two; RFC 9110, 15.2 sets no number.
_MOST_INFORMATIONAL: Final = 16
# All heads of one answer; servers and proxies commonly allow 8 to 32 kB.
_MOST_BYTES: Final = 64 * 1024
# Statuses of heads that come before the answer (RFC 9110, 15.2); after a switch of protocols nothing else comes.
_CONTINUE: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200
# What is parsed in one go: of an answer only the beginning is wanted.
_PORTION: Final = 4096


class EndlessHeadsError(aiohttp.ClientConnectionError):
    """More came before the answer, or behind it, than any server has reason to send."""


class BoundedConnector(aiohttp.TCPConnector):
    """Opens connections whose answers must come."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._factory = cast("partial[ResponseHandler]", partial(_BoundedHandler, loop=self._loop))


class _BoundedHandler(ResponseHandler):
    """One connection. What was counted is forgotten with each request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._answered = False
        self._informational = 0
        self._head_bytes = 0

    def set_response_params(self, **more: Any) -> None:
        """A request begins."""
        self._answered, self._informational, self._head_bytes = False, 0, 0
        super().set_response_params(**more)

    def data_received(self, data: bytes) -> None:
        """Bytes of the other side, in portions."""
        while len(data) > _PORTION:
            self._received(data[:_PORTION])
            data = data[_PORTION:]
            if self._exception is not None or self.transport is None:
                return
        self._received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """One head that was read: of the answer, of something before it, or of what nobody asked for."""
        if self._answered:
            self._refuse()
            return
        code = data[0].code
        if _CONTINUE <= code < _OK and code != _SWITCHING:
            self._informational += 1
        else:
            self._answered = True
        if self._exception is None:
            super().feed_data(data, size)

    def _received(self, data: bytes) -> None:
        if self._answered and self._payload is not None and self._payload.is_eof():
            self._refuse()
            return
        super().data_received(data)
        if self._answered or self._parser is None or self._exception is not None:
            return
        self._head_bytes += len(data)
        if self._informational > _MOST_INFORMATIONAL or self._head_bytes > _MOST_BYTES:
            self._refuse()

    def _refuse(self) -> None:
        """Listen no more. An answer that has come stands."""
        if self._exception is None:
            self.set_exception(EndlessHeadsError("Heads came that belong to no answer"))
        if self.transport is not None:
            self.transport.close()
