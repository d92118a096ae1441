"""The board: one query for everybody who watches, divided in memory by what each may see and wants to see.

It must never query once a watcher, and never send a page what it shows already.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Final

import structlog
from fastapi import Request, Response

from services.stats.breakdowns import breakdowns
from services.stats.domain.cells import Kind
from services.stats.store.counts import Counts, Group
from services.stats.store.cube import CHANNEL
from services.stats.store.quality import Quality, quality_of
from services.stats.views import Words
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.database import Database
from shared.identity import ALL_UNITS, Principal
from shared.messaging.listening import listen
from shared.messaging.router import Clock
from shared.messaging.waiting import either, pause
from shared.web.i18n import ZONE, Language
from shared.web.live import Hub, live_response
from shared.web.pages import Pages

_LOG = structlog.get_logger(__name__)
# Between two queries, and between two sendings of the long table: faster than an eye follows.
_QUERY_SECONDS: Final = 0.1
# Rests a query's and a sending's time so many times over, however much there is to count: others work here, too.
_RESTS: Final = 4
_LONGEST_REST: Final = 1.0
_TABLE_SECONDS: Final = 1.0
# Also when nothing changes: "today" does.
_IDLE_SECONDS: Final = 30.0
_OPENING_SECONDS: Final = 10.0
_FOREMOST: Final = 15


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

    def sees(self, row: Group) -> bool:
        """Whether a group counts here. What no abuse kind applies to (children) drops out only with such a filter."""
        return (
            (self.units is None or row.unit in self.units)
            and self.unit in {"", row.unit}
            and self.kind in {"", row.kind}
            and self.sex in {"", row.sex}
            and self.age in {"", row.age}
        )


@dataclass(slots=True)
class CommuneFigures:
    """One commune's line."""

    unit: str
    concerns: int = 0
    today: int = 0
    open: int = 0
    high: int = 0
    missed: int = 0
    children: int = 0

    @property
    def weight(self) -> tuple[int, ...]:
        """What puts it higher on the board."""
        return (self.quiet, -self.missed, -self.high, -self.open, -self.today, -self.concerns)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way there."""
        return not (self.open or self.missed or self.today)


@dataclass(slots=True)
class BoardFigures:
    """The figures of a view."""

    communes: list[CommuneFigures] = field(default_factory=list)
    cases_open: int = 0
    cases_closed: int = 0
    high: int = 0
    unassessed: int = 0
    concerns: int = 0
    today: int = 0
    missed: int = 0
    running: int = 0
    met: int = 0
    met_late: int = 0
    lapsed: int = 0
    tasks: int = 0
    tasks_overdue: int = 0
    children: int = 0
    by_kind: dict[tuple[str, str], int] = field(default_factory=dict)
    by_age: dict[tuple[str, str], int] = field(default_factory=dict)
    by_sector: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever counted here."""
        return not (self.concerns or self.cases_open or self.cases_closed or self.children)

    @property
    def foremost(self) -> tuple[list[CommuneFigures], list[CommuneFigures]]:
        """The communes that are shown at once, and those that are folded away: a phone shows few lines."""
        busy = sum(not commune.quiet for commune in self.communes)
        at = max(1, min(busy, _FOREMOST))
        return self.communes[:at], self.communes[at:]

    @property
    def most_open(self) -> int:
        """The longest bar."""
        return max((commune.open for commune in self.communes), default=0)

    @property
    def in_time(self) -> float | None:
        """The share met in time of the clocks that are settled or past; what was needed no more counts where it was
        needed no more only after it was missed."""
        settled = self.met + self.met_late + self.missed + self.lapsed
        return self.met / settled if settled else None


def figures_of(counts: Iterable[tuple[Group, int]], view: View, units: Sequence[str]) -> BoardFigures:
    """The figures of a view. `units`: communes that have a line even where nothing happened."""
    figures = BoardFigures()
    communes = {unit: CommuneFigures(unit) for unit in units if view.unit in {"", unit}}
    by_kind: Counter[tuple[str, str]] = Counter()
    by_age: Counter[tuple[str, str]] = Counter()
    by_sector: Counter[str] = Counter()
    for row, n in counts:
        if not view.sees(row):
            continue
        commune = communes.get(row.unit)
        if commune is None:
            commune = communes[row.unit] = CommuneFigures(row.unit)
        if row.what == Kind.CONCERN:
            figures.concerns += n
            commune.concerns += n
            by_age[row.age, row.sex] += n
            by_sector[row.sector] += n
        elif row.what == Kind.ARRIVAL:
            figures.today += n
            commune.today += n
        elif row.what == Kind.CASE:
            _add_case(figures, commune, row, n)
            if row.status == "open":
                by_kind[row.kind, row.risk] += n
        elif row.what == Kind.DEADLINE:
            _add_deadline(figures, commune, row, n)
        elif row.what == Kind.TASK:
            figures.tasks += n if row.status in {"requested", "accepted", "overdue"} else 0
            figures.tasks_overdue += n if row.status == "overdue" else 0
        elif row.what == Kind.CHILD:
            figures.children += n
            commune.children += n
    figures.by_kind, figures.by_age, figures.by_sector = dict(by_kind), dict(by_age), dict(by_sector)
    # What lies in no commune comes first: somebody has to place it.
    figures.communes = sorted(communes.values(), key=lambda one: (one.unit != UNCLASSIFIED, one.weight, one.unit))
    return figures


