"""From an event's bytes to the versions that history keeps of it: what it made true, and from when.

It reads the same events as `decoding` and must never refuse one that is counted there: what only history asks for is
optional. It must never look at a sealed field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from services.stats.domain.cells import FINAL, Kind, born_word, key_of
from services.stats.domain.measures import Count, Figure, HistoryCell, Measure, Version, coded
from services.stats.domain.periods import Period
from services.stats.handlers import decoding, events
from services.stats.handlers.decoding import TASK_STATES, TASK_TALK, broken, field_of, moment
from services.stats.handlers.events import (
    CaseEvent,
    ChildState,
    ConcernEvent,
    DeadlineEvent,
    ErasedEvent,
    IncidentEvent,
    QualityEvent,
    ServiceEvent,
    TaskEvent,
)
from shared.contracts import cases, registry, stats
from shared.contracts.base import CONTRACTS
from shared.contracts.envelope import STRUCTURED_TYPE, from_kafka
from shared.contracts.vocabulary import UNCLASSIFIED, RecordState, in_calendar
from shared.messaging.processing import Record
from shared.reference.calendar import LOCAL_OFFSET

# Of an event that does not say when it was: known since ever, which at least is the same at every counting.
_UNDATED: Final = datetime(1900, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
# The indicator under which the registry's scores stand.
_QUALITY: Final = "record-quality"


class CaseFacts(events.CaseFacts, frozen=True):
    """The coarse state of a case, with its moments."""

    opened_at: datetime | None = None
    received_at: datetime | None = None
    assessed_at: datetime | None = None
    planned_at: datetime | None = None
    first_service_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None


class ChildFacts(events.ChildFacts, frozen=True):
    """The coarse state of a child, with what indicators break it down by."""

    ethnicity: str | None = None
    disability: bool = False
    state: RecordState = "collected"
    supported: bool = False


class DatedDeadline(DeadlineEvent[CaseFacts], frozen=True):
    """Any event about a clock of the law, with when it ends."""

    due: datetime | None = None


class DatedTask(TaskEvent[CaseFacts], frozen=True):
    """Any event about what a sector was asked to do, with its moments."""

    requested_at: datetime | None = None
    answered_at: datetime | None = None


class PlacedIncident(IncidentEvent, frozen=True):
    """An agency's incident and the kind of place."""

    place_code: str | None = None


class KnownChild(ChildState[ChildFacts], frozen=True):
    """Any event about a child."""

    merged_id: str | None = None


class Activity(msgspec.Struct, frozen=True):
    """What a sector held for many."""

    activity_id: str
    activity: str
    audience: str
    unit: str
    sector: str
    held_on: date
    participants: int


class Reported(msgspec.Struct, frozen=True):
    """A figure that a sector handed in."""

    figure_id: str
    indicator: str
    unit: str
    period: str
    value: float
    sector: str


class Told(NamedTuple):
    """Whose event it is, which number it has among that subject's events, and its own time."""

    subject: str
    sequence: int
    at: datetime


def _day(at: datetime | None, told: Told) -> date:
    """The local day of a moment; of one that is not told or out of the calendar, the event's."""
    return _aware(at if at is not None and in_calendar(at) else told.at).astimezone(LOCAL_OFFSET).date()


