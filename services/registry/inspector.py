"""What people see of how good records are: a commune's rules with their work, communes side by side, one rule's list.

Each list that is read is logged as one. It must never show a record or a commune that is not the person's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

from services.registry.desk import today
from services.registry.domain.names import fold
from services.registry.office import Office
from services.registry.seeing import NotThereError, is_id, visible
from services.registry.store import children, finding
from services.registry.store import quality as store
from services.registry.store.quality import Found, Measured
from shared.identity import ALL_UNITS, Principal
from shared.messaging.router import Scope
from shared.reference.quality import KINDS, SEVERITIES, Doubt, Kind, Points, Quality, Rule

PAGE = 50
_TREND_DAYS = 180
_CHANGE_DAYS = 30
# How the address names the records of no commune.
NOWHERE = "none"


@dataclass(frozen=True, slots=True)
class Line:
    """A rule, and how many children of a place break it."""

    rule: Rule
    children: int

    @property
    def effort(self) -> timedelta:
        """How long mending all of them takes, about."""
        return timedelta(minutes=self.rule.minutes * self.children)


@dataclass(frozen=True, slots=True)
class CommuneBoard:
    """A commune's records: how good they were when they were measured last, what there is to do now, how that came.

    `unit`: None: those of none, which are never measured; `now`: None, too, where that has not been done yet.
    """

    unit: str | None
    now: Measured | None
    lines: Sequence[Line]
    trend: Sequence[tuple[date, float]]
    doubts: Sequence[tuple[Doubt, float]]
    today: date

    @property
    def points(self) -> Points:
        """What a rule costs a record today, by severity."""
        return Quality.load().points(self.today)

    @property
    def effort(self) -> timedelta:
        """How long mending everything takes, about."""
        return sum((line.effort for line in self.lines), timedelta())

    @property
    def foremost(self) -> Line | None:
        """What most is lost by."""
        points = self.points
        return max(self.lines, key=lambda line: points.of(line.rule.severity) * line.children, default=None)


@dataclass(frozen=True, slots=True)
class CommuneLine:
    """A commune beside others, as it was measured last. `change`: of its score in some thirty days."""

    measured: Measured
    change: float | None
    by_kind: Mapping[Kind, int]
    doubts: Sequence[tuple[Doubt, float]]

    @property
    def verified(self) -> float:
        """The share of its children whose record is verified and not due."""
        return self.measured.verified / self.measured.children


@dataclass(frozen=True, slots=True)
class Province:
    """All communes of a person, and how many records are of none (None: not the person's to see)."""

    communes: Sequence[CommuneLine]
    nowhere: int | None

    @property
    def last(self) -> Measured | None:
        """The commune that was measured last of all."""
        measured = [line.measured for line in self.communes]
        return max(measured, key=lambda one: (one.day, one.at.timestamp() if one.at else 0.0), default=None)

    @property
    def score(self) -> float | None:
        """The mean of all children."""
        children_of_all = sum(line.measured.children for line in self.communes)
        kept = sum(line.measured.score * line.measured.children for line in self.communes)
        return kept / children_of_all if children_of_all else None

    @property
    def verified(self) -> float | None:
        """The share of all children whose record is verified and not due."""
        children_of_all = sum(line.measured.children for line in self.communes)
        verified = sum(line.measured.verified for line in self.communes)
        return verified / children_of_all if children_of_all else None


@dataclass(frozen=True, slots=True)
class Hamlet:
    """A hamlet of a list. `key`: how the address names it, since its name is part of where somebody lives."""

    key: str
    name: str
    children: int


@dataclass(frozen=True, slots=True)
class WorkList:
    """One rule's records of a commune, from a place on."""

    unit: str | None
    rule: Rule
    rows: Sequence[Found]
    more: str | None
    hamlets: Sequence[Hamlet]
    hamlet: str | None
    children: int
    today: date


class Inspector:
    """How good records are, for people.

    Args:
        office: opens transactions.
    """

    def __init__(self, office: Office) -> None:
        self._office = office

    async def board(self, principal: Principal, unit: str | None) -> CommuneBoard:
        """A commune as it was measured last, which is what others are shown of it, and its work as it is now.

        None: the records of no commune. Raises `NotThereError` where it is not the person's.
        """
        _must_see(principal, unit)
        async with self._office.scope() as scope:
            day = today(scope)
            counts = await store.counts(scope.connection, unit)
            if unit is None:
                return CommuneBoard(None, None, _lines(counts, day), (), (), day)
            found = await store.latest(scope.connection, day, day - timedelta(days=_CHANGE_DAYS), unit)
            trend = await store.trend(scope.connection, unit, day - timedelta(days=_TREND_DAYS))
        now = found[0][0] if found else None
        return CommuneBoard(unit, now, _lines(counts, day), trend, doubts_of(now, day) if now else (), day)

    async def province(self, principal: Principal) -> Province:
        """The communes of a person side by side, as they were measured last."""
        async with self._office.scope() as scope:
            day = today(scope)
            found = await store.latest(scope.connection, day, day - timedelta(days=_CHANGE_DAYS))
            nowhere = None
            if principal.units == ALL_UNITS:
                counts = await store.counts(scope.connection, None)
                nowhere = counts.get("unit-unknown", max(counts.values(), default=0))
        lines = [
            CommuneLine(now, None if was is None else now.score - was, _by_kind(now.broken), doubts_of(now, day))
            for now, was in found
            if principal.may_see(now.unit)
        ]
        return Province(lines, nowhere)

    async def work(
        self, principal: Principal, unit: str | None, code: str, hamlet: str | None, after: str | None
    ) -> WorkList:
        """One rule's list, hamlet by hamlet. Reading it is logged. Raises `NotThereError`.

        Args:
            hamlet: key of the only one wanted. after: the last child of the page before.
        """
        _must_see(principal, unit)
        rule = Quality.load().rule(code)
        if rule is None:
            raise NotThereError
        async with self._office.scope() as scope:
            listed = await store.hamlets(scope.connection, unit, code)
            known = {_key(folded): (folded, name, n) for folded, name, n in listed}
            wanted = known[hamlet][0] if hamlet in known else None
            rows = await store.listed(
                scope.connection,
                unit,
                code,
                hamlet=wanted,
                after=await _place_of(scope, after),
                limit=PAGE + 1,
            )
            there = {row.id for row in await visible(scope, principal, [found.row for found in rows[:PAGE]])}
            shown = [found for found in rows[:PAGE] if found.row.id in there]
            await finding.log_access(
                scope.connection, scope.now, principal.id, "quality-list", rule=code, found=len(shown)
            )
            day = today(scope)
        return WorkList(
            unit,
            rule,
            shown,
            rows[PAGE - 1].row.id if len(rows) > PAGE else None,
            [Hamlet(key, name, n) for key, (_, name, n) in known.items()],
            hamlet if wanted is not None else None,
            sum(n for _, _, n in known.values()) if wanted is None else known[hamlet or ""][2],
            day,
        )


def doubts_of(measured: Measured, day: date) -> list[tuple[Doubt, float]]:
    """What looks wrong in a commune's figures as a whole, each with its share."""
    return [
        (doubt, share)
        for doubt in Quality.load().doubts
        if doubt.in_force(day)
        and (share := measured.measures.get(doubt.measure)) is not None
        and doubt.holds(share, measured.children)
    ]


def _lines(counts: Mapping[str, int], day: date) -> list[Line]:
    """By kind, then what is most serious, then what most break."""
    lines = [Line(rule, counts[rule.code]) for rule in Quality.load().on(day) if counts.get(rule.code)]
    return sorted(
        lines,
        key=lambda line: (KINDS.index(line.rule.kind), SEVERITIES.index(line.rule.severity), -line.children),
    )


def _by_kind(broken: Mapping[str, int]) -> Counter[Kind]:
    sums: Counter[Kind] = Counter()
    for code, n in broken.items():
        rule = Quality.load().rule(code)
        if rule is not None:
            sums[rule.kind] += n
    return sums


def _must_see(principal: Principal, unit: str | None) -> None:
    if not (principal.units == ALL_UNITS if unit is None else principal.may_see(unit)):
        raise NotThereError


async def _place_of(scope: Scope, after: str | None) -> tuple[str, str]:
    """Where a child stands in its list, also when it has just left it."""
    row = await children.child(scope.connection, after) if after is not None and is_id(after) else None
    return ("", store.NO_ID) if row is None else (fold(row.known.description.hamlet), row.id)


def _key(folded: str) -> str:
    return blake2b(folded.encode(), digest_size=6).hexdigest()
