"""Fills a demo platform: the registers first, then day after day what agencies report and what people do about it.

Everything goes through the services' own doors, so every rule holds and every figure is counted. It never writes a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import orjson
import structlog

from local.demo.agencies import Agencies, Reported
from local.demo.clock import TravellingClock
from local.demo.day import OPENS, Day
from local.demo.offices import Offices
from local.demo.official import Official
from local.demo.players import Json, Players
from local.demo.registers import Registers, born_by, is_due_long_ago
from local.demo.reporting import figures
from local.demo.schedule import DAYS, days_ago
from local.folder import write_private
from local.simulation.traffic import records_of
from local.simulation.world import Child, World
from shared.identity.demo import HOME_UNIT
from shared.reference.calendar import LOCAL
from shared.reference.units import Units

CHILDREN = 2000
_SEED = 20261120
# The ticker looks once a second: a simulated day must not be shorter.
_DAY_SECONDS = 1.05
_SETTLE_SECONDS = 0.4
_LOG = structlog.get_logger(__name__)
Say = Callable[[int, int], None]
# Of records: how many communes verify theirs when the registers begin, and what share of a commune's children.
_VERIFYING_UNITS, _VERIFIED_SHARE = 14, 0.75
_ROUND_EVERY_DAYS, _ROUND = 4, 5
# A school's list comes in, and children are written down twice, so shortly before today that pairs still wait.
_LIST_DAYS_AGO, _TWICE = 9, (5, 3, 2, 1)


async def fill(url: str, clock: TravellingClock, marker: Path, say: Say) -> None:
    """Fill the platform at `url` once; a filling that was cut off goes on with its next day.

    Args:
        clock: the services' own. marker: file that remembers how far it is. say: told the day, and of how many.
    """
    done, started = progress_of(marker, clock())
    schedule = days_ago(started.astimezone(LOCAL).date())
    last = len(schedule) - 1
    if done >= last:
        return
    # The registers take a while, and whoever looks meanwhile is to know why all figures are nought.
    say(max(done, 0), last)
    async with aiohttp.ClientSession() as session:
        players = Players(session, url)
        filler = _Filler(players, clock, started)
        try:
            for number, ago in enumerate((None, *schedule), start=-1):
                # Days that are done are only drawn again, so that chance goes on where it was.
                await filler.day(ago, replay=number <= done)
                if number > done:
                    write_private(marker, orjson.dumps({"days": number, "today": started.isoformat()}).decode())
                    if number > 0:
                        say(number, last)
        finally:
            clock.come_home()
            # Some refusals are life (two people at once); many of one kind are a fault of the demo.
            if players.refused:
                _LOG.info("demo.refused", **players.refused)


def progress_of(marker: Path, now: datetime) -> tuple[int, datetime]:
    """The last day that is done (-2: none), and the day that a filling calls today."""
    if not marker.exists():
        return -2, now
    kept = orjson.loads(marker.read_bytes())
    return kept["days"], datetime.fromisoformat(kept["today"])


class _Filler:
    def __init__(self, players: Players, clock: TravellingClock, today: datetime) -> None:
        self._players = players
        self._records = Registers(players)
        self._official = Official(players)
        self._clock = clock
        self._world = World(CHILDREN, _SEED, today, HOME_UNIT)
        self._at_home = [child for child in self._world.children if child.unit == HOME_UNIT]
        self._units = Units.load().codes()
        self._day = Day(clock, today, _SEED)
        self._agencies = Agencies(self._world, self._units, self._day)
        self._offices = Offices(players, self._units, self._day)

    async def day(self, ago: int | None, *, replay: bool) -> None:
        """One day of the province, so many days ago; None: the registers. `replay`: only draw what was drawn, nothing
        is done."""
        random = Random(_SEED + DAYS - (ago or 0))  # noqa: S311 - made-up chance
        if ago is None:
            if not replay:
                await self._registers()
                await self._subscribe()
            return
        before = self._day.ago
        moment = self._day.begin(ago)
        reported = self._agencies.reported(moment, random)
        if not replay:
            await self._lived(reported, before, random)

    async def _lived(self, reported: Sequence[Reported], before: int, random: Random) -> None:
        """What happens on the day that has begun. In: what is reported on it; which day was played before."""
        day = self._day
        if not day.ago:
            self._clock.come_home()
        opens = day.midnight + OPENS
        await self._send([sent for sent in reported if sent.at < opens or not day.ago])
        day.be_at(opens + timedelta(minutes=random.randrange(30)))
        await self._registered_since(before, random)
        await asyncio.sleep(_SETTLE_SECONDS)  # the registry says meanwhile who the children are
        if day.ago:
            await self._offices.morning(random)
        await self._official.day(day.midnight.date(), day.ago)
        if day.at_work():
            await self._offices.work(random)
            await self._keep_records(Random(f"records {day.ago}"))  # noqa: S311 - made-up chance
            if day.ago == 1:
                await self._offices.leave_work(random)
        if day.ago:
            await self._send([sent for sent in reported if opens <= sent.at < day.evening])
            await self._offices.evening()
            await self._send([sent for sent in reported if day.evening <= sent.at < day.night])
            await self._offices.night()
            await self._send([sent for sent in reported if sent.at >= day.night])
        await asyncio.sleep(_DAY_SECONDS - _SETTLE_SECONDS)

    async def _send(self, reported: Sequence[Reported]) -> None:
        """Agencies publish in the order of what they took in, each at its hour; what is told at one moment together."""
        for at, told in groupby(sorted(reported, key=lambda one: one.at), key=lambda one: one.at):
            self._day.be_at(at)
            by_sector: dict[Any, list[Json]] = {}
            for sent in told:
                by_sector.setdefault(sent.sector, []).append(sent.document)
            for sector, documents in by_sector.items():
                await self._players.publish(sector, documents)

    async def _registers(self) -> None:
        """The registers as the pilot begins, and the figures of the years before."""
        self._clock.go(self._day.today - timedelta(days=self._day.first + 1))
        then = born_by(self._world.children, self._clock().astimezone(LOCAL).date())
        await self._record(then)
        await self._records.settled(HOME_UNIT, sum(child.unit == HOME_UNIT for child in then))
        for sent in figures(self._clock()):
            await self._players.publish(sent.sector, [sent.document])

    async def _registered_since(self, before: int, random: Random) -> None:
        """Who was born since the last day that was played, of months that are played in part; once, the first rounds
        of those who verify; each January what sectors hand in of the year."""
        last = (self._day.today - timedelta(days=before)).astimezone(LOCAL).date()
        if self._day.ago >= DAYS:
            there = born_by(self._world.children, self._day.midnight.date())
            await self._record([child for child in there if child.birth > last])
        if is_due_long_ago(self._day.ago) and not is_due_long_ago(before):
            for unit in [HOME_UNIT, *random.sample(self._units, _VERIFYING_UNITS)]:
                most = round(_VERIFIED_SHARE * sum(child.unit == unit for child in self._world.children))
                await self._records.go_round(unit, "collected", most, self._clock(), random)
        if last.year < self._day.midnight.year:
            for sent in figures(self._clock(), last.year):
                await self._players.publish(sent.sector, [sent.document])

    async def _record(self, children: Sequence[Child]) -> None:
        events = [sent for child in children for sent in records_of(child, self._clock())]
        await asyncio.gather(
            *(
                self._players.publish(sector, [sent.document for sent in events if sent.sector == sector])
                for sector in sorted({sent.sector for sent in events})
            )
        )

    async def _keep_records(self, random: Random) -> None:
        """Workers go round now and then; some children are written down twice; a school sends its list."""
        if self._day.ago % _ROUND_EVERY_DAYS == 0 and 0 < self._day.ago <= DAYS:
            unit = HOME_UNIT if random.random() < 0.4 else random.choice(self._units)
            await self._records.go_round(unit, "collected", _ROUND, self._clock(), random)
        there = born_by(self._at_home, self._day.midnight.date() - timedelta(days=DAYS))
        if self._day.ago in _TWICE and there:
            await self._records.write_down_again(random.choice(there), random)
        if self._day.ago == _LIST_DAYS_AGO:
            first = [
                child for child in there if child.school is not None and child.school.startswith("Trường Tiểu học")
            ]
            if first:
                await self._records.take_list_in(HOME_UNIT, first[0].school or "", first, self._day.midnight.date())

    async def _subscribe(self) -> None:
        """The province and a partner sign an agreement, and the partner subscribes within it."""
        today = self._clock().date()
        events = ["cases.case.*", "cases.plan.*", "cases.task.*"]
        terms = {
            "org": "mai-am-hy-vong",
            "purpose": "service",
            "legal_basis": "contract",
            "event_types": events,
            "valid_from": today.isoformat(),
            # Past the day that the demo ends on: from then on people go on with it.
            "valid_until": (self._day.today + timedelta(days=365)).date().isoformat(),
            "reference": "01/TT-MAHV",
        }
        proposed = await self._players.post("coordinator", "/notify/api/agreements", terms)
        if "id" in proposed:
            await self._players.post("partner", f"/notify/api/agreements/{proposed['id']}/accept", {})
        wanted = {"channel": "kafka", "name": "Mái ấm Hy Vọng", "event_types": events[:2]}
        await self._players.post("partner", "/notify/api/subscriptions", wanted)
