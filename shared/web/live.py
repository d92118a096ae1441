"""Server-sent events: parts of a page that change while it is open, for thousands of watchers at the cost of one.

It must never wait for a slow watcher: a topic's newest fragment replaces the one that was not fetched yet. Nor may it
go on for whoever has signed out, or may see less by now: each stream ends after a minute at the latest, and the page
asks for the next one as whoever it is by then.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from secrets import SystemRandom, token_hex

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.web.pages import utc_now

Fragment = str | Callable[[], str]

# Ten times what it takes to send one page one piece: a topic costs a tenth of a processor, however many watch it.
_SECONDS_A_PAGE = 0.0003
_SECONDS_A_BYTE = 2e-8
_BEAT = ""  # no topic's name
# A page that reads it asks for the next stream at once.
_AGAIN = b"event: again\ndata: .\n\n"
# Pages that came at one moment (a server was started again) must not come back at one moment for ever.
_SHORTEST = 0.75
_TOPIC = re.compile(r"[A-Za-z0-9:._/-]{1,120}\Z")


@dataclass(slots=True)
class _Topic:
    """What a topic last said. `pending` waits for the topic's next turn; only the newest is kept."""

    number: int = 0
    frame: bytes = b""
    pending: Fragment | None = None
    sent_at: float = float("-inf")
    timer: asyncio.TimerHandle | None = None
    watchers: "set[_Watcher]" = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Watcher:
    """One open page: at most one frame a topic waits for it, so its queue is bounded by what it watches."""

    waiting: dict[str, bytes] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def end(self) -> None:
        """Let the page ask again."""
        self.over = True
        self.wake.set()


