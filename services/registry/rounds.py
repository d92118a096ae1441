"""Rounds: going through a hamlet's or a work list's children at their homes, with the network or without.

A form on a page and an answer queued on a phone are one and the same thing. It must never take an answer twice, never
let an old one overwrite what the record has become, and never give a list's key to anybody but its owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.registry.desk import Desk, Lifecycle, today
from services.registry.domain.fieldwork import (
    Asked,
    Clash,
    Reading,
    Said,
    circumstances_of,
    clashes,
    corrected,
    moment,
    read,
    texts_of,
)
from services.registry.domain.lifecycle import next_month
from services.registry.domain.names import fold
from services.registry.office import Office, units_of
from services.registry.seeing import NotThereError, is_id, seen, visible
from services.registry.store import children, finding
from services.registry.store import field as store
from services.registry.store import lifecycle as lives
from services.registry.store.children import ChildRow, Observation
from services.registry.store.field import FieldList, Given
from services.registry.store.lifecycle import WorkList
from shared.contracts.errors import Rejected, Violation, refuse_unstorable, violations_of
from shared.contracts.vocabulary import Moment, ShortText, UnitCode
from shared.identity import Principal
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys
from shared.reference.calendar import local_day
from shared.reference.keeping import Keeping
from shared.reference.units import Units
from shared.web.forms import number_in

HAMLET: Final = "hamlet"
MOST_ANSWERS: Final = 200
ELSEWHERE: Final = "elsewhere"
_Text = Annotated[str, Field(max_length=2000)]


class FieldAnswer(BaseModel):
    """What was found at one child's home.

    `seen`: what the record said when it was read, field by field; `said`: what the person says of it; `fixes`: what is
    right instead; `version`: of the record as it was read; `given_at`, `sent_at`: by the phone's own clock;
    `moved_to`: a commune, `elsewhere` for another province, nothing where nobody knows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    list_id: UUID
    child_id: UUID
    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    result: Literal["met", "not-met", "moved"]
    given_at: Moment
    sent_at: Moment
    method: ShortText = "home-visit"
    seen: dict[Asked, _Text] = Field(default_factory=dict)
    said: dict[Asked, Said] = Field(default_factory=dict)
    fixes: dict[Asked, _Text] = Field(default_factory=dict)
    moved_to: UnitCode | Literal["elsewhere"] | None = None
    note: ShortText = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer. `clashes`, `now`, `version`: of a conflict, what the record says by now."""

    id: str
    outcome: Literal["taken", "conflict", "refused"]
    child_id: str | None = None
    violations: tuple[Violation, ...] = ()
    clashes: tuple[Clash, ...] = ()
    now: Mapping[Asked, str] | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A child of a round. `row`: only while the person may see it; `given`: what was answered in this round."""

    number: int
    child_id: str
    row: ChildRow | None
    given: Given | None
    last: Given | None = None

    @property
    def texts(self) -> Mapping[Asked, str]:
        """What is known, as text; empty where the record is not theirs to see."""
        return texts_of(self.row.known) if self.row else {}


@dataclass(frozen=True, slots=True)
class Round:
    """A round with its children."""

    listed: FieldList
    places: Sequence[Place]

    @property
    def done(self) -> int:
        """How many are answered."""
        return sum(place.given is not None for place in self.places)

    def after(self, number: int) -> int | None:
        """The next place that waits, from the one after `number` on, around; None: all are answered or gone."""
        waiting = [place.number for place in self.places if place.given is None and place.row is not None]
        return next((place for place in waiting if place > number), waiting[0] if waiting else None)


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be gone through. `hamlets`: (token, as written, children)."""

    hamlets: Sequence[tuple[str, str, int]]
    lists: Mapping[WorkList, int]
    going_on: Sequence[FieldList]


class _ClashError(Exception):
    """The record says something else by now; nothing of the answer was taken over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("conflict")
        self.outcome = outcome


