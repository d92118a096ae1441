"""Emergencies at the desk: a ladder begins with what was heard, calls step by step, and ends when somebody has
answered.

Everything a step does is one transaction: the ladder, whom it called, their deliveries, and what is published of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson

from services.notify.desk.calling import Calling
from services.notify.desk.people import People
from services.notify.desk.saying import put_in_app
from services.notify.domain import Happening, Message, Told, timed_id
from services.notify.domain import ladder as steps
from services.notify.domain.ladder import Call, Climbed, How, Ladder
from services.notify.domain.links import Ticket, link_of, ticket_of
from services.notify.domain.rules import field_value
from services.notify.store import ladders as store
from services.notify.store import waking
from services.notify.store.ladders import Act, CallRow, CaseOf, CasesOf
from services.notify.store.notices import Wanted
from shared.contracts import notify as said
from shared.contracts.base import TYPE_PREFIX, Contract
from shared.contracts.cases import ConcernReceived
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.reference.calendar import local_day
from shared.reference.notify_ladders import LadderRule, Ladders
from shared.telemetry import current_traceparent

CALL_TYPE = "notify.emergency.called"
UNANSWERED_TYPE = "notify.emergency.unanswered"
EXHAUSTED_TYPE = "notify.emergency.exhausted"
# Beside what settles a ladder: the report has become a case, the case has come to another commune.
_FOLLOWED = frozenset({"cases.case.opened", "cases.case.transferred"})
_Heard = Sequence[tuple[Message, Contract, Mapping[str, Told]]]
_Concerned = Sequence[tuple[Happening, Contract]]
_Begun = dict[str, tuple[Message, Contract, Told]]


@dataclass(frozen=True, slots=True)
class Links:
    """How links to acknowledge are made and read. `key`: this deployment's own. `base_url`: where they lead."""

    key: bytes
    base_url: str

    def url(self, call_id: str, until: datetime) -> str:
        """The link that goes to one person for one call."""
        return f"{self.base_url}/notify/a/{link_of(Ticket(call_id, until), self.key)}"

    def ticket(self, text: str, now: datetime) -> Ticket | None:
        """What a link says; None where it is none of ours, or too old."""
        return ticket_of(text, self.key, now)