class Hub:
    """Carries HTML fragments from whoever knows something new to the pages that show it.

    A caller may publish as often as it likes, from the event loop's thread; a topic is sent at most `per_second` times,
    less often where thousands watch it, and its last fragment is always sent. Topics say nothing personal: they are
    visible in the page.
    """

    def __init__(
        self,
        *,
        per_second: float = 4.0,
        heartbeat: float = 15.0,
        lifetime: float = 60.0,
        max_watchers: int = 5_000,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """In: sends a second and topic; seconds between signs of life; after how many seconds at the latest a page must
        ask again; how many pages may be open; a clock in UTC."""
        self._pause = 1 / per_second
        self._heartbeat = heartbeat
        self._lifetime = lifetime
        self._max_watchers = max_watchers
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._watchers: set[_Watcher] = set()
        self._boot = token_hex(4)
        self._number = 0
        self._closed = False
        self._beating: asyncio.TimerHandle | None = None

    @property
    def watchers(self) -> int:
        """How many pages are open."""
        return len(self._watchers)

    @property
    def full(self) -> bool:
        """Whether one more page would be too many; it stays usable without its live parts."""
        return len(self._watchers) >= self._max_watchers

    def watched(self, topic: str) -> bool:
        """Whether a page shows the topic, for callers whose fragment is expensive to find."""
        known = self._topics.get(topic)
        return bool(known and known.watchers)

    def due_in(self, topic: str) -> float:
        """Seconds until the topic may be sent again, for callers whose fragment is expensive to make."""
        known = self._topics.get(topic)
        return 0.0 if known is None else max(0.0, self._next(known) - asyncio.get_running_loop().time())

    def publish(self, topic: str, fragment: Fragment) -> None:
        """In: a topic and its new HTML, or a function that makes it when it is really sent. Errors: ValueError for a
        topic that cannot be an event's name."""
        if not _TOPIC.match(topic):
            raise ValueError("A topic is made of letters, digits and : . _ / -")
        state = self._topics.setdefault(topic, _Topic())
        state.pending = fragment
        if state.timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            state.timer = loop.call_later(max(0.0, self._next(state) - loop.time()), self._send, topic)

    async def stream(self, topics: Iterable[str], last_event_id: str | None = None) -> AsyncIterator[bytes]:
        """In: topics, and the id of the last event the page has. Out: server-sent events until the page goes away, or
        has to ask again.

        What a page missed is sent first, newest only.
        """
        watcher = _Watcher()
        wanted = tuple(topics)
        self._watchers.add(watcher)
        if self._beating is None:
            self._beating = asyncio.get_running_loop().call_later(self._heartbeat, self._beat_all)
        seen = self._seen(last_event_id)
        for name in wanted:
            state = self._topics.setdefault(name, _Topic())
            state.watchers.add(watcher)
            if state.frame and state.number > seen:
                watcher.waiting[name] = state.frame
        if watcher.waiting:
            watcher.wake.set()
        lasts = self._lifetime * SystemRandom().uniform(_SHORTEST, 1)
        ending = asyncio.get_running_loop().call_later(lasts, watcher.end)
        try:
            yield b"retry: 2000\n" + self._beat()
            while not self._closed:
                await watcher.wake.wait()
                watcher.wake.clear()
                frames, watcher.waiting = watcher.waiting, {}
                if frames:
                    yield b"".join(frames.values())
                if watcher.over:
                    yield _AGAIN
                    return
        finally:
            ending.cancel()
            self._watchers.discard(watcher)
            for name in wanted:
                self._leave(name, watcher)

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for its watchers."""
        self._closed = True
        for state in self._topics.values():
            if state.timer is not None:
                state.timer.cancel()
        if self._beating is not None:
            self._beating.cancel()
        for watcher in self._watchers:
            watcher.wake.set()

    def _next(self, state: _Topic) -> float:
        a_page = _SECONDS_A_PAGE + len(state.frame) * _SECONDS_A_BYTE
        return state.sent_at + max(self._pause, len(state.watchers) * a_page)

    def _send(self, topic: str) -> None:
        state = self._topics[topic]
        state.timer = None
        fragment, state.pending = state.pending, None
        if fragment is None:
            return
        html = fragment if isinstance(fragment, str) else fragment()
        self._number += 1
        state.number = self._number
        state.sent_at = asyncio.get_running_loop().time()
        # Encoded once, however many watch.
        state.frame = _frame(topic, f"{self._boot}-{self._number}", html)
        for watcher in state.watchers:
            watcher.waiting[topic] = state.frame
            watcher.wake.set()

    def _leave(self, topic: str, watcher: _Watcher) -> None:
        state = self._topics[topic]
        state.watchers.discard(watcher)
        if not state.watchers and not state.frame and state.timer is None:
            # Nothing was ever said on it: a visitor's invented topics do not stay in memory.
            del self._topics[topic]

    def _seen(self, last_event_id: str | None) -> int:
        boot, _, number = (last_event_id or "").partition("-")
        # Numbers of an earlier process mean nothing: such a page gets everything anew.
        return int(number) if boot == self._boot and number.isdecimal() else 0

    def _beat_all(self) -> None:
        # One timer for all: a page that waits costs nothing.
        self._beating = None
        if self._watchers and not self._closed:
            self._beating = asyncio.get_running_loop().call_later(self._heartbeat, self._beat_all)
            beat = self._beat()
            for watcher in self._watchers:
                watcher.waiting.setdefault(_BEAT, beat)
                watcher.wake.set()

    def _beat(self) -> bytes:
        return f"event: beat\ndata: {self._clock().isoformat(timespec='seconds')}\n\n".encode()


def _frame(topic: str, event_id: str, html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"id: {event_id}\nevent: {topic}\n{lines}\n".encode()


def live_response(request: Request, hub: Hub, topics: Iterable[str]) -> Response:
    """In: the request of a page's live part, and the topics it may see. Out: the open stream."""
    last = request.headers.get("last-event-id") or request.query_params.get("last")
    if hub.full:
        return Response(status_code=503, headers={"Retry-After": "30"})
    return StreamingResponse(
        hub.stream(topics, last),
        media_type="text/event-stream",
        # Proxies that gather bytes would turn live into late.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