class Rounds:
    """Rounds for people.

    Args:
        office: opens transactions. desk, lifecycle: do what is done. keys: what lists are locked with. rules: as data.
    """

    def __init__(self, office: Office, desk: Desk, lifecycle: Lifecycle, keys: Keys, rules: Keeping) -> None:
        self._office = office
        self._desk = desk
        self._lifecycle = lifecycle
        self._keys = keys
        self._rules = rules

    def now(self) -> datetime:
        """The service's clock."""
        return self._office.now()

    async def choices(self, principal: Principal, unit: str | None) -> Choices:
        """The hamlets of a commune of the person's, and their work lists."""
        async with self._office.scope() as scope:
            day = today(scope)
            counts = await lives.counts(scope.connection, units_of(principal), day, next_month(day))
            found = await self._hamlets(scope, unit) if unit is not None and principal.may_see(unit) else {}
            going_on = await store.lists_of(scope.connection, principal.id, scope.now)
        rules = self._rules.rounds.on(day)
        return Choices(
            [(token, names[0][0], sum(n for _, n in names)) for token, names in found.items()],
            {name: n for name, n in counts.items() if name in rules.lists},
            going_on,
        )

    async def begin(self, principal: Principal, kind: str, unit: str | None, token: str = "") -> FieldList:
        """Begin a round. `kind`: hamlet with its `unit` and `token`, or a work list's name.

        Raises `Rejected` where there is nobody to go to.
        """
        async with self._office.scope() as scope:
            rules = self._rules.rounds.on(today(scope))
            hamlet: str | None = None
            rows: list[ChildRow] = []
            if kind == HAMLET and unit is not None and principal.may_see(unit):
                names = (await self._hamlets(scope, unit)).get(token, [])
                hamlet = names[0][0] if names else None
                written = [name for name, _ in names]
                rows = await store.in_hamlet(scope.connection, unit, written, rules.most_children)
            elif kind in rules.lists:
                unit = None
                rows = await self._work(scope, principal, kind, rules.most_children)
            rows = await visible(scope, principal, rows)
            if not rows:
                raise Rejected([_NOBODY])
            made = FieldList(
                new_id(),
                principal.id,
                scope.now,
                scope.now + timedelta(hours=rules.keep_hours),
                kind,
                unit,
                hamlet,
                tuple(row.id for row in rows),
            )
            await store.put_list(scope.connection, made)
        return made

    async def round(self, principal: Principal, list_id: str, *, act: str = "work-list") -> Round:
        """A round of the person's own. The look is logged. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            listed = await self._mine(scope, principal, list_id)
            found = await self._round(scope, principal, listed)
            await finding.log_access(scope.connection, scope.now, principal.id, act, found=len(found.places))
        return found

    async def place(self, principal: Principal, list_id: str, number: int) -> tuple[Round, Place]:
        """One child of a round. The look is logged. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            found = await self._round(scope, principal, await self._mine(scope, principal, list_id))
            if not 1 <= number <= len(found.places):
                raise NotThereError
            place = found.places[number - 1]
            row = place.row
            if row is not None:
                last = await store.last_visits(scope.connection, [place.child_id])
                place = replace(place, last=last.get(place.child_id))
                await finding.log_access(scope.connection, scope.now, principal.id, "child-page", row.id)
        return found, place

    async def download(self, principal: Principal, list_id: str) -> Round:
        """A round for a phone to keep; that each child's data left is logged. Raises `NotThereError`."""
        async with self._office.scope() as scope:
            listed = await self._mine(scope, principal, list_id)
            if listed.until <= scope.now:
                raise NotThereError
            found = await self._round(scope, principal, listed)
            last = await store.last_visits(scope.connection, [place.child_id for place in found.places])
            rows = [place.row for place in found.places]
            ids = [row.id for row in rows if row is not None]
            await finding.log_children(scope.connection, scope.now, principal.id, "field-list", ids, list=listed.id)
            await store.mark_downloaded(scope.connection, listed.id, scope.now)
        return Round(listed, [replace(place, last=last.get(place.child_id)) for place in found.places])

    async def keys(self, principal: Principal, list_id: str) -> tuple[FieldList, bytes, bytes | None]:
        """What a phone opens its list with: (list, key of the answers, key of what is known). By our clock the latter
        is given only while the phone may keep it. Raises `NotThereError` for whoever does not own the list.
        """
        async with self._office.scope() as scope:
            listed = await self._mine(scope, principal, list_id)
            open_still = listed.until > scope.now
        answers = self._keys.blind(b"field answers", listed.id.encode(), listed.person.encode())
        known = self._keys.blind(b"field list", listed.id.encode(), listed.person.encode())
        return listed, answers, known if open_still else None

    async def answer(self, principal: Principal, sent: object) -> Outcome:
        """Take one answer, in a transaction of its own. What it cannot take over it says, and nothing is saved."""
        named = str(sent.get("id", ""))[:36] if isinstance(sent, dict) else ""
        try:
            refuse_unstorable(sent, "answer")
            given = FieldAnswer.model_validate(sent)
        except Rejected as refused:
            return Outcome(named, "refused", violations=refused.violations)
        except ValidationError as error:
            return Outcome(named, "refused", violations=tuple(violations_of(error, "")))
        try:
            async with self._office.scope() as scope:
                return await self._take(scope, principal, given)
        except _ClashError as clash:
            outcome = clash.outcome
        except Rejected as refused:
            outcome = Outcome(str(given.id), "refused", str(given.child_id), refused.violations)
        except NotThereError:
            outcome = Outcome(str(given.id), "refused", str(given.child_id), (_NOT_THERE,))
        await self._remember(principal, given, outcome)
        return outcome

    async def _take(self, scope: Scope, principal: Principal, given: FieldAnswer) -> Outcome:
        connection = scope.connection
        listed = await store.find_list(connection, str(given.list_id))
        if listed is None or listed.person != principal.id:
            raise Rejected([_FOREIGN_LIST])
        if str(given.child_id) not in listed.children:
            raise Rejected([_NOT_IN_LIST])
        at = moment(given.given_at, given.sent_at, listed.made_at, scope.now)
        noted = Given(
            str(given.id),
            listed.id,
            principal.id,
            str(given.child_id),
            at,
            given.version,
            "taken",
            {"result": given.result, "note": given.note, "method": given.method},
        )
        if not await store.claim(connection, noted, scope.now):
            before = await store.answer(connection, str(given.id))
            if before is None or before.person != principal.id:
                raise Rejected([_FOREIGN_ANSWER])
            return Outcome(before.id, "taken", before.child_id)
        row = await seen(scope, principal, str(given.child_id), lock=True)
        by = f"person:{principal.id}"
        if given.result == "moved":
            await self._move(scope, principal, row, given, at, by)
        elif given.result == "met":
            self._must(scope, principal, "verify")
            await self._verify(scope, row, given, at, by)
        return Outcome(str(given.id), "taken", row.id)

    async def _verify(self, scope: Scope, row: ChildRow, given: FieldAnswer, at: datetime, by: str) -> None:
        now = texts_of(row.known)
        if row.sequence != given.version and (found := clashes(now, given.seen, given.said, given.fixes)):
            raise _ClashError(Outcome(str(given.id), "conflict", row.id, clashes=found, now=now, version=row.sequence))
        reading = read(now, given.said, given.fixes, given.seen)
        row = await self._correct(scope, row, reading, given, at, by)
        asked = [name for name in reading.confirmed if name != "circumstances"]
        changed = [name for name in reading.fixes if name != "circumstances"]
        await self._lifecycle.verify(scope, row, confirmed=asked, changed=changed, method=given.method, by=by, at=at)

    async def _correct(
        self, scope: Scope, row: ChildRow, reading: Reading, given: FieldAnswer, at: datetime, by: str
    ) -> ChildRow:
        """Out: the record as it is after what was corrected, locked."""
        reason = f"home-visit: {given.note}"[:300] if given.note else "home-visit"
        fields: dict[Asked, str] = {name: fix for name, fix in reading.fixes.items() if name != "circumstances"}
        if fields:
            wanted = corrected(row.known.description, fields)
            await self._desk.correct(scope, row.id, wanted, None, version=row.sequence, actor=by, reason=reason)
            row = await self._again(scope, row.id)
        if "circumstances" not in reading.fixes:
            return row
        wanted_codes = circumstances_of(reading.fixes["circumstances"])
        day = local_day(at)
        holding = await children.holding(scope.connection, row.id, today(scope))
        for code in sorted(wanted_codes - holding.keys()):
            record_id = stable_id("circumstance", row.id, code, day.isoformat())
            seen_now = Observation(record_id, code, day, None, "dolisa", given.note or None)
            await self._desk.observe(scope, row, seen_now, by)
            row = await self._again(scope, row.id)
        for code in sorted(holding.keys() - wanted_codes):
            await self._desk.end(scope, row, code, max(day, holding[code]), by, reason=reason)
            row = await self._again(scope, row.id)
        return row

    async def _move(
        self, scope: Scope, principal: Principal, row: ChildRow, given: FieldAnswer, at: datetime, by: str
    ) -> None:
        """The child lives elsewhere. Where nobody knows where, it is only remembered with the answer."""
        if given.moved_to == ELSEWHERE:
            self._must(scope, principal, "move-away")
            await self._lifecycle.move_away(scope, row, local_day(at), by=by)
        elif given.moved_to is not None:
            self._must(scope, principal, "move")
            if given.moved_to not in Units.load().codes():
                raise Rejected([_NO_UNIT])
            await self._lifecycle.move(scope, row, given.moved_to, by=by)

    async def _remember(self, principal: Principal, given: FieldAnswer, outcome: Outcome) -> None:
        """What could not be taken is remembered by its rules alone; it stays with whoever gave it."""
        detail = {"result": given.result, "rules": [violation.rule for violation in outcome.violations]}
        async with self._office.scope() as scope:
            noted = Given(
                str(given.id),
                str(given.list_id),
                principal.id,
                str(given.child_id),
                given.given_at,
                given.version,
                outcome.outcome,
                detail,
            )
            await store.claim(scope.connection, noted, scope.now)

    async def _round(self, scope: Scope, principal: Principal, listed: FieldList) -> Round:
        taken = {given.child_id: given for given in await store.taken_of(scope.connection, listed.id)}
        places = []
        current = await children.all_current(scope.connection, listed.children)
        there = {row.id for row in await visible(scope, principal, list(current.values()))}
        for number, child_id in enumerate(listed.children, start=1):
            row = current.get(child_id)
            places.append(Place(number, child_id, row if row and row.id in there else None, taken.get(child_id)))
        return Round(listed, places)

    async def _work(self, scope: Scope, principal: Principal, kind: str, most: int) -> list[ChildRow]:
        day = today(scope)
        name: WorkList = kind  # type: ignore[assignment]  # the rules name lists that there are
        found = await lives.listed(
            scope.connection, name, units_of(principal), day, next_month(day), limit=most, after=0
        )
        return [row for row, _ in found]

    async def _hamlets(self, scope: Scope, unit: str) -> dict[str, list[tuple[str, int]]]:
        """By token: the ways one hamlet is written, the commonest first. No name of a place stands in an address."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name, count in sorted(await store.hamlets(scope.connection, unit), key=lambda one: (-one[1], one[0])):
            token = sha256(f"{unit}:{fold(name)}".encode()).hexdigest()[:12]
            found.setdefault(token, []).append((name, count))
        return dict(sorted(found.items(), key=lambda one: _natural(one[1][0][0])))

    async def _mine(self, scope: Scope, principal: Principal, list_id: str) -> FieldList:
        found = await store.find_list(scope.connection, list_id) if is_id(list_id) else None
        if found is None or found.person != principal.id:
            raise NotThereError
        return found

    async def _again(self, scope: Scope, child_id: str) -> ChildRow:
        row = await children.child(scope.connection, child_id, lock=True)
        if row is None:
            raise NotThereError
        return row

    def _must(self, scope: Scope, principal: Principal, act: str) -> None:
        if not self._rules.acts.on(today(scope)).may(principal.role.value, act):
            raise Rejected([_NOT_ALLOWED])


def as_sent(outcome: Outcome) -> dict[str, Any]:
    """An outcome in JSON."""
    return {
        "id": outcome.id,
        "outcome": outcome.outcome,
        "child_id": outcome.child_id,
        "violations": [violation.as_dict() for violation in outcome.violations],
        "clashes": [{"field": one.field, "mine": one.mine, "now": one.now} for one in outcome.clashes],
        "now": dict(outcome.now) if outcome.now is not None else None,
        "version": outcome.version,
    }


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Tổ 2 comes before Tổ 10."""
    parts = [(number_in(part), part) for part in fold(name).split()]
    return [(1, part) if number is None else (0, number) for number, part in parts]


_NOBODY = Violation(
    "kind", "nobody-to-visit", "Không có trẻ nào trong danh sách này.", "There is no child in this list."
)
_FOREIGN_LIST = Violation(
    "list_id",
    "list-foreign",
    "Danh sách này không phải của anh chị. Người đã tải danh sách cần đăng nhập để gửi.",
    "This list is not yours. Whoever took it signs in to send it.",
)
_NOT_IN_LIST = Violation(
    "child_id", "not-in-list", "Trẻ này không có trong danh sách đã tải.", "This child is not in the list taken."
)
_FOREIGN_ANSWER = Violation(
    "id", "answer-foreign", "Mã câu trả lời này là của người khác.", "This answer's id is another person's."
)
_NOT_THERE = Violation(
    "child_id",
    "not-in-area",
    "Hồ sơ của trẻ không còn ở địa bàn của anh chị.",
    "The child's record is no longer in your area.",
)
_NOT_ALLOWED = Violation(
    "result", "not-allowed", "Vai trò của anh chị không làm được việc này.", "Your role does not do this."
)
_NO_UNIT = Violation("moved_to", "unit-unknown", "Xã, phường không có trong danh mục.", "There is no such commune.")
