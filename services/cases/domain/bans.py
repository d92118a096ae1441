"""Bans on contact with who harms the child, in domestic violence: asked for, decided within 12 hours, 3 days each.

Pure (Law 13/2022 on domestic violence, Art. 25; how long is the reference data's). The decision's running clock says
that a ban is asked for, the ban's own that it stands. A ban whose days have passed is over by itself: nobody missed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.model import (
    BAN,
    BAN_DECISION,
    Case,
    Decision,
    Entry,
    Happening,
    World,
    end_of_day,
    local_day,
    refuse,
)
from shared.contracts import cases as events


def _request(case: Case, act: acts.RequestContactBan, world: World) -> Decision:
    entry = Entry("ban.requested", {}, {"against": act.against, "reason": act.reason})
    decision = Decision(case).then(None, Happening(events.ContactBanRequested), entries=(entry,))
    return clocks.start(decision, world, BAN_DECISION, world.now)


def _decide(case: Case, act: acts.DecideContactBan, world: World) -> Decision:
    words = {name: text for name, text in (("number", act.number), ("reason", act.reason)) if text}
    if not act.granted:
        if not act.reason:
            raise refuse(
                "reason",
                "reason-missing",
                "Không ra quyết định cấm tiếp xúc thì phải nêu lý do (Luật 13/2022/QH15, khoản 2 Điều 25).",
                "A ban that is refused needs a reason (Law 13/2022, Art. 25(2)).",
            )
        entry = Entry("ban.refused", {}, words)
        told = Happening(events.ContactBanDecided, {"granted": False})
        return clocks.meet(Decision(case).then(None, told, entries=(entry,)), world, BAN_DECISION)
    longest = clocks.of_law(world, BAN, world.now, case.unit)
    due = _until(act.until, longest.due, world.now)
    decision = over(Decision(case), world)  # the ban before it, where one still stands
    told = Happening(events.ContactBanDecided, {"granted": True, "until": due})
    entry = Entry("ban.granted", {"due": due.isoformat()}, words)
    decision = clocks.meet(decision.then(None, told, entries=(entry,)), world, BAN_DECISION)
    return clocks.run(decision, clocks.until(longest, due))


def _until(wanted: date | None, longest: datetime, now: datetime) -> datetime:
    if wanted is None:
        return longest
    if wanted < local_day(now) or wanted > local_day(longest):
        raise refuse(
            "until",
            "ban-too-long",
            "Mỗi lần cấm tiếp xúc không quá 03 ngày kể từ bây giờ (Luật 13/2022/QH15, khoản 1 Điều 25).",
            "Each ban lasts 3 days from now at most (Law 13/2022, Art. 25(1)).",
        )
    return min(end_of_day(wanted), longest)


def _end(case: Case, act: acts.EndContactBan, world: World) -> Decision:
    return over(Decision(case), world, act.reason)


def over(decision: Decision, world: World, reason: str | None = None) -> Decision:
    """The ban ends now; nothing, where none stands. One whose days have passed has ended by itself, and is told so."""
    clock = decision.case.clock(BAN)
    if clock is None:
        return decision
    if world.now <= clock.due:
        entry = Entry("ban.ended", {}, {"reason": reason} if reason else {})
        decision = decision.then(None, Happening(events.ContactBanEnded), entries=(entry,))
    return clocks.meet(decision, world, BAN)


def taken_over(decision: Decision, world: World, gone: Case) -> Decision:
    """What was asked for and what stands in a case that is merged goes on in the other: the ban that lasts longer."""
    asked, ban = gone.clock(BAN_DECISION), gone.clock(BAN)
    if asked is not None and decision.case.clock(BAN_DECISION) is None:
        decision = decision.then(None, Happening(events.ContactBanRequested))
        decision = clocks.run(decision, replace(asked, id=world.new_id(), state="running"))
    stands = decision.case.clock(BAN)
    if ban is None or world.now > ban.due or (stands is not None and stands.due >= ban.due):
        return decision
    decision = over(decision, world)
    told = Happening(events.ContactBanDecided, {"granted": True, "until": ban.due})
    entry = Entry("ban.granted", {"due": ban.due.isoformat()})
    return clocks.run(decision.then(None, told, entries=(entry,)), replace(ban, id=world.new_id(), state="running"))


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.RequestContactBan: _request,
    acts.DecideContactBan: _decide,
    acts.EndContactBan: _end,
}
