"""Reports of concern: taken in, corrected, triaged. Never refused for lack of knowledge.

Pure. Refused only for a time of receipt after today (the day's end in Việt Nam, as clerks' clocks differ) or before
anything that is still entered, and for codes that no list has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.cases.domain import acts
from services.cases.domain.model import Actor, Case, Concern, World, local_day, refuse
from services.cases.domain.rules import require_concern
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import (
    UNCLASSIFIED,
    AgeBand,
    ChildDescription,
    DangerNow,
    Person,
    Sex,
    age_band,
    age_on,
)
from shared.reference.terms import Terms


def check_received(received_at: datetime, world: World, field: str = "data.received_at") -> datetime:
    """The moment clocks run from: the receipt, never later than now.

    Raises `Rejected` (received-at-in-future, received-at-too-old).
    """
    now = world.now
    if local_day(received_at) > local_day(now):
        raise refuse(
            field,
            "received-at-in-future",
            "Thời điểm tiếp nhận ở tương lai; kiểm tra lại ngày tháng.",
            "The time of receipt lies in the future; check the date.",
        )
    if local_day(received_at) < world.oldest_receipt:
        oldest = f"{world.oldest_receipt:%d/%m/%Y}"
        raise refuse(
            field,
            "received-at-too-old",
            f"Thời điểm tiếp nhận trước ngày {oldest} là quá xa; kiểm tra lại năm.",
            f"The time of receipt lies before {oldest}, which is too long ago; check the year.",
        )
    return min(received_at, now)


def check_occurred(occurred_on: date, world: World) -> None:
    """An incident's day is neither to come nor before anything that is still entered.

    Raises `Rejected` (occurred-on-in-future, occurred-on-too-old).
    """
    if occurred_on > local_day(world.now):
        raise refuse(
            "data.occurred_on",
            "occurred-on-in-future",
            "Ngày xảy ra ở tương lai; kiểm tra lại ngày tháng.",
            "The day of the incident lies in the future; check the date.",
        )
    if occurred_on < world.oldest_receipt:
        oldest = f"{world.oldest_receipt:%d/%m/%Y}"
        raise refuse(
            "data.occurred_on",
            "occurred-on-too-old",
            f"Ngày xảy ra trước ngày {oldest} là quá xa; kiểm tra lại năm.",
            f"The day of the incident lies before {oldest}, which is too long ago; check the year.",
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an incident happened: a code of the list; None where nothing was said. `words`: to be kept sealed."""

    code: str | None
    words: str | None = None


def place_of(code: str | None, words: str | None, places: Terms) -> Place:
    """Where an incident happened, by the sender's code, else by its words where the list has them.

    Words of no list may name a house or a family: they are kept, and what is told is that the place is unknown.
    Raises: `Rejected` (place-unknown) for a code of no list.
    """
    if code is not None and code not in places:
        raise Rejected([_unknown("data.place_code", "place", "Nơi xảy ra", "place")])
    if words is None or not words.strip():
        return Place(code)
    found = places.find(words)
    return Place(code or found or "unknown", None if found else words)


def check_codes(kinds: Sequence[str], environment: str | None, harmer: str | None, world: World) -> None:
    """Raises `Rejected` (kind-unknown, environment-unknown, harmer-unknown) naming each code that no list has."""
    wrong = [
        _unknown(f"data.kinds.{place}", "kind", "Loại vụ việc", "kind of case")
        for place, kind in enumerate(kinds)
        if kind not in world.kinds
    ]
    if environment is not None and environment not in world.environments:
        wrong.append(_unknown("data.environment", "environment", "Môi trường xảy ra", "environment"))
    if harmer is not None and harmer not in world.harmers:
        wrong.append(_unknown("data.harmer", "harmer", "Người gây hại", "harmer"))
    if wrong:
        raise Rejected(wrong)


def _unknown(field: str, name: str, vi: str, en: str) -> Violation:
    return Violation(field, f"{name}-unknown", f"{vi} không có trong danh mục.", f"The {en} is not listed.")


def each_once(kinds: Iterable[str]) -> tuple[str, ...]:
    """The kinds in the sender's order; one named twice is one."""
    return tuple(dict.fromkeys(kinds))


def main_kind(kinds: Sequence[str]) -> str:
    """The one kind a concern is counted under: the first that the sender names (form 01 asks for the main one first);
    where none is named it is not classified, until a person says what it is."""
    return kinds[0] if kinds else UNCLASSIFIED


def described_sex(sex: Sex, child: ChildDescription | None) -> Sex:
    """The sex said in clear, else the one in the description."""
    return sex if sex != "unknown" or child is None else child.sex


def described_band(age: int | None, child: ChildDescription | None, received_at: datetime) -> AgeBand:
    """The age band on the day of receipt: from the birth date where known, else the age said."""
    day = local_day(received_at)
    if child is not None and child.birth_date is not None and child.birth_date <= day:
        return age_band(age_on(child.birth_date, day))
    if age is None and child is not None:
        age = child.age
    return age_band(age)


