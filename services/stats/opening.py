"""Who may open the records behind a figure, and which they are.

Only who may open the records themselves: two figures differ by one child, and here it has an id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.evaluating import Evaluator
from services.stats.releasing import sees_all
from services.stats.store.behind import Opened, behind, opened
from shared.identity import ALL_UNITS, Permission, Principal
from shared.reference.disclosure import Disclosure
from shared.reference.indicators import Indicator, Part

PAGE = 100


def may_open(principal: Principal, part: Part | None, now: datetime) -> bool:
    """Whether somebody may open what a part counts, of the communes that are theirs; no part: cases."""
    needed = Permission.SEE_CHILDREN if part is not None and part.measure == "children" else Permission.SEE_CASES
    return sees_all(principal, Disclosure.load().on(now)) and principal.may(needed)


def listed(principal: Principal, indicator: Indicator, now: datetime) -> bool:
    """Whether there is a list behind an indicator for somebody."""
    part = indicator.numerator
    return part is not None and opened(part) is not None and may_open(principal, part, now)


def narrowed(part: Part, wanted: Mapping[str, Collection[str]]) -> Part:
    """A part of which only some values of its dimensions count."""
    where = dict(part.where)
    for name, values in wanted.items():
        known = where.get(name)
        where[name] = tuple(sorted(values if known is None else set(values) & set(known)))
    return replace(part, where=where)


async def open_records(
    connection: AsyncConnection,
    evaluator: Evaluator,
    principal: Principal,
    part: Part,
    period: Period,
    *,
    units: frozenset[str] | None,
    as_of: datetime,
    after: str = "",
) -> Opened | None:
    """The records that a part counts in a period, of today's communes that are somebody's, a page of them; None: they
    have no page of their own. Whether they may be opened at all is for the caller to ask (`may_open`)."""
    if principal.units != ALL_UNITS:
        units = principal.units if units is None else units & principal.units
    names = None if units is None else evaluator.units.named_as(units)
    return await behind(connection, part, period, units=names, as_of=as_of, after=after, limit=PAGE)