class Emergencies:
    """Begins, climbs and ends ladders.

    Args:
        rules: of the reference data. people: who is called. calling: over what. links: to acknowledge by.
    """

    def __init__(self, rules: Ladders, people: People, calling: Calling, links: Links) -> None:
        self._rules = rules
        self._people = people
        self._calling = calling
        self.links = links
        self._gaps = {code: steps.longest_gap(rules[code]) for code in rules}
        self._settling = {name for code in rules for name in rules[code].settled_by} | _FOLLOWED

    def ladder_id(self, told: Told, data: Contract) -> str | None:
        """The ladder that a telling belongs to: the same for the same report, clock or case, however often it comes."""
        if told.ladder is None:
            return None
        return _id(told.ladder, field_value(data, self._rules[told.ladder].one_for))

    def rule(self, ladder: Ladder) -> LadderRule:
        """The rule that was in force when a ladder began."""
        return self._rules.on(ladder.code, local_day(ladder.began_at))

    async def hear(self, scope: Scope, heard: _Heard) -> None:
        """Begin what a batch of events begins, and end or move what it ends or moves, in whatever order they are heard:
        a report and its case lie in two partitions."""
        begun = self._begun(heard)
        concerned = [
            (message.happening, data)
            for message, data, _ in heard
            if message.happening.event_type in self._settling or _names_case(data)
        ]
        if not begun and not concerned:
            return
        acts = self._acts(concerned)
        everything = [*concerned, *((message.happening, data) for message, data, _ in begun.values())]
        reports = {report for _, data in everything if (report := _report_of(data)) is not None}
        cases = {happening.case_id for happening, _ in everything if happening.case_id}
        await store.hold(scope.connection, reports={*begun, *reports, *(act.about for act in acts)} - cases)
        known = await store.cases_of(scope.connection, reports)
        cases |= {case_id for of in known.values() for case_id in of}
        await store.hold(scope.connection, cases=cases)
        await store.note_cases(scope.connection, *_cases_in(concerned), scope.now)
        # Again, for a case may have come to another commune while it was waited for. With the reports of the cases:
        # whoever acts upon one child's case has acted upon the report, on whichever case its ladder stands.
        known = await store.cases_of(scope.connection, reports, cases)
        await store.note_acts(scope.connection, acts, scope.now)
        await self._begin(scope, begun, known)
        ladders = await store.about(scope.connection, cases, {*reports, *known})
        await self._go_on(scope, ladders, concerned, known)

    async def climb(self, scope: Scope, limit: int) -> int:
        """Go on with the ladders on which nobody has answered in time. Out: how many."""
        await store.believe_clock(scope.connection, self._gaps, scope.now)
        due = await store.due(scope.connection, scope.now, limit)
        for ladder in due:
            climbed = steps.pass_time(ladder, self.rule(ladder), scope.now)
            await self._take(scope, climbed)
        return len(due)

    async def acknowledge(self, scope: Scope, ladder_id: str, person: str | None, how: How) -> Ladder | None:
        """Somebody has taken it into hand. Out: the ladder after it; None where there is none."""
        ladder = await store.find(scope.connection, ladder_id, lock=True)
        if ladder is None:
            return None
        climbed = steps.acknowledge(ladder, person, how, scope.now)
        await self._take(scope, climbed)
        return climbed.ladder

    def _begun(self, heard: _Heard) -> _Begun:
        begun: _Begun = {}
        for message, data, told in heard:
            for one in told.values():
                if (identifier := self.ladder_id(one, data)) is not None:
                    begun.setdefault(identifier, (message, data, one))
        return begun

    def _acts(self, concerned: _Concerned) -> list[Act]:
        """What of it ends ladders: the one that it names, or those of its case."""
        found: list[Act] = []
        for happening, data in concerned:
            for code in self._rules:
                rule = self._rules[code]
                if happening.event_type in rule.settled_by:
                    key = field_value(data, rule.one_for)
                    about = happening.case_id if key is None else _id(code, key)
                    found += [Act(about, code, happening.event_type, happening.time)] if about else []
        return found

    async def _begin(self, scope: Scope, begun: _Begun, known: CasesOf) -> None:
        if not begun:
            return
        there = await store.exists(scope.connection, begun)
        named = {message.happening.case_id or "" for message, _, _ in begun.values()}
        acts = await store.acts(scope.connection, {*begun, *named, *(one for of in known.values() for one in of)})
        for identifier, (message, data, told_one) in begun.items():
            if identifier in there:
                continue
            happening, report = message.happening, _report_of(data)
            # That cases were opened of it may have been heard before the report was.
            cases = known.get(report or "", {})
            case_id = happening.case_id or next(iter(cases), None)
            case = cases.get(case_id or "", CaseOf())
            rule = self._rules.on(told_one.ladder or "", local_day(scope.now))
            climbed = steps.begin(
                identifier,
                rule,
                happening.id,
                happening.event_type,
                scope.now,
                unit=case.unit or happening.unit,
                case_id=case_id,
                concern_id=report,
                due=told_one.by or happening.due,
                acts=_of(acts, rule.code, identifier, case_id or "", *cases),
            )
            await self._take(scope, climbed, case.case_code or happening.case_code)

    async def _go_on(self, scope: Scope, found: Sequence[Ladder], concerned: _Concerned, known: CasesOf) -> None:
        """Move ladders along with their cases, and end those upon which somebody has acted."""
        moved: list[tuple[Ladder, Ladder, Happening | None]] = []
        for ladder in found:
            after, named = ladder, None
            for happening, data in concerned:
                if _is_about(after, data):
                    after = _followed(after, happening, known)
                    if happening.event_type in _FOLLOWED and happening.case_id == after.case_id:
                        named = happening
            moved.append((ladder, after, named))
        acts = await store.acts(scope.connection, {one for _, after, _ in moved for one in _names(after, known)})
        for before, after, named in moved:
            climbed = steps.hear(after, self.rule(after), _of(acts, after.code, *_names(after, known)), scope.now)
            # Also where nothing has changed but that people have a name for the case now.
            if climbed.ladder != before or named is not None:
                code = named.case_code if named and named.case_id == after.case_id else None
                await self._take(scope, climbed, code or _case_of(after, after.case_id, known).case_code)

    async def _take(self, scope: Scope, climbed: Climbed, case_code: str | None = None) -> None:
        """Keep a ladder as it is now, call whom it calls, and publish what became of it."""
        ladder = climbed.ladder
        await store.save(scope.connection, ladder, case_code)
        for call in climbed.calls:
            reached = await self._call(scope, ladder, call, case_code)
            if not reached:
                ladder = steps.pass_time(ladder, self.rule(ladder), scope.now, reached=False).ladder
                await store.save(scope.connection, ladder, case_code)
        if climbed.raised and not climbed.calls and climbed.ended is None:
            await self._raised(scope, ladder, None, 0, ())  # a step whose commune nobody knows
        if climbed.ended is not None:
            # Whoever has the page open sees that it needs nobody any more.
            called = {f"person/{call.person}" for call in await store.calls_of(scope.connection, ladder.id)}
            await waking.changed_for(scope.connection, called | {*steps.audiences_of_steps(ladder, self.rule(ladder))})
        if climbed.ended == "acknowledged":
            await self._acknowledged(scope, ladder)
        elif climbed.ended is not None:
            await self._ended(scope, ladder)

    async def _call(self, scope: Scope, ladder: Ladder, call: Call, case_code: str | None) -> bool:
        """Call everybody of a step. Out: whether anybody was reached over what they carry."""
        roster = await self._people.roster(scope.connection, scope.now)
        until = scope.now + timedelta(hours=self.rule(ladder).link_hours)
        told = self._people.told(roster, call.audience, ladder.unit, scope.now)
        rows: list[CallRow] = []
        for instead in told:
            call_id = stable_id("call", ladder.id, str(call.step), str(call.round), instead.person)
            message = self._message(ladder, call_id, scope.now, until, case_code)
            channels = await self._calling.send(scope, message, instead.person)
            rows.append(
                CallRow(
                    call_id,
                    ladder.id,
                    call.step,
                    call.round,
                    call.role,
                    instead.person,
                    instead.instead_of,
                    ("inbox", *channels),
                    scope.now,
                    until,
                )
            )
        await store.note_calls(scope.connection, rows)
        if (call.step, call.round) != (0, 0):
            beside = [instead.person for instead in told if instead.instead_of is not None]
            await self._tell_unanswered(scope, ladder, call, beside, case_code)
        over = [channel for row in rows for channel in row.channels]
        await self._raised(scope, ladder, call, len(rows), tuple(dict.fromkeys(over)))
        return any(steps.wakes(call, row.channels) for row in rows)

    async def _tell_unanswered(
        self, scope: Scope, ladder: Ladder, call: Call, beside: Sequence[str], case_code: str | None
    ) -> None:
        name = stable_id("unanswered", ladder.id, str(call.step), str(call.round))
        message = self._in_app(ladder, name, UNANSWERED_TYPE, scope.now, case_code)
        audiences = [call.audience, *(f"person/{person}" for person in beside)]
        await put_in_app(scope, [_wanted(name, audience, message, ladder) for audience in audiences])

    async def _ended(self, scope: Scope, ladder: Ladder) -> None:
        state = ladder.state
        if state not in {"settled", "exhausted"}:
            return
        if state == "exhausted":
            name = stable_id("exhausted", ladder.id, str(ladder.sequence))
            message = self._in_app(ladder, name, EXHAUSTED_TYPE, scope.now, None)
            await put_in_app(
                scope, [_wanted(name, audience, message, ladder) for audience in ("coordinator", "operator")]
            )
        event = said.EscalationEnded.model_validate({**_facts(ladder, scope.now), "state": state})
        await scope.emit(event, subject=ladder.id, sequence=ladder.sequence, unit=ladder.unit)

    async def _raised(
        self, scope: Scope, ladder: Ladder, call: Call | None, people: int, channels: tuple[str, ...]
    ) -> None:
        event = said.EscalationRaised.model_validate(
            {
                **_facts(ladder, scope.now),
                "role": call.role if call else self.rule(ladder).steps[ladder.step].role,
                "round": ladder.rounds,
                "people": people,
                "channels": list(channels),
                "next_at": ladder.next_at,
            }
        )
        await scope.emit(event, subject=ladder.id, sequence=ladder.sequence, unit=ladder.unit)

    async def _acknowledged(self, scope: Scope, ladder: Ladder) -> None:
        event = said.MessageAcknowledged.model_validate(
            {
                **_facts(ladder, scope.now),
                "how": ladder.acknowledged_how,
                "person": ladder.acknowledged_by,
                "role": self._role(ladder),
            }
        )
        await scope.emit(event, subject=ladder.id, sequence=ladder.sequence, unit=ladder.unit)

    def _role(self, ladder: Ladder) -> str | None:
        """In which role whoever answered was called: by their account, where it is known."""
        member = self._people.member(ladder.acknowledged_by or "")
        return member.role if member else None

    def _message(self, ladder: Ladder, call_id: str, now: datetime, until: datetime, case_code: str | None) -> Message:
        """What goes to one person for one call: with the link by which they say that they have it."""
        # Several calls of one ladder go to the same telephone: each is a message of its own.
        happening = replace(_happening(ladder, timed_id(now, call_id), CALL_TYPE, case_code), time=now)
        data = {
            "event_id": call_id,
            "about": ladder.code,
            "link": self.links.base_url + _path(ladder),
            "acknowledge": self.links.url(call_id, until),
            "until": until.isoformat(),
        }
        document = {"type": TYPE_PREFIX + CALL_TYPE, "timestamp": ladder.began_at.isoformat(), "data": data}
        return Message(happening, orjson.dumps(document, option=orjson.OPT_SORT_KEYS), current_traceparent())

    def _in_app(self, ladder: Ladder, name: str, event_type: str, now: datetime, case_code: str | None) -> Message:
        happening = replace(_happening(ladder, name, event_type, case_code), time=now)
        return Message(happening, b"{}", current_traceparent())