def _aware(at: datetime) -> datetime:
    """A moment that does not say of which zone it is, as one of UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _version(kind: Kind, key: str, told: Told, *counts: Count, of: str | None = None) -> Version:
    """A version of a thing, or of a part `of` a case."""
    return Version(kind, key_of(key), told.sequence, told.at, counts, "" if of is None else key_of(of))


def _concern(data: ConcernEvent, told: Told) -> tuple[Version | Figure, ...]:
    facts = data.facts
    cell = HistoryCell(
        Measure.REPORTS,
        (
            *(facts.unit, facts.sex, facts.age_band, facts.kind, facts.request, facts.danger_now),
            *(facts.sector, facts.channel, facts.status),
        ),
    )
    return (_version(Kind.CONCERN, data.concern_id, told, Count(cell, _day(facts.received_at, told))),)


def _matter(facts: events.CaseFacts) -> tuple[str, ...]:
    return facts.unit, facts.sex, facts.age_band, facts.kind, facts.risk


def _case_version(data: CaseEvent[CaseFacts], told: Told) -> Version:
    facts = data.facts
    matter, came = _matter(facts), (facts.sector, facts.channel)
    harm = (facts.environment or "", facts.harmer or "")
    counts = [Count(HistoryCell(Measure.CASES, (*matter, facts.status, facts.step, *came, *harm)))]
    # A case that was merged was never one of its own: it was opened, and measured, once.
    if facts.status != "merged":
        counts.append(Count(HistoryCell(Measure.OPENINGS, (*matter, *came, *harm)), _day(facts.opened_at, told)))
        if facts.status == "closed":
            closing = HistoryCell(Measure.CLOSINGS, (*matter, *came, facts.outcome or ""))
            counts.append(Count(closing, _day(facts.closed_at, told)))
        counts += _spans(facts, matter, told)
    return _version(Kind.CASE, data.case_id, told, *counts)


def _spans(facts: CaseFacts, matter: tuple[str, ...], told: Told) -> list[Count]:
    ends = {
        "report-assessment": facts.assessed_at,
        "report-plan": facts.planned_at,
        "report-service": facts.first_service_at,
        "report-closure": facts.closed_at if facts.status == "closed" else None,
    }
    began = facts.received_at or facts.opened_at
    return [
        Count(HistoryCell(Measure.SPANS, (*matter, facts.sector, span, _hours(began, ended))), _day(ended, told))
        for span, ended in ends.items()
        if began is not None and ended is not None
    ]


def _hours(began: datetime, ended: datetime) -> str:
    """Between two moments, in tenths; of what is said to have ended before it began, none."""
    return f"{max(timedelta(0), _aware(ended) - _aware(began)) / _HOUR:.1f}"


def _with_case(part: Version | None, data: CaseEvent[CaseFacts], told: Told) -> tuple[Version | Figure, ...]:
    # As in `decoding`: numbered by the part, an event says nothing about the case.
    whole = (_case_version(data, told),) if told.subject == data.case_id else ()
    return whole if part is None else (part, *whole)


def _case(data: CaseEvent[CaseFacts], told: Told) -> tuple[Version | Figure, ...]:
    return (_case_version(data, told),)


def _deadline(data: DatedDeadline, told: Told) -> tuple[Version | Figure, ...]:
    facts = data.facts
    values = (*_matter(facts), facts.sector, facts.channel, data.kind, data.state)
    count = Count(HistoryCell(Measure.CLOCKS, values), _day(data.due, told))
    return _with_case(_version(Kind.DEADLINE, data.deadline_id, told, count, of=data.case_id), data, told)


def _task_in(state: cases.TaskState | None) -> Callable[[DatedTask, Told], tuple[Version | Figure, ...]]:
    """How an event is read that leaves a task in a state, where it does not say another itself; None: as it stood."""

    def said(data: DatedTask, told: Told) -> tuple[Version | Figure, ...]:
        left_in = data.state or state
        if left_in is None:
            return _with_case(None, data, told)
        matter = _matter(data.facts)
        counts = [Count(HistoryCell(Measure.TASKS, (*matter, data.task_sector, data.task_kind, left_in)))]
        if data.requested_at is not None and data.answered_at is not None:
            span = (*matter, data.task_sector, "task-answer", _hours(data.requested_at, data.answered_at))
            counts.append(Count(HistoryCell(Measure.SPANS, span), _day(data.answered_at, told)))
        return _with_case(_version(Kind.TASK, data.task_id, told, *counts), data, told)

    return said


def _service(data: ServiceEvent[CaseFacts], told: Told) -> tuple[Version | Figure, ...]:
    values = (*_matter(data.facts), data.service_sector or "", data.service)
    count = Count(HistoryCell(Measure.SERVICES, values), data.provided_on)
    return _with_case(_version(Kind.SERVICE, data.service_id, told, count, of=data.case_id), data, told)


def _no_service(data: ServiceEvent[CaseFacts], told: Told) -> tuple[Version | Figure, ...]:
    return _with_case(_version(Kind.SERVICE, data.service_id, told, of=data.case_id), data, told)


def _incident(data: PlacedIncident, told: Told) -> tuple[Version | Figure, ...]:
    kind, outcome = coded("incidents", "kind", data.kind), coded("incidents", "outcome", data.outcome)
    values = (data.unit, data.sex, data.age_band, kind, outcome, data.place_code or "", data.sector)
    count = Count(HistoryCell(Measure.INCIDENTS, values), data.occurred_on)
    return (_version(Kind.INCIDENT, data.incident_id, told, count),)


def _child_version(data: KnownChild, told: Told) -> Version:
    facts = data.facts
    if facts.status != "active":
        return _version(Kind.CHILD, data.child_id, told)
    values = (
        *(facts.unit or UNCLASSIFIED, facts.sex, born_word(facts.birth_year, facts.birth_month)),
        *("+".join(sorted(set(facts.circumstances))), facts.ethnicity or "", _yes_no(facts.disability)),
        *(facts.state, _yes_no(facts.supported)),
    )
    return _version(Kind.CHILD, data.child_id, told, Count(HistoryCell(Measure.CHILDREN, values)))


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _child(data: KnownChild, told: Told) -> tuple[Version | Figure, ...]:
    return (_child_version(data, told),)


def _merged(data: KnownChild, told: Told) -> tuple[Version | Figure, ...]:
    stayed = (_child_version(data, told),) if told.subject == data.child_id else ()
    if data.merged_id is None or key_of(data.merged_id) == key_of(data.child_id):
        return stayed
    return Version(Kind.CHILD, key_of(data.merged_id), FINAL, told.at, ()), *stayed


def _erased(data: ErasedEvent, told: Told) -> tuple[Version | Figure, ...]:
    return (Version(Kind.CHILD, key_of(data.child_id), FINAL, told.at, ()),)


def _activity(data: Activity, told: Told) -> tuple[Version | Figure, ...]:
    values, day = (data.unit, data.sector, data.activity, data.audience), data.held_on
    held = Count(HistoryCell(Measure.ACTIVITIES, values), day)
    reached = Count(HistoryCell(Measure.PEOPLE_REACHED, values), day, data.participants)
    return (_version(Kind.ACTIVITY, data.activity_id, told, held, reached),)


def _figure(data: Reported, told: Told) -> tuple[Version | Figure, ...]:
    period = Period.parse(data.period)
    days = (period.code, period.first, period.last)
    key = key_of(data.figure_id)
    return (Figure(key, told.sequence, told.at, data.indicator, data.unit, *days, data.value, 0, data.sector),)


def _quality(data: QualityEvent, told: Told) -> tuple[Version | Figure, ...]:
    """The registry's own figure: a commune's score on a day, of so many children."""
    key, day = key_of(f"{_QUALITY}/{data.unit}/{data.on}"), data.on
    days = (day.isoformat(), day, day)
    score = (data.score, data.children, "registry")
    return (Figure(key, told.sequence, told.at, _QUALITY, data.unit, *days, *score),)


Reading = tuple[msgspec.json.Decoder[Any], Callable[[Any, Told], tuple[Version | Figure, ...]]]


def _reading(struct: type[msgspec.Struct], versions: Callable[[Any, Told], tuple[Version | Figure, ...]]) -> Reading:
    return msgspec.json.Decoder(struct), versions


# What `decoding` says of records alone: no measure of history.
_APART: Final = frozenset({registry.RecordLinked.TYPE, registry.RecordWithdrawn.TYPE})


def _reading_of(event_type: str) -> Reading:
    """How an event that the board counts is read for history."""
    model = CONTRACTS[event_type]
    if issubclass(model, cases.DeadlineEvent):
        return _reading(DatedDeadline, _deadline)
    if model in TASK_STATES or model in TASK_TALK or model is cases.TaskFollowedCase:
        return _reading(DatedTask, _task_in(TASK_STATES.get(model)))
    if model is cases.CaseServiceProvided:
        return _reading(ServiceEvent[CaseFacts], _service)
    if model is cases.CaseServiceWithdrawn:
        return _reading(ServiceEvent[CaseFacts], _no_service)
    if issubclass(model, cases.CaseEvent):
        return _reading(CaseEvent[CaseFacts], _case)
    if issubclass(model, cases.ConcernEvent):
        return _reading(ConcernEvent, _concern)
    if model is cases.CaseIncidentRecorded:
        return _reading(PlacedIncident, _incident)
    if model is registry.QualityMeasured:
        return _reading(QualityEvent, _quality)
    if model is registry.ChildErased:
        return _reading(ErasedEvent, _erased)
    return _reading(KnownChild, _merged if model is registry.ChildMerged else _child)


READINGS: Final[Mapping[str, Reading]] = {
    **{name: _reading_of(name) for name in decoding.READINGS if name not in _APART},
    stats.ActivityRecorded.TYPE: _reading(Activity, _activity),
    stats.FigureRecorded.TYPE: _reading(Reported, _figure),
}
_BY_BYTES: Final = {name.encode(): reading for name, reading in READINGS.items()}
_STRUCTURED: Final = STRUCTURED_TYPE.encode()


def versions_of(record: Record) -> tuple[tuple[Version | Figure, ...], datetime | None]:
    """The versions and figures that a record makes, and its event's time where it says one.

    Raises `Rejected` naming what breaks the contract.
    """
    headers = dict(record.headers)
    event_type = headers.get("ce_type")
    if event_type is None or headers.get("content-type", b"").startswith(_STRUCTURED) or "ce_sequence" not in headers:
        return _by_envelope(record)
    at = moment(headers.get("ce_time", b"").decode("latin-1"))
    reading = _BY_BYTES.get(event_type)
    if reading is None:
        return (), at
    try:
        subject, sequence = headers["ce_subject"].decode(), int(headers["ce_sequence"])
    except (KeyError, ValueError):
        # As `decoding` does: the envelope knows what is wrong, or what stands for what is missing.
        return _by_envelope(record)
    told = Told(subject, sequence, at if at is not None and in_calendar(at) else _UNDATED)
    return _read(reading, record.value or b"", told), at


def _by_envelope(record: Record) -> tuple[tuple[Version | Figure, ...], datetime | None]:
    event = from_kafka(record.value, record.headers)
    reading = READINGS.get(event.type)
    if reading is None:
        return (), event.time
    return _read(reading, event.data, Told(event.subject, event.sequence or 0, event.time)), event.time


def _read(reading: Reading, value: bytes, told: Told) -> tuple[Version | Figure, ...]:
    decoder, versions = reading
    if not 0 < told.sequence < FINAL:
        raise broken("sequence")
    try:
        return versions(_decoded(decoder, value), told)
    except msgspec.DecodeError as error:
        raise broken(field_of(error)) from None
    except (ArithmeticError, TypeError, ValueError):
        # As in `decoding`: one event breaks, and not the batch that it is in.
        raise broken("data") from None


# What only history asks for, in an event and in its facts.
_OPTIONAL: Final = frozenset({"due", "requested_at", "answered_at", "place_code"})
_OPTIONAL_FACTS: Final = {*CaseFacts.__struct_fields__, *ChildFacts.__struct_fields__} - {
    *events.CaseFacts.__struct_fields__,
    *events.ChildFacts.__struct_fields__,
}


def _decoded(decoder: msgspec.json.Decoder[Any], value: bytes) -> Any:
    """What an event says. Where that cannot be read, what it says without what only history asks for: the board counts
    it, and the two must agree. Raises `msgspec.DecodeError`."""
    try:
        return decoder.decode(value)
    except msgspec.DecodeError as error:
        data = msgspec.json.decode(value)
        if not isinstance(data, dict) or not isinstance(data.get("facts", {}), dict):
            raise error from None
        kept = {name: value for name, value in data.items() if name not in _OPTIONAL}
        if "facts" in data:
            kept["facts"] = {name: value for name, value in data["facts"].items() if name not in _OPTIONAL_FACTS}
        return decoder.decode(msgspec.json.encode(kept))
