"""Every indicator by hand: plain Python over all events, from the indicators' data and nothing of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

from shared.contracts import stats
from shared.reference.indicators import Indicator, Part
from shared.reference.units import Units
from tests.unit.stats.recount_history import Happened, Things, day_of

_HOME = timedelta(hours=7)
_UNITS = Units.load()
Thing = dict[str, Any]
Key = tuple[str, ...]


def value_of(
    indicator: Indicator,
    history: Sequence[Happened],
    days: tuple[date, date],
    now: datetime,
    by: str = "",
    of: frozenset[str] | None = None,
) -> dict[Key, tuple[float | None, int]]:
    """An indicator's value and its numerator by a dimension (or of all, under no key), as known at a moment, of today's
    communes `of`."""
    assert indicator.numerator is not None
    above = _by(_counted(indicator.numerator, history, days, now, of), by)
    if indicator.shape == "percentile":
        times = {key: sorted(float(one["hours"]) for one in things) for key, things in above.items()}
        return {
            key: (some[ceil(len(some) * indicator.at / 100) - 1] if some else None, len(some))
            for key, some in times.items()
        }
    counts = {key: sum(one.get("n", 1) for one in things) for key, things in above.items()}
    if indicator.denominator is None:
        return {key: (float(n), n) for key, n in counts.items()}
    below = {
        key: len(things) for key, things in _by(_counted(indicator.denominator, history, days, now, of), by).items()
    }
    return {
        key: (counts.get(key, 0) / n * indicator.scale if (n := below.get(key, 0)) else None, counts.get(key, 0))
        for key in counts.keys() | below.keys()
    }


def _by(things: Sequence[Thing], name: str) -> dict[Key, list[Thing]]:
    if not name:
        return {(): list(things)}
    found: dict[Key, list[Thing]] = {}
    for thing in things:
        # A child is in each of its circumstances that are asked for.
        for value in thing[name] if isinstance(thing[name], frozenset) else [thing[name]]:
            found.setdefault((value,), []).append(thing)
    return found


def _counted(
    part: Part, history: Sequence[Happened], days: tuple[date, date], now: datetime, of: frozenset[str] | None
) -> list[Thing]:
    found = []
    for thing in _things(part.measure, part.over, history, days, now):
        told = {**thing, "unit": _UNITS.folded(thing["unit"]) if thing["unit"] else ""}
        if of is not None and told["unit"] not in of:
            continue
        for name, wanted in part.where.items():
            if isinstance(told[name], frozenset):
                told[name] = told[name] & set(wanted)
                if not told[name]:
                    break
            elif told[name] not in wanted:
                break
        else:
            found.append(told)
    return found


def _things(
    measure: str, over: str, history: Sequence[Happened], days: tuple[date, date], now: datetime
) -> Iterator[Thing]:
    first, last = days
    if over == "state":
        end = datetime.combine(last + timedelta(days=1), time(), UTC) - _HOME
        things = Things(history, min(now, end - timedelta(microseconds=1)))
        yield from _STATES[measure](things, min(last, day_of(now)))
        return
    for thing in _FLOWS[measure](Things(history, now)):
        if first <= thing.pop("day") <= last:
            yield thing


def _facts(facts: Any) -> Thing:
    return {name: getattr(facts, name) or "" for name in ("unit", "sex", "kind", "sector", "channel")} | {
        "age": facts.age_band
    }


def _case(facts: Any) -> Thing:
    harm = {"environment": facts.environment or "", "harmer": facts.harmer or ""}
    return _facts(facts) | harm | {"risk": facts.risk, "outcome": facts.outcome or ""}


def _reports(things: Things) -> Iterator[Thing]:
    for facts in things.of("concern"):
        said = {"request": facts.request, "danger_now": facts.danger_now}
        yield _facts(facts) | said | {"day": day_of(facts.received_at)}


def _openings(things: Things) -> Iterator[Thing]:
    for facts in things.of("case"):
        if facts.status != "merged":
            yield _case(facts) | {"day": day_of(facts.opened_at)}


def _closings(things: Things) -> Iterator[Thing]:
    for facts in things.of("case"):
        if facts.status == "closed":
            yield _case(facts) | {"day": day_of(facts.closed_at)}


def _spans(things: Things) -> Iterator[Thing]:
    def took(facts: Any, span: str, began: datetime, ended: datetime | None, sector: str) -> Iterator[Thing]:
        if ended is not None:
            hours = f"{max(0.0, (ended - began).total_seconds() / 3600):.1f}"
            yield _case(facts) | {"span": span, "hours": hours, "sector": sector, "day": day_of(ended)}

    for facts in things.of("case"):
        if facts.status != "merged":
            began = facts.received_at or facts.opened_at
            closed = facts.closed_at if facts.status == "closed" else None
            yield from took(facts, "report-assessment", began, facts.assessed_at, facts.sector)
            yield from took(facts, "report-plan", began, facts.planned_at, facts.sector)
            yield from took(facts, "report-service", began, facts.first_service_at, facts.sector)
            yield from took(facts, "report-closure", began, closed, facts.sector)
    for data, _ in things.of("task"):
        if data.requested_at is not None:
            yield from took(data.facts, "task-answer", data.requested_at, data.answered_at, data.task_sector)


def _clocks(things: Things) -> Iterator[Thing]:
    for data in things.of("deadline"):
        yield _case(data.facts) | {"clock": data.kind, "state": data.state, "day": day_of(data.due)}


def _services(things: Things) -> Iterator[Thing]:
    for data in things.of("service"):
        given = {"service": data.service, "sector": data.service_sector or "", "day": data.provided_on}
        yield _case(data.facts) | given


def _incidents(things: Things) -> Iterator[Thing]:
    for data in things.of("incident"):
        yield {
            **{name: getattr(data, name) for name in ("unit", "sex", "kind", "outcome", "sector")},
            "age": data.age_band,
            "place": data.place_code or "",
            "day": data.occurred_on,
        }


def _activities(things: Things, *, people: bool) -> Iterator[Thing]:
    for data in things.of("activity"):
        told = {name: getattr(data, name) for name in ("unit", "activity", "audience", "sector")}
        yield told | {"day": data.held_on, "n": data.participants if people else 1}


def _cases(things: Things, _: date) -> Iterator[Thing]:
    for facts in things.of("case"):
        yield _case(facts) | {"status": facts.status, "step": facts.step}


def _tasks(things: Things, _: date) -> Iterator[Thing]:
    for data, state in things.of("task"):
        yield _case(data.facts) | {"status": state, "task": data.task_kind, "sector": data.task_sector}


def _children(things: Things, on: date) -> Iterator[Thing]:
    for facts in things.of("child"):
        yield {
            "unit": facts.unit or "unclassified",
            "sex": facts.sex,
            "state": facts.state,
            "age": _age(facts, on),
            "ethnicity": facts.ethnicity or "",
            "disability": "yes" if facts.disability else "no",
            "supported": "yes" if facts.supported else "no",
            "circumstance": frozenset(facts.circumstances) or frozenset({""}),
        }


def _age(facts: Any, on: date) -> str:
    if facts.birth_year is None:
        return "unknown"
    years = on.year - facts.birth_year - bool(facts.birth_month and on.month < facts.birth_month)
    if years < 0:
        return "unknown"
    return next(
        (band for upper, band in ((3, "0-3"), (5, "4-5"), (10, "6-10"), (15, "11-15")) if years <= upper), "16+"
    )


_FLOWS: Mapping[str, Any] = {
    "reports": _reports,
    "openings": _openings,
    "closings": _closings,
    "spans": _spans,
    "clocks": _clocks,
    "services": _services,
    "incidents": _incidents,
    "activities": lambda things: _activities(things, people=False),
    "people-reached": lambda things: _activities(things, people=True),
}
_STATES: Mapping[str, Any] = {"cases": _cases, "tasks": _tasks, "children": _children}


def handed_in(code: str, period: str, history: Sequence[Happened], now: datetime) -> float | None:
    """What was said last of an indicator's figure of the whole province in a period, where each has one figure."""
    said = [
        (event.sequence, event.data.value)
        for event, at in history
        if at <= now
        and isinstance(event.data, stats.FigureRecorded)
        and (event.data.indicator, event.data.period) == (code, period)
    ]
    return max(said)[1] if said else None
