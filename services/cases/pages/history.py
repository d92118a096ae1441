"""One timeline of all sectors: some of its lines at a time, by day, what is new to the reader marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from services.cases import answered, store
from services.cases.domain.model import Actor, Case, local_day
from services.cases.reading import Reader
from services.cases.store import CHAPTERS, Line, LineFilter
from services.cases.views import Names, Shown, length, shortened
from shared.contracts.vocabulary import SECTORS
from shared.messaging.router import Scope
from shared.web.forms import number_in
from shared.web.i18n import format_datetime

_LINES: Final = 100
# Of each text of a line; all of a page together; and of each after that. The whole of a line is one tap away.
_LONGEST: Final = 400
_MOST_SAID: Final = 16_000
_SHORT: Final = 80
_ACTS: Final = "acts"


@dataclass(frozen=True, slots=True)
class Chip:
    """One choice of a filter: its code ("" is all), where it leads, whether it is chosen."""

    code: str
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class History:
    """What the page shows of a case's timeline: days with their lines, filters, where older lines are.

    `lines`: all that are shown, newest first.
    """

    days: Sequence[tuple[str, Sequence[Shown]]]
    lines: Sequence[Shown]
    fresh: int
    chapters: Sequence[Chip]
    sectors: Sequence[Chip]
    newest: str
    older: str | None
    filtered: bool
    paged: bool


# Of a case whose timeline is not the reader's to see.
NOTHING: Final = History((), (), 0, (), (), "", None, filtered=False, paged=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of a timeline. `whole`: the line whose long texts are not cut."""

    wanted: LineFilter
    whole: int | None = None

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Asked:
        """From an address; what is no code of ours is left out."""
        chapter, sector = asked.get("show", ""), asked.get("sector", "")
        return cls(
            LineFilter(
                chapter if chapter in (*CHAPTERS, _ACTS) else "",
                sector if sector in SECTORS else "",
                number_in(asked.get("before", ""), 18),
            ),
            number_in(asked.get("line", ""), 18),
        )


async def history_of(
    scope: Scope, case: Case, actor: Actor, reader: Reader, names: Names, asked: Asked, reads: bool
) -> History:
    """The lines of a case that an address asks for, with the words of those opened, and only if `reads`.

    Whoever sees the newest lines, unfiltered, has seen the case up to them.
    """
    wanted = asked.wanted
    lines = await store.timeline_page(scope.connection, case.id, wanted, _LINES + 1)
    shown = lines[:_LINES]
    if wanted == LineFilter():
        since = await store.look(scope.connection, actor.id, case.id, shown[0].id if shown else 0, scope.now)
    else:
        known = await store.looked(scope.connection, actor.id, case.id)
        since = shown[0].id if known is None and shown else known or 0
    said = _fitting(
        [
            replace(ready, fresh=line.id > since and line.who != actor.id)
            for line, ready in zip(shown, await opened_lines(scope, reader, names, shown, reads), strict=True)
        ],
        asked.whole,
    )
    older = replace(wanted, before=shown[-1].id) if len(lines) > _LINES else None
    return History(
        days=_days(said, names, scope.now),
        lines=said,
        fresh=sum(line.fresh for line in said),
        chapters=[
            Chip(code, _address(replace(wanted, chapter=code, before=None)), code == wanted.chapter)
            for code in ("", _ACTS, *CHAPTERS)
        ],
        sectors=_sectors(case, wanted),
        newest=_address(replace(wanted, before=None)),
        older=_address(older) if older else None,
        filtered=bool(wanted.chapter or wanted.sector),
        paged=wanted.before is not None,
    )


def _fitting(lines: Sequence[Shown], whole: int | None) -> list[Shown]:
    """Lines as a page has room for them, the first with more of their texts; one line whole."""
    fitting: list[Shown] = []
    room = _MOST_SAID
    for line in lines:
        longest = _LONGEST if room > 0 else 0 if line.form else _SHORT
        fits = line if line.id == whole else shortened(line, longest)
        room -= length(fits)
        fitting.append(fits)
    return fitting


async def opened_lines(scope: Scope, reader: Reader, names: Names, lines: Sequence[Line], reads: bool) -> list[Shown]:
    """Lines of a timeline, opened if `reads`; a form says which time it was and what changed since the time before.

    Of forms that are not among the lines, only the one before each is opened.
    """
    places = await store.numbered(scope.connection, [line for line in lines if answered.form_of(line.data)])
    wordy = {line.id: line for line in lines}
    wordy |= {before.id: before for _, before in places.values() if before is not None}
    words = {
        id_: await reader.words(scope.connection, line) if reads and line.words else {} for id_, line in wordy.items()
    }
    shown: list[Shown] = []
    for line in lines:
        ready = names.line(line, words[line.id], format_datetime)
        if line.id in places:
            number, before = places[line.id]
            earlier = (before, words[before.id]) if before is not None else None
            ready = names.again(ready, number, (line, words[line.id]), earlier)
        shown.append(ready)
    return shown


def _sectors(case: Case, wanted: LineFilter) -> list[Chip]:
    """Of the sectors that have to do with the case."""
    involved = {case.sector, wanted.sector, *(task.sector for task in case.tasks)}
    return [
        Chip(code, _address(replace(wanted, sector=code, before=None)), code == wanted.sector)
        for code in ("", *SECTORS)
        if code in involved or not code
    ]


def _days(lines: Sequence[Shown], names: Names, now: datetime) -> list[tuple[str, Sequence[Shown]]]:
    today = local_day(now)
    return [(names.day(day, today), list(part)) for day, part in groupby(lines, key=lambda line: local_day(line.when))]


def _address(wanted: LineFilter) -> str:
    asked = {"show": wanted.chapter, "sector": wanted.sector, "before": wanted.before}
    query = urlencode({name: value for name, value in asked.items() if value})
    # The empty query, too, replaces that of the page.
    return f"?{query}#history"