def with_unasked(
    before: Sequence[ChildDescription | None], said: Sequence[ChildDescription | None]
) -> list[ChildDescription | None]:
    """The children as a person's correction by form 01 describes them, each with what the form does not ask for as it
    was known: hamlet and grade, of the first child further carers, of the others carers and ethnicity."""
    return [
        _with_unasked(before[place] if place < len(before) else None, child, first=place == 0)
        for place, child in enumerate(said)
    ]


def _with_unasked(
    before: ChildDescription | None, said: ChildDescription | None, *, first: bool
) -> ChildDescription | None:
    # A further child may have moved up in the form: only the name says that it is the same.
    if before is None or not (first or (said is not None and said.name == before.name)):
        return said
    child = said or ChildDescription()
    kept = {"hamlet": child.hamlet or before.hamlet, "grade": child.grade or before.grade}
    if first:
        carers = [*_carer(before, child), *before.carers[1:]]
        return child.model_copy(update=kept | {"carers": carers})
    return child.model_copy(update=kept | {"carers": before.carers, "ethnicity": child.ethnicity or before.ethnicity})


def _carer(before: ChildDescription, said: ChildDescription) -> list[Person]:
    """The carer whom the form asks about, with the address for which it does not ask."""
    if not said.carers or not before.carers:
        return said.carers[:1]
    return [said.carers[0].model_copy(update={"address": said.carers[0].address or before.carers[0].address})]


def correct(before: Concern, said: Concern) -> Concern:
    """The sender's correction: the same concern, other facts.

    One dismissed or answered that now tells of danger waits again, as does an answered one that asks for protection.
    """
    after = replace(
        before,
        unit=said.unit,
        sex=said.sex,
        age_band=said.age_band,
        kind=said.kind,
        danger_now=said.danger_now,
        channel=said.channel,
        received_at=said.received_at,
        request=said.request,
        environment=said.environment,
        harmer=said.harmer,
        children=said.children,
    )
    if after.status in ("dismissed", "answered") and after.danger_now == "yes":
        return replace(after, status="received")
    if after.status == "answered" and after.request == "protection":
        return replace(after, status="received")
    return after


def opens_when_new(danger: DangerNow) -> bool:
    """Danger now opens a case without waiting for a person; everything else waits for triage (decision 0003)."""
    return danger == "yes"


def opens_at_once(concern: Concern) -> bool:
    """Whether a report, first or corrected, that nobody has decided on opens a case."""
    return concern.status == "received" and opens_when_new(concern.danger_now)


def dismiss(concern: Concern, act: acts.DismissConcern, actor: Actor, world: World) -> Concern:
    """No case follows. Raises `Rejected` where that is not the actor's to say, or the reason is none of the list."""
    require_concern(concern, "dismiss", actor)
    if act.reason not in world.dismissals:
        raise refuse("reason", "dismissal", "Lý do không có trong danh mục.", "The reason is not listed.")
    return replace(concern, status="dismissed")


def forward(concern: Concern, act: acts.ForwardConcern, actor: Actor, world: World) -> Concern:
    """Another commune's matter (Decree 56/2017, Art. 26(1)). Raises `Rejected`."""
    require_concern(concern, "forward", actor)
    if act.to_unit not in world.units or act.to_unit == concern.unit:
        raise refuse(
            "to_unit", "unit-unknown", "Chọn một xã, phường khác của tỉnh.", "Choose another commune of the province."
        )
    return replace(concern, unit=act.to_unit)


def correct_receipt(
    concern: Concern, act: acts.CorrectReceipt, actor: Actor, world: World, case: Case | None, entered_at: datetime
) -> Concern:
    """The report was received at another time than was written down.

    In: `case`: that it tells of, where one is; `entered_at`: when it was written down, never before its receipt.
    Raises: `Rejected` (received-at-in-future, received-at-too-old, received-at-after-entry, nothing-changed, and the
        rules').
    """
    require_concern(concern, "correct-receipt", actor, case)
    received_at = check_received(act.received_at, world, "received_at")
    if received_at > entered_at:
        raise refuse(
            "received_at",
            "received-at-after-entry",
            "Báo tin đã được ghi vào hệ thống trước thời điểm này; kiểm tra lại ngày giờ.",
            "The report was written down before that time; check day and hour.",
        )
    if received_at == concern.received_at:
        raise refuse("received_at", "nothing-changed", "Chưa có gì thay đổi.", "Nothing is changed.")
    return replace(concern, received_at=received_at)


def answer(concern: Concern, act: acts.AnswerConcern, actor: Actor, world: World) -> Concern:
    """A request for advice was answered and is no case. Raises `Rejected`."""
    require_concern(concern, "answer", actor)
    if act.answer not in world.answers:
        raise refuse("answer", "answer-unknown", "Cách trả lời không có trong danh mục.", "The answer is not listed.")
    return replace(concern, status="answered")
