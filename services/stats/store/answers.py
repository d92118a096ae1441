"""Answers of history that are kept in memory for as long as they are true, and not one look longer.

An answer is kept with what it depends on: which transaction was the last to change each month that it sums. Whoever
asks again compares that with what the own transaction sees, so a correction of last year's is in the next answer. It
must never be asked for less than the whole question: the communes are part of it, so nobody is answered what another
asked for. What may be shown of an answer is not decided here, and never kept here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.beginnings import beginnings_of
from services.stats.domain.fineness import FIRST_DAY
from services.stats.domain.measures import Measure
from shared.reference.calendar import start_of

Changes = tuple[date | int, ...]
# Some tens of megabytes.
_MOST_ROWS: Final = 150_000
# One that is longer is asked for rarely, and would push out many others.
_LONGEST: Final = 5_000
# The number of what is handed in, among those of measures.
FIGURES: Final = 0


class Stamps:
    """Which transaction was the last to change each month of each measure, as one transaction sees it.

    Args:
        known: the months of a measure, in their order, and the transactions. beginnings: since when each measure is
            counted, by its word. steady: whether the transaction sees one moment to its end.
    """

    def __init__(
        self,
        known: Mapping[int, tuple[Sequence[date], Sequence[int]]],
        beginnings: Mapping[str, datetime],
        *,
        steady: bool = False,
    ) -> None:
        self._known = known
        self.beginnings = beginnings
        self.steady = steady
        self._found: dict[tuple[int, int, int], Changes] = {}

    def between(self, measure: int, first: date, last: date) -> Changes:
        """What an answer depends on that sums the months of these days."""
        months, changes = self._known.get(measure, ((), ()))
        start, end = bisect_left(months, first.replace(day=1)), bisect_right(months, last)
        found = self._found.get((measure, start, end))
        if found is None:
            found = self._found[measure, start, end] = (*months[start:end], *changes[start:end])
        return found


class Answers:
    """Keeps answers. One a process.

    Args:
        most: rows of all answers together; the ones that were asked for the longest time ago go first.
    """

    def __init__(self, most: int = _MOST_ROWS) -> None:
        self._most = most
        self._rows = 0
        self._kept: OrderedDict[Hashable, tuple[Changes, Any, int]] = OrderedDict()
        self._stamps: WeakKeyDictionary[AsyncConnection, Stamps] = WeakKeyDictionary()

    async def stamps(self, connection: AsyncConnection) -> Stamps:
        """What a transaction sees, looked up once: it must not change history itself before it asks."""
        found = self._stamps.get(connection)
        if found is None:
            rows = (await connection.execute(text(_STAMPS), {"ever": start_of(FIRST_DAY)})).all()
            known = {row.measure: (row.months, row.changes) for row in rows}
            first = {Measure(row.measure): row.at for row in rows if row.at is not None}
            steady = all(row.isolation != "read committed" for row in rows)
            found = self._stamps[connection] = Stamps(known, beginnings_of(first), steady=steady)
        return found

    def get(self, question: Hashable, changes: Changes) -> Any:
        """The answer to a question as long as nothing that it depends on has changed; None: it must be asked."""
        known = self._kept.get(question)
        if known is None or known[0] != changes:
            return None
        self._kept.move_to_end(question)
        return known[1]

    def keep(self, question: Hashable, changes: Changes, answer: Any, rows: int) -> None:
        """Keep an answer of so many rows in the place of an older one."""
        old = self._kept.pop(question, None)
        if old is not None:
            self._rows -= old[2]
        size = rows + 1
        if size > _LONGEST:
            return
        self._kept[question] = (changes, answer, size)
        self._rows += size
        while self._rows > self._most:
            _, (_, _, gone) = self._kept.popitem(last=False)
            self._rows -= gone


async def see_one_moment(connection: AsyncConnection, *, writes: bool = False) -> None:
    """Let a transaction see one moment to its end, whatever is counted meanwhile; the first thing in it.

    In: `writes`: whether it writes, too. It fails with a conflict then where another has written the same since.
    """
    access = "READ WRITE" if writes else "READ ONLY"
    await connection.execute(text(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ {access}"))


# The first event of a measure is by its own time, for a day that somebody wrote may be any: one look into the index.
# What does not say when it was is known since ever, and begins nothing.
_STAMPS: Final = """
SELECT measure, array_agg(first ORDER BY first) AS months, array_agg(transaction ORDER BY first) AS changes,
       (SELECT min(m.at) FROM movement AS m WHERE m.measure = c.measure AND m.at >= :ever) AS at,
       current_setting('transaction_isolation') AS isolation
FROM standing_change AS c GROUP BY measure
"""