def _add_case(figures: BoardFigures, commune: CommuneFigures, row: Group, n: int) -> None:
    if row.status == "closed":
        figures.cases_closed += n
    elif row.status == "open":
        figures.cases_open += n
        commune.open += n
        figures.unassessed += n if row.risk == "unassessed" else 0
        if row.risk == "high":
            figures.high += n
            commune.high += n


def _add_deadline(figures: BoardFigures, commune: CommuneFigures, row: Group, n: int) -> None:
    if row.status == "missed":
        figures.missed += n
        commune.missed += n
    elif row.status in {"running", "nearing", "paused"}:
        figures.running += n
    elif row.status == "met":
        figures.met += n
    elif row.status == "met-late":
        figures.met_late += n
    elif row.status == "lapsed":
        figures.lapsed += n


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
        self._views: dict[str, View] = {}
        self._opened: dict[str, float] = {}
        self._shown: dict[str, str] = {}
        self._lines: dict[str, object] = {}
        self._table_at: defaultdict[str, float] = defaultdict(lambda: float("-inf"))
        self._wake = asyncio.Event()
        self.hub = Hub(per_second=1 / _QUERY_SECONDS)

    async def figures(self, view: View) -> BoardFigures:
        """A view's figures, at most a tenth of a second old: a crowd that opens the page asks the database once."""
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
            return await quality_of(connection, units, self._clock().astimezone(ZONE).date())

    def part(self, name: str, view: View, figures: BoardFigures) -> str:
        """A live part of a view (tiles or table) as HTML."""
        return self._pages.fragment(f"stats/_{name}.html", view.language, **self.shown(view, figures))

    def shown(self, view: View, figures: BoardFigures) -> dict[str, Any]:
        """What the live parts of a view show."""
        words = Words(self._pages.texts, view.language)
        divided = breakdowns(words, figures.by_kind, figures.by_age, figures.by_sector)
        return {"board": figures, "view": view, "breakdowns": divided, "UNCLASSIFIED": UNCLASSIFIED}

    def stream(self, request: Request, view: View) -> Response:
        """The open page's stream."""
        self._views[view.topic] = view
        self._opened[view.topic] = time.monotonic()
        # What changed since the page was made is sent at once.
        self._wake.set()
        return live_response(request, self.hub, [f"{view.topic}/tiles", f"{view.topic}/table"])

    async def live_board(self, stop: asyncio.Event) -> None:
        """Run until `stop`: hear of changed counts, ask once, send each watched view what changed in it."""
        listening = asyncio.create_task(listen(self._database, [CHANNEL], lambda *_: self._wake.set(), stop))
        try:
            while not stop.is_set():
                await either(self._wake, stop, _IDLE_SECONDS)
                began = time.monotonic()
                self._wake.clear()
                self._forget_unwatched()
                if self._views and not stop.is_set():
                    async with self._reading:
                        await self._read()
                    self._publish()
                took = time.monotonic() - began
                await pause(stop, max(_QUERY_SECONDS - took, min(took * _RESTS, _LONGEST_REST)))
        finally:
            listening.cancel()
            if stop.is_set():
                # Only then: after a failure this loop is started again, and open pages go on.
                self.hub.close()

    def _figures_of(self, view: View) -> BoardFigures:
        units = self._units if view.units is None else [unit for unit in self._units if unit in view.units]
        return figures_of(self._counts, view, units)

    async def _read(self) -> None:
        now = self._clock().astimezone(ZONE)
        async with self._database.transaction() as connection:
            await self._counts.refresh(connection, now)
        self._read_at = time.monotonic()

    def _forget_unwatched(self) -> None:
        # A stream that was just asked for does not watch yet.
        since = time.monotonic() - _OPENING_SECONDS
        for topic, opened in list(self._opened.items()):
            if opened > since or self.hub.watched(f"{topic}/tiles"):
                continue
            del self._opened[topic], self._views[topic]
            for name in ("tiles", "table"):
                self._shown.pop(f"{topic}/{name}", None)
            self._table_at.pop(topic, None)
            self._lines.pop(topic, None)

    def _publish(self) -> None:
        now = time.monotonic()
        for topic, view in self._views.items():
            figures = self._figures_of(view)
            self._send(f"{topic}/tiles", self.part("tiles", view, figures))
            lines = (figures.communes, figures.by_kind, figures.by_age, figures.by_sector)
            if self._lines.get(topic) == lines:
                continue
            if now - self._table_at[topic] < _TABLE_SECONDS:
                # Not lost: asked again in a moment, and sent then. Making it is the costly part, so not before.
                self._wake.set()
                continue
            self._table_at[topic] = now
            self._lines[topic] = lines
            self._send(f"{topic}/table", self.part("table", view, figures))

    def _send(self, part: str, html: str) -> None:
        if self._shown.get(part) != html:
            self._shown[part] = html
            self.hub.publish(part, html)


def view_of(principal: Principal, language: Language, **filters: str) -> View:
    """What a principal may see, narrowed by filters; a commune that is not theirs shows nothing."""
    units = None if principal.units == ALL_UNITS else frozenset(principal.units)
    return View(units, language, **filters)