def _wanted(name: str, audience: str, message: Message, ladder: Ladder) -> Wanted:
    identifier = stable_id("notice", name, audience)
    return Wanted(identifier, audience, message, _path(ladder), True, ladder.due, ladder_id=ladder.id)


def _happening(ladder: Ladder, identifier: str, event_type: str, case_code: str | None) -> Happening:
    return Happening(
        id=identifier,
        event_type=event_type,
        time=ladder.began_at,
        unit=ladder.unit,
        case_id=ladder.case_id,
        due=ladder.due,
        sector=None,
        codes={},
        case_code=case_code,
    )


def _path(ladder: Ladder) -> str:
    return f"/notify/emergencies/{ladder.id}"


def _names_case(data: Contract) -> bool:
    """Whether it is a report that has become a case."""
    return isinstance(data, ConcernReceived) and data.case_id is not None


def _report_of(data: Contract) -> str | None:
    return getattr(data, "concern_id", None)


def _cases_in(concerned: _Concerned) -> tuple[CasesOf, dict[str, str]]:
    """Out: which cases reports have; which communes have cases now, by the cases' ids."""
    found: dict[str, dict[str, CaseOf]] = {}
    moved: dict[str, str] = {}
    for happening, data in concerned:
        case_id, report = happening.case_id, _report_of(data)
        if case_id is None:
            continue
        if happening.event_type in _FOLLOWED and report is not None:
            found.setdefault(report, {})[case_id] = CaseOf(happening.unit, happening.case_code)
        elif report is not None:
            # The report says which case it has, not which commune has that.
            found.setdefault(report, {}).setdefault(case_id, CaseOf())
        elif happening.event_type in _FOLLOWED and happening.unit:
            moved[case_id] = happening.unit
    return found, moved


