"""One connection to somebody else's server: a request goes out, and what comes back is bounded.

httptools reads the answers. What a server says before its answer ("100 Continue", "103 Early Hints"), how long its
heads are, how much of its answer is read and how long that takes has an end; behind its answer nothing is listened to.
aiohttp opens the connections and keeps them. Its own reader of answers would take heads for as long as they come,
without ever letting go of the event loop, and costs more than all else that a delivery needs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# Real servers say one or two; RFC 9110, 15.2 sets no number.
_MOST_INFORMATIONAL: Final = 16
# All that comes of one answer, its body's beginning included, and one line of a head, before the body or behind it;
# servers and proxies commonly allow 8 to 32 kB. httptools puts a line together piece by piece, and copies it each time.
_MOST_BYTES: Final = 64 * 1024
_MOST_OF_A_LINE: Final = 16 * 1024
# Statuses of heads that come before the answer (RFC 9110, 15.2); after a switch of protocols nothing else comes.
_CONTINUE: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200
# What is parsed in one go: of an answer only the beginning is wanted.
_PORTION: Final = 4096
# An answer whose head has come has so long to tell the rest.
_BODY_SECONDS: Final = 2.0


class EndlessHeadsError(aiohttp.ClientConnectionError):
    """More came before the answer than any server has reason to send."""


class BrokenAnswerError(aiohttp.ClientConnectionError):
    """What came is no answer, or the connection ended before one."""


class StaleConnectionError(BrokenAnswerError):
    """A connection that was kept ended before anything came: the server had let go of it."""


@dataclass(slots=True)
class Answer:
    """What a server said: its status, when it wants to be asked again (the header's text), the beginning of the
    body."""

    status: int = 0
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)


class GuardedConnector(aiohttp.TCPConnector):
    """Opens connections whose answers are bounded.

    Args:
        most: bytes of a body that are read.
    """

    def __init__(self, most: int, **more: Any) -> None:
        super().__init__(**more)
        self._factory = cast("partial[ResponseHandler]", partial(Exchange, most, self._loop))

    def forget(self, server: aiohttp.ClientRequest) -> None:
        """Close what is kept of connections to a server, so that the next one is new."""
        for kept, _ in self._conns.pop(server.connection_key, ()):
            kept.close()


class Exchange(ResponseHandler):
    """One connection, over which one request after the other is answered.

    Args:
        most: bytes of a body that are read.
    """

    def __init__(self, most: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._most = most
        self._reader = HttpResponseParser(self)
        self._kept = False
        # Who waits for an answer; None: nobody.
        self._asked: asyncio.Future[Answer] | None = None
        # Until when it is waited. A timer is set once and looks where that is by then: requests are many, and few of
        # them take long.
        self._until = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._answer = Answer()
        self._answered = self._complete = False
        self._informational = self._bytes = self._line_bytes = 0

    async def ask(self, request: bytes, seconds: float) -> Answer:
        """Send a request. Out: its answer; of a body that is long, slow or broken what had come until then. Raises
        `TimeoutError`, `EndlessHeadsError`, `BrokenAnswerError`, `StaleConnectionError`."""
        if self.transport is None:
            raise self._ended()
        self._begin()
        self._until = self._loop.time() + seconds
        if self._alarm is None:
            self._alarm = self._loop.call_at(self._until, self._ring)
        asked = self._asked = self._loop.create_future()
        self.transport.write(request)
        try:
            answer: Answer = await asked
        finally:
            self._asked = None
            self._kept = True
        return answer

    @property
    def should_close(self) -> bool:
        """Whether no other request may go over it."""
        return self._should_close or not self._complete

    def close(self) -> None:
        """End it. Nobody is waited for: neither until what was sent is taken, nor until the other side has said goodbye
        as well, for which TLS would keep the connection half a minute."""
        transport = self.transport
        super().close()
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of the other side, in portions."""
        for start in range(0, len(data), _PORTION):
            if self._asked is None or self._asked.done():
                self.force_close()  # behind an answer, or before any request
                self.close()
                return
            self._received(data[start : start + _PORTION] if len(data) > _PORTION else data)

    def eof_received(self) -> None:
        """Nothing more comes, and the connection is closed."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has ended; of an answer without a length that is the end."""
        self._end(self._ended())
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a head. Behind an answer nobody asked for one: half of it would stay in the reader, and be
        taken for the beginning of what answers the next request."""
        if self._complete:
            self.force_close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of a head."""
        self._line_bytes = 0
        if not self._answered and self._answer.retry_after is None and name.lower() == b"retry-after":
            self._answer.retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """One head: the answer's, one before it, or one that nobody asked for."""
        if self._answered:
            return
        status = self._reader.get_status_code()
        if _CONTINUE <= status < _OK and status != _SWITCHING:
            self._informational += 1
            self._answer.retry_after = None
        else:
            self._answer.status, self._answered = status, True

    def on_body(self, body: bytes) -> None:
        """A piece of the answer, or of what has a body before it."""
        self._line_bytes = 0
        if self._answered and not self._complete:
            self._answer.body += body[: self._most - len(self._answer.body)]

    def on_message_complete(self) -> None:
        """The end of the answer, or of a head before it."""
        if self._answered:
            self._complete = True
            # Who answers before it has read everything is not sent another request behind that.
            if self._unsent() or not self._reader.should_keep_alive():
                self.force_close()

    def _ended(self) -> BrokenAnswerError:
        if self._kept and not self._bytes:
            return StaleConnectionError("The connection was no longer kept")
        return BrokenAnswerError("The connection ended before an answer")

    def _unsent(self) -> bool:
        return self.transport is not None and self.transport.get_write_buffer_size() > 0

    def _received(self, data: bytes) -> None:
        answered = self._answered
        self._line_bytes += len(data)
        try:
            self._reader.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.force_close()
            self._end(BrokenAnswerError("What came is no answer"))
            return
        self._bytes += len(data)
        if self._complete or len(self._answer.body) == self._most:
            self._end()
        elif self._informational > _MOST_INFORMATIONAL or self._bytes > _MOST_BYTES:
            self._end(EndlessHeadsError("More came than belongs to an answer"))
        elif self._line_bytes > _MOST_OF_A_LINE:
            self._end(BrokenAnswerError("A line of the head has no end"))
        elif self._answered and not answered:
            self._until = min(self._until, self._loop.time() + _BODY_SECONDS)
            if self._alarm is not None:
                self._alarm.cancel()
            self._ring()

    def _ring(self) -> None:
        self._alarm = None
        if self._asked is None:
            return
        if self._loop.time() < self._until:
            self._alarm = self._loop.call_at(self._until, self._ring)
        else:
            self._end(TimeoutError())

    def _end(self, error: BaseException | None = None) -> None:
        """Nothing more is waited for. In: what is wrong if no answer has come; an answer that has come stands."""
        if self._asked is None or self._asked.done():
            return
        if self._answered or error is None:
            self._asked.set_result(self._answer)
        else:
            self._asked.set_exception(error)
