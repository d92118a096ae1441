"""Closing a period and revising it: asked by a person, frozen beside the requests, told as an event.

What is frozen is worked out from history as it was known at the beginning of the day on which it was asked for, so that
a closing that is interrupted, or made again, gives the same figures. It must never freeze what is not counted yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from services.stats.desk.freezing import Freezing
from services.stats.domain.beginnings import released_from
from services.stats.domain.closing import (
    Change,
    Edition,
    Frozen,
    Named,
    changes,
    check_closing,
    check_reason,
)
from services.stats.domain.periods import Period
from services.stats.figures.released import known_at, released_at
from services.stats.figures.releasing import sees_all
from services.stats.figures.taking import Taking
from services.stats.store import closings
from services.stats.store.answers import see_one_moment
from services.stats.store.closings import Drift, Listed, Signed, Work
from services.stats.store.locks import Lock
from services.stats.store.releases import Releases, write_down
from services.stats.upkeep.checking import Upkeep
from shared.contracts.errors import refuse
from shared.contracts.stats import PeriodClosed, PeriodRevised
from shared.database import Database, is_passing
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import either
from shared.privacy.signing import SigningKey
from shared.reference.calendar import local_day, start_of
from shared.reference.disclosure import Disclosure
from shared.reference.indicators import Indicator, Indicators
from shared.reference.terms import Terms

_LOG = structlog.get_logger(__name__)
_IDLE_SECONDS: Final = 60.0
# A closed period is compared with what history says now, every day, as long as corrections are likely.
COMPARED_EVERY: Final = timedelta(days=1)
COMPARED_FOR: Final = timedelta(days=2 * 366)
REASONS: Final = "revision-reasons"
PURPOSE: Final = "closed periods"


@dataclass(frozen=True, slots=True)
class Standing:
    """A period as it stands. `editions`: empty where it is not closed. `asked`: what is being made. `published_at`:
    since when everybody may see it, `public_from`: from when it can be."""

    period: Period
    editions: tuple[Listed, ...]
    asked: Work | None
    published_at: datetime | None
    public_from: datetime
    drift: Drift | None


class Periods:
    """The desk of official periods.

    Args:
        database: statistics' own. clock: now, aware UTC. freezing: an edition's figures. taking: what is released.
        upkeep: whether figures agree. counted: whether history holds all that was published. key: signs.
        indicators, disclosure: as data.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        freezing: Freezing,
        taking: Taking,
        upkeep: Upkeep,
        counted: Callable[[], Awaitable[bool]],
        key: SigningKey,
        indicators: Indicators | None = None,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._freezing = freezing
        self._taking = taking
        self._upkeep = upkeep
        self._counted = counted
        self.key = key
        self._indicators = Indicators.load() if indicators is None else indicators
        self._disclosure = Disclosure.load() if disclosure is None else disclosure
        self._wake = asyncio.Event()

    def may_close(self, principal: Principal) -> bool:
        """Whether somebody closes and revises: who sees the whole province as it is, and answers for its figures."""
        return self.sees_exact(principal) and principal.may(Permission.EXPORT_STATISTICS)

    def sees_exact(self, principal: Principal) -> bool:
        """Whether somebody sees an edition's figures of the whole province as they are."""
        return principal.units == ALL_UNITS and self.sees_own(principal)

    def sees_own(self, principal: Principal) -> bool:
        """Whether somebody sees figures as they are, of the communes that are theirs."""
        return sees_all(principal, self._disclosure.on(self._clock()))

    async def close(self, principal: Principal, code: str) -> Period:
        """Ask for a period's closing. Raises `NotAllowedError`, `Rejected`."""
        self._allowed(principal)
        period = Period.parse(code)
        check_closing(period, _midnight_after(period), self._known_until(), await self.beginning())
        await self._agree()
        async with self._database.transaction() as connection:
            if await closings.editions(connection, period.code):
                raise refuse("period", "period-closed", "Kỳ này đã được chốt.", "This period is closed already.")
            await self._ask(Work(period.code, 0, self._clock(), principal.id, "", ""))
        self._wake.set()
        return period

    async def revise(self, principal: Principal, code: str, reason: str, reference: str = "") -> Period:
        """Ask for a revision of a closed period. Raises `NotAllowedError`, `Rejected`."""
        self._allowed(principal)
        period = Period.parse(code)
        check_reason(reason, Terms.load(REASONS).codes(), reference)
        await self._agree()
        async with self._database.transaction() as connection:
            known = await closings.editions(connection, period.code)
        if not known:
            raise refuse(
                "period",
                "period-open",
                "Kỳ này chưa chốt nên chưa có gì để đính chính.",
                "This period is not closed: there is nothing to revise.",
            )
        if known[-1].as_of >= self._known_until():
            raise refuse(
                "period",
                "revised-today",
                "Số liệu kỳ này vừa được chốt hôm nay; đính chính được từ ngày mai.",
                "The figures of this period were frozen today; they can be revised from tomorrow.",
            )
        if not await self._differs(period):
            raise refuse(
                "period",
                "nothing-changed",
                "Số liệu hiện nay không khác số đã chốt.",
                "The figures are the same as those that were closed.",
            )
        await self._ask(Work(period.code, known[-1].edition + 1, self._clock(), principal.id, reason, reference))
        self._wake.set()
        return period

    async def beginning(self) -> date | None:
        """The day of the first event that was counted: before it there is nothing to close. None: there was none."""
        async with self._database.transaction() as connection:
            return await self._taking.beginning(connection)

    async def standings(self) -> list[Standing]:
        """All periods that are closed or being closed, the latest first."""
        async with self._database.transaction() as connection:
            listed = await closings.editions(connection)
            asked = {work.period: work for work in await closings.asked(connection)}
            published = await closings.published_periods(connection)
            drifts = await closings.drifts(connection)
        found = []
        for code in {one.period for one in listed} | asked.keys():
            period = Period.parse(code)
            found.append(
                Standing(
                    period,
                    tuple(one for one in listed if one.period == code),
                    asked.get(code),
                    published.get(code),
                    self._public_from(period),
                    drifts.get(code),
                )
            )
        return sorted(found, key=lambda one: (one.period.last, one.period.first), reverse=True)

    async def standing(self, code: str) -> Standing | None:
        """One period."""
        return next((one for one in await self.standings() if one.period.code == code), None)

    async def exact(self, code: str, edition: int | None = None) -> Signed | None:
        """An edition as it was signed, the last one where no number is given; None: there is none."""
        async with self._database.transaction() as connection:
            return await closings.edition(connection, code, edition)

    async def published(self, code: str) -> Signed | None:
        """What everybody may see of a period; None: nothing yet."""
        async with self._database.transaction() as connection:
            return await closings.published(connection, code)

    async def log_export(self, principal: Principal, code: str, edition: int | None, file: str) -> None:
        """Keep who takes which file along."""
        async with self._database.transaction() as connection:
            await closings.log_export(connection, code, edition, file, self._clock(), principal.id)

    async def look_after_periods(self, stop: asyncio.Event) -> None:
        """Run until `stop`: freeze what is asked for, write down and publish what is due, compare what is closed with
        history."""
        while not stop.is_set():
            try:
                await self.look_after()
            except (KafkaError, TimeoutError):
                _LOG.warning("stats.periods.waiting", reason="kafka")
            except Exception as error:
                if not is_passing(error):
                    raise
            await either(self._wake, stop, _IDLE_SECONDS)
            self._wake.clear()

    async def look_after(self) -> None:
        """Do once what is due, in one replica at a time. Raises what says that a part is away."""
        async with self._database.alone(Lock.PERIODS) as mine:
            if not mine:
                return
            async with self._database.transaction() as connection:
                asked = await closings.asked(connection)
            if asked and await self._counted():
                for work in asked:
                    await _apart(work.period, self._freeze(work))
            await self.release()
            await self._publish()
            await self._compare()

    async def release(self) -> int:
        """Write down what is released by now, the first periods first: once and for all, so only where everything that
        was published is counted, and figures agree, and only from the first event on. Out: how many periods it was.
        Raises what says that a part is away.
        """
        now = self._clock()
        async with self._database.transaction() as connection:
            due = await self._taking.due(connection, now, await Releases().periods(connection))
        if not due or await self._figures_differ() or not await self._counted():
            return 0
        for period in due:
            async with self._database.transaction() as connection:
                await see_one_moment(connection)
                taken = await self._taking.take(connection, period)
            as_of = known_at(self._disclosure, period)
            async with self._database.transaction() as connection:
                await write_down(connection, period.code, as_of, now, taken)
            _LOG.info("stats.period.released", period=period.code)
        return len(due)

    async def _freeze(self, work: Work) -> None:
        period, as_of = Period.parse(work.period), _midnight(work.asked_at)
        async with self._database.transaction() as connection:
            before = await closings.edition(connection, work.period)
            old = before.read() if before else None
            if old is not None and old.edition >= work.edition:
                # Asked for by two at once: it was made meanwhile, and would keep all that is asked after it waiting.
                await closings.done(connection, work.period)
                return
        figures = await self._figures(period, as_of, old)
        names = old.indicators if old else await self._named(period, as_of)
        found = tuple(changes(old.figures, figures)) if old else ()
        async with self._database.transaction() as connection:
            await closings.done(connection, work.period)
            if old is not None and not found:
                return
            now = self._clock()
            year = local_day(now).year
            number = await closings.next_number(connection, year)
            made = Edition(
                period=period,
                edition=work.edition,
                number=closings.number_text(year, number),
                audience="exact",
                as_of=as_of,
                at=now,
                by=work.asked_by,
                indicators=names,
                figures=tuple(figures),
                reason=work.reason,
                reference=work.reference,
                before=before.digest.hex() if before else "",
                changes=found,
            )
            digest = await closings.add(connection, made, year, number, self.key)
            await closings.set_drift(connection, period.code, Drift(now, 0))
            scope = Scope("stats", connection, now)
            await self._tell(scope, made, digest.hex())
            await scope.flush()
        _LOG.info("stats.period.frozen", period=work.period, edition=work.edition, changed=len(found))

    @staticmethod
    async def _tell(scope: Scope, made: Edition, digest: str) -> None:
        code = made.period.code
        said = (
            PeriodRevised(
                period=code,
                number=made.number,
                revision=made.edition,
                reason=made.reason,
                reference=made.reference,
                as_of=made.as_of,
                digest=digest,
            )
            if made.edition
            else PeriodClosed(period=code, number=made.number, as_of=made.as_of, digest=digest)
        )
        await scope.emit(said, subject=code, sequence=made.edition + 1)

    async def _publish(self) -> None:
        now = self._clock()
        async with self._database.transaction() as connection:
            waiting = await closings.unpublished(connection)
            released = await Releases().periods(connection)
        if not released:
            return
        begins = released_from(released, {}, local_day(now))
        for listed in waiting:
            period = Period.parse(listed.period)
            # What was not written down yet would be published as not released, for ever.
            if all(month.code in released for month in period.parts("month") if begins <= month.last):
                await _apart(listed.period, self._publish_one(period, now))

    async def _publish_one(self, period: Period, now: datetime) -> None:
        closing = None if now < self._public_from(period) else await self.exact(period.code, 0)
        if closing is None:
            return
        old = closing.read()
        there = self._those(old)
        figures = await self._freezing.published(there, period, now)
        made = Edition(
            period=period,
            edition=0,
            number=old.number,
            audience="published",
            as_of=known_at(self._disclosure, period),
            at=now,
            by="",
            indicators=await self._freezing.goals(there, period, now, "published"),
            figures=tuple(figures),
        )
        async with self._database.transaction() as connection:
            await closings.publish(connection, made, self.key)
        _LOG.info("stats.period.published", period=period.code)

    async def _compare(self) -> None:
        """The period that was compared longest ago, where it is time for it: one a turn, so that nothing waits long."""
        now = self._clock()
        async with self._database.transaction() as connection:
            last = closings.latest(await closings.editions(connection))
            known = await closings.drifts(connection)
        due = [
            (known[code].at if code in known else listed.at, code)
            for code, listed in last.items()
            if now - _midnight_after(Period.parse(code)) < COMPARED_FOR
            and now - (known[code].at if code in known else listed.at) >= COMPARED_EVERY
        ]
        if due:
            code = min(due)[1]
            found = await self._changes(Period.parse(code), self._known_until())
            async with self._database.transaction() as connection:
                await closings.set_drift(connection, code, Drift(now, len(found)))

    async def _changes(self, period: Period, as_of: datetime) -> list[Change]:
        """What history, as known then, says otherwise than the last edition."""
        known = await self.exact(period.code)
        if known is None:
            return []
        old = known.read()
        return changes(old.figures, await self._figures(period, as_of, old))

    async def _differs(self, period: Period) -> bool:
        """Whether there is something to revise: as was found today, or else is found now."""
        async with self._database.transaction() as connection:
            drift = (await closings.drifts(connection)).get(period.code)
        if drift is not None and drift.at >= self._known_until():
            return drift.changed > 0
        return bool(await self.changes_now(period))

    async def changes_now(self, period: Period) -> list[Change]:
        """What a revision today would say anew."""
        return await self._changes(period, self._known_until())

    async def _figures(self, period: Period, as_of: datetime, old: Edition | None) -> Sequence[Frozen]:
        if old is None:
            return await self._freezing.exact(self._asked_of(period), period, as_of)
        there = self._those(old)
        codes = {indicator.code for indicator in there}
        # Of an indicator that there is no more, what was said stays said.
        gone = [figure for figure in old.figures if figure.indicator not in codes]
        return sorted([*await self._freezing.exact(there, period, as_of), *gone], key=lambda figure: figure.place)

    async def _named(self, period: Period, as_of: datetime) -> tuple[Named, ...]:
        return await self._freezing.goals(self._asked_of(period), period, as_of, "exact")

    def _those(self, old: Edition) -> list[Indicator]:
        """The indicators of an edition that there still are: a new one does not make an old period differ."""
        found = (self._indicators.get(one.code) for one in old.indicators)
        return [indicator for indicator in found if indicator is not None]

    def _asked_of(self, period: Period) -> Sequence[Indicator]:
        return self._indicators.on(period.last)

    def _allowed(self, principal: Principal) -> None:
        if not self.may_close(principal):
            raise NotAllowedError("The role does not close periods")

    async def _figures_differ(self) -> bool:
        checked = await self._upkeep.last_check()
        return checked is not None and checked.differing > 0

    async def _agree(self) -> None:
        if await self._figures_differ():
            raise refuse(
                "period",
                "figures-differ",
                "Hai cách đếm của hệ thống đang cho số khác nhau: báo quản trị hệ thống trước khi chốt.",
                "The platform's two ways of counting differ at the moment: tell the operator before closing.",
            )

    async def _ask(self, work: Work) -> None:
        async with self._database.transaction() as connection:
            if not await closings.ask(connection, work):
                raise refuse(
                    "period",
                    "period-asked",
                    "Kỳ này đang được chốt; chờ ít phút rồi xem lại.",
                    "This period is being closed; look again in some minutes.",
                )

    def _known_until(self) -> datetime:
        return _midnight(self._clock())

    def _public_from(self, period: Period) -> datetime:
        return released_at(self._disclosure, period)


async def _apart(period: str, doing: Awaitable[None]) -> None:
    """Do something for one period: where that fails it keeps no other one waiting, and is tried again. Raises what says
    that a part is away."""
    try:
        await doing
    except Exception as error:
        if is_passing(error) or isinstance(error, (KafkaError, TimeoutError)):
            raise
        _LOG.error("stats.period.failed", period=period, reason=type(error).__name__)


def _midnight(moment: datetime) -> datetime:
    """The beginning of a moment's day, our time: all that was said until then has been counted when it is asked."""
    return start_of(local_day(moment))


def _midnight_after(period: Period) -> datetime:
    return start_of(period.last + timedelta(days=1))