def _followed(ladder: Ladder, happening: Happening, known: CasesOf) -> Ladder:
    """A ladder after something happened that is about it."""
    if happening.event_type in _FOLLOWED:
        # A case of another child of the report: it stays where it is.
        stays = ladder.case_id not in {None, happening.case_id}
        return ladder if stays else steps.follow(ladder, happening.case_id, happening.unit)
    if happening.case_id in {None, ladder.case_id}:
        return ladder
    # The report itself names its own case, wherever that was opened, and whichever child's was heard of before.
    unit = _case_of(ladder, happening.case_id, known).unit
    return steps.follow(ladder, happening.case_id, unit or (happening.unit if ladder.case_id else None))


def _case_of(ladder: Ladder, case_id: str | None, known: CasesOf) -> CaseOf:
    """What is known of a case as one of a ladder's report."""
    return known.get(ladder.concern_id or "", {}).get(case_id or "", CaseOf())


def _names(ladder: Ladder, known: CasesOf) -> set[str]:
    """Under which what was done about it is remembered: its id, its case, and every case of its report."""
    return {ladder.id, *([ladder.case_id] if ladder.case_id else []), *known.get(ladder.concern_id or "", {})}


def _of(acts: Sequence[Act], code: str, *about: str) -> dict[str, datetime]:
    """Of what was heard, what is about one ladder: each type, and when that happened last."""
    found: dict[str, datetime] = {}
    for act in acts:
        if act.code == code and act.about in about:
            found[act.event_type] = max(act.at, found.get(act.event_type, act.at))
    return found


def _is_about(ladder: Ladder, data: Contract) -> bool:
    case_id, concern_id = getattr(data, "case_id", None), getattr(data, "concern_id", None)
    return (case_id is not None and case_id == ladder.case_id) or (
        concern_id is not None and concern_id == ladder.concern_id
    )


def _id(code: str, value: object) -> str:
    return stable_id("ladder", code, str(value))


def _facts(ladder: Ladder, now: datetime) -> dict[str, object]:
    return {
        "ladder_id": ladder.id,
        "ladder": ladder.code,
        "event_type": ladder.event_type,
        "case_id": ladder.case_id,
        "concern_id": ladder.concern_id,
        "unit": ladder.unit,
        "step": ladder.step,
        "at": now,
    }
