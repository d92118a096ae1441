"""The board: one query for everybody who watches, divided in memory by what each may see and wants to see.

It must never query once a watcher, and never send a page what it shows already.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Final

import structlog
from fastapi import Request, Response

from services.stats.domain.board import BoardFigures, Filter
from services.stats.pages.breakdowns import breakdowns
from services.stats.store.counts import Counts
from services.stats.store.cube import CHANNEL
from services.stats.store.quality import Quality, quality_of
from services.stats.views import Words
from shared.database import Database
from shared.identity import Principal
from shared.messaging.listening import listen
from shared.messaging.router import Clock
from shared.messaging.waiting import either, pause
from shared.reference.calendar import local_day
from shared.web.i18n import ZONE, Language
from shared.web.live import Hub, live_response
from shared.web.pages import Pages

_LOG = structlog.get_logger(__name__)
# Between two queries, and between two sendings of the long table: faster than an eye follows.
_QUERY_SECONDS: Final = 0.03
# Rests so many times as long as this thread was busy during a look, however much there is to count: others work here,
# too. Not as long as a look took: where it had to wait for a processor itself, the page would wait as long again. Only
# after a look for whatever changed, at which the database works as long as there is much, it rests as long besides.
_RESTS: Final = 4
_LONGEST_REST: Final = 1.0
_TABLE_SECONDS: Final = 1.0
# Also when nothing changes: "today" does.
_IDLE_SECONDS: Final = 30.0
_OPENING_SECONDS: Final = 10.0
_MANY_CELLS: Final = 5_000


@dataclass(frozen=True, slots=True)
class View:
    """Who sees what: communes (None: all, and what lies in none), a language, and the filters. Empty: any."""

    units: frozenset[str] | None
    language: Language
    unit: str = ""
    kind: str = ""
    sex: str = ""
    age: str = ""

    @property
    def topic(self) -> str:
        """The beginning of the names of its live parts; it shows in the page and says nothing."""
        words = [",".join(sorted(self.units)) if self.units is not None else "*", *map(str, astuple(self)[1:])]
        return "board/" + hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:20]

    @property
    def query(self) -> str:
        """Its filters as the rest of an address that has a query already."""
        filters = {"unit": self.unit, "kind": self.kind, "sex": self.sex, "age": self.age}
        return "".join(f"&{name}={value}" for name, value in filters.items() if value)

    @property
    def filter(self) -> Filter:
        """What of the counts it shows."""
        return Filter(self.units, self.unit, self.kind, self.sex, self.age)


@dataclass(slots=True)
class _Changed:
    """What has changed since the last look: these cells, or anything."""

    cells: set[int] = field(default_factory=set)
    anything: bool = True

    def hear(self, said: str | None) -> None:
        """What a transaction told: numbers of cells; or nothing, or that something may have been missed."""
        if said and not self.anything:
            self.cells.update(map(int, said.split(",")))
        if not said or len(self.cells) > _MANY_CELLS:
            # Of many it is cheaper to find them; and while nobody looks they must not pile up.
            self.anything = True
            self.cells.clear()


@dataclass(slots=True)
class _Opened:
    """A view that pages show: since when, what they were last sent, and of which reading that was."""

    view: View
    at: float
    shown: dict[str, str] = field(default_factory=dict)
    lines: tuple[object, ...] | None = None
    table_at: float = float("-inf")
    tiles_of: int = -1
    table_of: int = -1


class Board:
    """Knows the newest figures and tells open pages.

    Args:
        database: statistics' own. pages: renders the parts. clock: now, aware UTC. units: all communes' codes.
    """

    def __init__(self, database: Database, pages: Pages, clock: Clock, units: Sequence[str]) -> None:
        self._database = database
        self._pages = pages
        self._clock = clock
        self._units = units
        self._counts = Counts()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._number = 0  # of the last reading
        self._opened: dict[str, _Opened] = {}
        self._wake = asyncio.Event()
        self._changed = _Changed()
        self._hearing = False
        # Twice as often as there is something to send, so that the hub never lets it wait.
        self.hub = Hub(per_second=2 / _QUERY_SECONDS)

    async def figures(self, view: View) -> BoardFigures:
        """A view's figures, a moment old: a crowd that opens the page asks the database once."""
        async with self._reading:
            if time.monotonic() - self._read_at > _QUERY_SECONDS:
                await self._read()
        return self._figures_of(view)

    async def quality(self, view: View) -> Quality | None:
        """How good the records behind a view's figures are."""
        units = view.units
        if view.unit:
            units = frozenset({view.unit}) if units is None else units & {view.unit}
        async with self._database.transaction() as connection:
            return await quality_of(connection, units, local_day(self._clock()))

    def part(self, name: str, view: View, figures: BoardFigures) -> str:
        """A live part of a view (tiles or table) as HTML."""
        return self._pages.fragment(f"stats/_{name}.html", view.language, **self.shown(view, figures))

    def shown(self, view: View, figures: BoardFigures) -> dict[str, Any]:
        """What the live parts of a view show."""
        words = Words(self._pages.texts, view.language)
        divided = breakdowns(words, figures.by_kind, figures.by_age, figures.by_sector)
        return {
            "board": figures,
            "view": view,
            "breakdowns": divided,
            "behind_query": view.query,
        }

    def stream(self, request: Request, view: View) -> Response:
        """The open page's stream."""
        self._opened.setdefault(view.topic, _Opened(view, 0.0)).at = time.monotonic()
        # What changed since the page was made is sent at once.
        self._wake.set()
        return live_response(request, self.hub, [f"{view.topic}/tiles", f"{view.topic}/table"])

    async def live_board(self, stop: asyncio.Event) -> None:
        """Run until `stop`: hear of changed counts, ask once, send each watched view what changed in it."""
        listening = asyncio.create_task(listen(self._database, [CHANNEL], self._hear, stop))
        wait = _IDLE_SECONDS
        try:
            while not stop.is_set():
                await either(self._wake, stop, wait)
                began, busy_before = time.monotonic(), time.thread_time()
                woken = self._wake.is_set()
                self._wake.clear()
                self._changed.anything |= not woken and wait == _IDLE_SECONDS
                self._forget_unwatched()
                wait, asked = _IDLE_SECONDS, 0.0
                if self._opened and not stop.is_set():
                    async with self._reading:
                        asked = await self._read()
                    wait = self._publish()
                took, busy = time.monotonic() - began, time.thread_time() - busy_before
                await pause(stop, max(_QUERY_SECONDS - took, min(max(busy * _RESTS, asked), _LONGEST_REST)))
        finally:
            listening.cancel()
            self._hearing = False
            if stop.is_set():
                # Only then: after a failure this loop is started again, and open pages go on.
                self.hub.close()

    def _hear(self, _channel: str, said: str | None) -> None:
        self._hearing = True
        self._changed.hear(said)
        self._wake.set()

    def _figures_of(self, view: View) -> BoardFigures:
        units = self._units if view.units is None else [unit for unit in self._units if unit in view.units]
        return self._counts.figures(view.filter, units)

    async def _read(self) -> float:
        """Learn what changed. Out: how many seconds the database was asked for whatever did; of cells that are known
        it is asked little."""
        now, began = self._clock().astimezone(ZONE), time.monotonic()
        changed, self._changed = self._changed, _Changed(anything=False)
        try:
            changed.anything |= not self._hearing or not self._counts.knows(now)
            if changed.anything:
                async with self._database.transaction() as connection:
                    await self._counts.refresh(connection, now)
            elif changed.cells:
                async with self._database.statement() as connection:
                    await self._counts.refresh_cells(connection, now, changed.cells)
        except BaseException:
            # Whoever looks next finds all of it.
            self._changed.anything = True
            raise
        self._number += bool(changed.anything or changed.cells)
        self._read_at = time.monotonic()
        return self._read_at - began if changed.anything else 0.0

    def _forget_unwatched(self) -> None:
        # A stream that was just asked for does not watch yet.
        since = time.monotonic() - _OPENING_SECONDS
        for topic, opened in list(self._opened.items()):
            if opened.at <= since and not self.hub.watched(f"{topic}/tiles"):
                del self._opened[topic]

    def _publish(self) -> float:
        """Send what is due. Out: seconds until there is more to send."""
        now, rest = time.monotonic(), _IDLE_SECONDS
        for topic, opened in self._opened.items():
            # What is not due is not lost: it is sent in a moment, as it is known then. Making it is the costly part.
            tiles_in = self.hub.due_in(f"{topic}/tiles")
            table_in = max(self.hub.due_in(f"{topic}/table"), opened.table_at + _TABLE_SECONDS - now)
            tiles = opened.tiles_of != self._number and tiles_in <= 0
            table = opened.table_of != self._number and table_in <= 0
            figures = self._figures_of(opened.view) if tiles or table else BoardFigures()
            if tiles:
                opened.tiles_of = self._number
                self._send(opened, f"{topic}/tiles", self.part("tiles", opened.view, figures))
            if table:
                opened.table_of = self._number
                lines = (figures.communes, figures.by_kind, figures.by_age, figures.by_sector)
                if opened.lines != lines:
                    opened.table_at, opened.lines = now, lines
                    self._send(opened, f"{topic}/table", self.part("table", opened.view, figures))
            left = [tiles_in] * (opened.tiles_of != self._number) + [table_in] * (opened.table_of != self._number)
            rest = min([rest, *left])
        return rest

    def _send(self, opened: _Opened, part: str, html: str) -> None:
        if opened.shown.get(part) != html:
            opened.shown[part] = html
            self.hub.publish(part, html)


def view_of(principal: Principal, language: Language, **filters: str) -> View:
    """What a principal may see, narrowed by filters; a commune that is not theirs shows nothing."""
    return View(principal.area, language, **filters)
