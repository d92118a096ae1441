"""From an event's bytes to what it says, fast: the few fields that are counted, decoded straight into structs.

It must never look at a sealed field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.stats.domain.cells import (
    DROPPED_OUT,
    FINAL,
    Cell,
    Fact,
    Kind,
    Link,
    Merge,
    Said,
    UnitQuality,
    born_word,
    key_of,
)
from services.stats.handlers.events import (
    CaseEvent,
    CaseFacts,
    ChildEvent,
    ChildFacts,
    ConcernEvent,
    ConcernFacts,
    DeadlineEvent,
    ErasedEvent,
    IncidentEvent,
    LinkedEvent,
    MergedEvent,
    QualityEvent,
    RecordWithdrawnEvent,
    ServiceEvent,
    TaskEvent,
    TaskStateEvent,
)
from shared.contracts import cases, registry
from shared.contracts.base import CONTRACTS, Contract
from shared.contracts.envelope import JSON_TYPE, STRUCTURED_TYPE, Envelope, from_kafka
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import UNCLASSIFIED, in_calendar
from shared.messaging.processing import Record
from shared.reference.calendar import LOCAL_OFFSET

# Numbers, for to look up a member of an enumeration costs more than to decode an event.
_CASE: Final = int(Kind.CASE)


def _concern(data: ConcernEvent, sequence: int, _subject: str) -> Said:
    """What was decided about a report: the sector that sent it did not speak again by it."""
    return Said(_report(data, sequence))


def _received(data: ConcernEvent, sequence: int, _subject: str) -> Said:
    return Said(_report(data, sequence), sector=data.facts.sector)


def _report(data: ConcernEvent, sequence: int) -> tuple[Fact, Fact]:
    facts = data.facts
    cell = Cell(
        Kind.CONCERN,
        unit=facts.unit,
        sex=facts.sex,
        age_band=facts.age_band,
        category=facts.kind,
        status=facts.status,
        sector=facts.sector,
        channel=facts.channel,
        extra=facts.danger_now,
        groups=_request(facts),
    )
    arrival = Cell(
        Kind.ARRIVAL,
        unit=facts.unit,
        sex=facts.sex,
        age_band=facts.age_band,
        date=_local_day(facts.received_at),
        category=facts.kind,
        groups=_request(facts),
    )
    key = key_of(data.concern_id)
    return Fact(Kind.CONCERN, key, sequence, cell), Fact(Kind.ARRIVAL, key, sequence, arrival)


def _local_day(at: datetime) -> str:
    """The day here of a moment; empty where that is in no calendar of ours, for then it is no day that anybody asks."""
    return at.astimezone(LOCAL_OFFSET).date().isoformat() if in_calendar(at) else ""


def _request(facts: ConcernFacts) -> str:
    """What was asked for, where it was not protection: such a report is counted apart."""
    return "" if facts.request == "protection" else facts.request


def _case_fact(case_id: str, facts: CaseFacts, sequence: int) -> Fact:
    # Of every event about a case there is one: made without names, in the order of `Cell`.
    cell = Cell._make(
        (
            _CASE,
            facts.unit,
            facts.sex,
            facts.age_band,
            "",
            facts.kind,
            facts.risk,
            facts.status,
            facts.sector,
            facts.channel,
            facts.step,
            f"{facts.environment or ''}/{facts.harmer or ''}" if facts.environment or facts.harmer else "",
        )
    )
    return Fact(_CASE, key_of(case_id), sequence, cell)


def _case(data: CaseEvent[CaseFacts], sequence: int, _subject: str) -> Said:
    # Communes go on with a case for months: the sector that reported it once is not heard by that.
    return Said((_case_fact(data.case_id, data.facts, sequence),))


def _part_of_case(part: Fact | None, data: CaseEvent[CaseFacts], sequence: int, subject: str, sector: str = "") -> Said:
    """In: `sector`: who spoke, where the event is a sector's own word."""
    # A sequence orders the events of its subject only: numbered by the part, it says nothing about the case.
    whole = (_case_fact(data.case_id, data.facts, sequence),) if subject == data.case_id else ()
    return Said(whole if part is None else (part, *whole), sector=sector)


def _deadline(data: DeadlineEvent[CaseFacts], sequence: int, subject: str) -> Said:
    facts = data.facts
    cell = Cell(
        Kind.DEADLINE,
        unit=facts.unit,
        sex=facts.sex,
        age_band=facts.age_band,
        category=data.kind,
        risk=facts.risk,
        status=data.state,
        sector=facts.sector,
        channel=facts.channel,
        extra=facts.kind,
    )
    return _part_of_case(Fact(Kind.DEADLINE, key_of(data.deadline_id), sequence, cell), data, sequence, subject)


def _task_in(
    state: cases.TaskState | None, *, answered: bool = False
) -> Callable[[TaskEvent[CaseFacts], int, str], Said]:
    """How an event is read that leaves a task in a state, where it does not say another itself; None: as it stood.
    `answered`: whether it is what the sector says that was asked."""

    def said(data: TaskEvent[CaseFacts], sequence: int, subject: str) -> Said:
        left_in = data.state or state
        sector = data.task_sector if answered else ""
        if left_in is None:
            return _part_of_case(None, data, sequence, subject, sector)
        facts = data.facts
        cell = Cell(
            Kind.TASK,
            unit=facts.unit,
            sex=facts.sex,
            age_band=facts.age_band,
            category=data.task_kind,
            risk=facts.risk,
            status=left_in,
            sector=data.task_sector,
            extra=facts.kind,
        )
        return _part_of_case(Fact(Kind.TASK, key_of(data.task_id), sequence, cell), data, sequence, subject, sector)

    return said


def _service(data: ServiceEvent[CaseFacts], sequence: int, subject: str) -> Said:
    facts = data.facts
    cell = Cell(
        Kind.SERVICE,
        unit=facts.unit,
        sex=facts.sex,
        age_band=facts.age_band,
        date=data.provided_on.isoformat()[:7],
        category=data.service,
        risk=facts.risk,
        sector=data.service_sector or "",
        extra=facts.kind,
    )
    # Given again, or corrected, it is one service, on the day that was said last.
    return _part_of_case(Fact(Kind.SERVICE, key_of(data.service_id), sequence, cell), data, sequence, subject)


def _no_service(data: ServiceEvent[CaseFacts], sequence: int, subject: str) -> Said:
    # Given after all, a later sequence counts it again.
    return _part_of_case(Fact(Kind.SERVICE, key_of(data.service_id), sequence, None), data, sequence, subject)


def _incident(data: IncidentEvent, sequence: int, _subject: str) -> Said:
    cell = Cell(
        Kind.INCIDENT,
        unit=data.unit,
        sex=data.sex,
        age_band=data.age_band,
        date=data.occurred_on.isoformat()[:7],
        category=data.kind,
        status=data.outcome,
        sector=data.sector,
    )
    return Said((Fact(Kind.INCIDENT, key_of(data.incident_id), sequence, cell),), sector=data.sector)


def _child_fact(child_id: str, facts: ChildFacts, sequence: int) -> Fact:
    if facts.status != "active":  # grown up, dead, gone, adopted, none at all: no child of the province any more
        return Fact(Kind.CHILD, key_of(child_id), sequence, None)
    cell = Cell(
        Kind.CHILD,
        unit=facts.unit or UNCLASSIFIED,
        sex=facts.sex,
        date=born_word(facts.birth_year, facts.birth_month),
        groups=_groups(facts.circumstances),
    )
    return Fact(Kind.CHILD, key_of(child_id), sequence, cell)


def _child(data: ChildEvent, sequence: int, _subject: str) -> Said:
    return Said((_child_fact(data.child_id, data.facts, sequence),), sector=data.sector or "")


def _merged(data: MergedEvent, sequence: int, subject: str) -> Said:
    gone, stays = key_of(data.merged_id), key_of(data.child_id)
    # Final, because the merged record's own events may still be under way on another partition.
    left = Fact(Kind.CHILD, gone, FINAL, None)
    stayed = (_child_fact(data.child_id, data.facts, sequence),) if subject == data.child_id else ()
    merges = (Merge(gone, stays),) if gone != stays else ()
    return Said((left, *stayed) if merges else stayed, merges=merges)


def _erased(data: ErasedEvent, _sequence: int, _subject: str) -> Said:
    return Said((Fact(Kind.CHILD, key_of(data.child_id), FINAL, None),))


def _record_withdrawn(data: RecordWithdrawnEvent, sequence: int, _subject: str) -> Said:
    record = key_of(data.record_id)
    # In no register any more, as far as this record goes.
    link = Link(record, key_of(data.child_id), "", sequence)
    return Said((Fact(Kind.RECORD, record, sequence, None),), (link,))


def _linked(data: LinkedEvent, sequence: int, _subject: str) -> Said:
    record = key_of(data.record_id)
    cell = Cell(
        Kind.RECORD,
        unit=data.unit or UNCLASSIFIED,
        sex=data.sex,
        date=born_word(data.birth_year, None),
        category=data.register_kind,
        sector=data.sector,
        extra=DROPPED_OUT if data.dropped_out else "",
        groups=_groups(data.circumstances),
    )
    link = Link(record, key_of(data.child_id), data.register_kind, sequence)
    return Said((Fact(Kind.RECORD, record, sequence, cell),), (link,), sector=data.sector)


def _quality(data: QualityEvent, sequence: int, _subject: str) -> Said:
    how_good = (data.children, data.verified, data.due, data.score)
    one = UnitQuality(data.unit, data.on, sequence, *how_good, data.measured_at)
    return Said((), qualities=(one,))


def _groups(circumstances: list[str]) -> str:
    return "+".join(sorted(set(circumstances))) if circumstances else ""


Reading = tuple[msgspec.json.Decoder[Any], Callable[[Any, int, str], Said]]


def _reading(struct: type[msgspec.Struct], said: Callable[[Any, int, str], Said]) -> Reading:
    return msgspec.json.Decoder(struct), said


_CHILD = (
    registry.ChildRegistered,
    registry.ChildCorrected,
    registry.ChildMoved,
    registry.CircumstanceStarted,
    registry.CircumstanceEnded,
    registry.SupportStarted,
    registry.SupportEnded,
    registry.ChildSplit,
    registry.ChildChecked,
    registry.ChildVerified,
    registry.ChildVerificationDue,
    registry.ChildAgedOut,
    registry.ChildDeceased,
    registry.ChildAdopted,
    registry.ChildWithdrawn,
    registry.ChildReturned,
)
# In which state an event leaves a task, where it does not say another itself.
TASK_STATES: Final[Mapping[type[Contract], cases.TaskState]] = {
    cases.TaskRequested: "requested",
    cases.TaskAccepted: "accepted",
    cases.TaskDeclined: "declined",
    cases.TaskDone: "done",
    cases.TaskOverdue: "overdue",
    cases.TaskCancelled: "cancelled",
}
TASK_TALK: Final = (cases.TaskQuestioned, cases.TaskReplied, cases.TaskDateProposed, cases.TaskReminded)
_ANSWERS = (cases.TaskAccepted, cases.TaskDeclined, cases.TaskDone, cases.TaskQuestioned, cases.TaskDateProposed)
_CONCERN = (cases.ConcernDismissed, cases.ConcernAnswered)


def _told_of(base: type[Contract]) -> list[str]:
    return [model.TYPE for model in CONTRACTS.values() if issubclass(model, base)]


# Every event type that is counted, with how it is read; a later line overrules an earlier one. Others on the same
# topics are passed over. Whatever a case's event says, it carries the state of its case: none may be missing here.
READINGS: Final[dict[str, Reading]] = {
    cases.ConcernReceived.TYPE: _reading(ConcernEvent, _received),
    **{model.TYPE: _reading(ConcernEvent, _concern) for model in _CONCERN},
    **dict.fromkeys(_told_of(cases.CaseEvent), _reading(CaseEvent[CaseFacts], _case)),
    **dict.fromkeys(_told_of(cases.DeadlineEvent), _reading(DeadlineEvent[CaseFacts], _deadline)),
    **{
        model.TYPE: _reading(TaskEvent[CaseFacts], _task_in(state, answered=model in _ANSWERS))
        for model, state in TASK_STATES.items()
    },
    **{model.TYPE: _reading(TaskEvent[CaseFacts], _task_in(None, answered=model in _ANSWERS)) for model in TASK_TALK},
    cases.TaskFollowedCase.TYPE: _reading(TaskStateEvent[CaseFacts], _task_in(None)),
    cases.CaseServiceProvided.TYPE: _reading(ServiceEvent[CaseFacts], _service),
    cases.CaseServiceWithdrawn.TYPE: _reading(ServiceEvent[CaseFacts], _no_service),
    **{model.TYPE: _reading(ChildEvent, _child) for model in _CHILD},
    cases.CaseIncidentRecorded.TYPE: _reading(IncidentEvent, _incident),
    registry.ChildMerged.TYPE: _reading(MergedEvent, _merged),
    registry.ChildErased.TYPE: _reading(ErasedEvent, _erased),
    registry.RecordWithdrawn.TYPE: _reading(RecordWithdrawnEvent, _record_withdrawn),
    registry.RecordLinked.TYPE: _reading(LinkedEvent, _linked),
    registry.QualityMeasured.TYPE: _reading(QualityEvent, _quality),
}
_BY_BYTES: Final = {name.encode(): reading for name, reading in READINGS.items()}
NOTHING: Final = Said(())
_JSON: Final = JSON_TYPE.encode()
_STRUCTURED: Final = STRUCTURED_TYPE.encode()


def said_by(record: Record) -> tuple[Said, str]:
    """What a record says, and the time (RFC 3339) its event carries. Raises `Rejected` naming what breaks the contract.

    Binary mode, which all our services write, takes the short way: the headers that matter and nothing else.
    """
    headers = dict(record.headers)
    event_type = headers.get("ce_type")
    content_type = headers.get("content-type", _JSON)
    if event_type is None or (content_type != _JSON and content_type.startswith(_STRUCTURED)):
        return _said_by_envelope(from_kafka(record.value, record.headers))
    time = headers.get("ce_time", b"").decode("latin-1")
    reading = _BY_BYTES.get(event_type)
    if reading is None:
        return NOTHING, time
    try:
        sequence = int(headers["ce_sequence"])
        subject = headers["ce_subject"].decode()
    except (KeyError, ValueError):
        # The envelope knows better what is wrong, and says so.
        return _said_by_envelope(from_kafka(record.value, record.headers))
    return _read(reading, record.value or b"", sequence, subject), time


def _said_by_envelope(event: Envelope) -> tuple[Said, str]:
    reading = READINGS.get(event.type)
    time = event.time.astimezone(UTC).isoformat()
    if reading is None:
        return NOTHING, time
    if event.sequence is None:
        raise Rejected(
            [
                Violation(
                    "sequence",
                    "sequence-missing",
                    "Sự kiện của dịch vụ phải có «sequence».",
                    "A service's event must carry «sequence».",
                )
            ]
        )
    return _read(reading, event.data, event.sequence, event.subject), time


def _read(reading: Reading, value: bytes, sequence: int, subject: str) -> Said:
    decoder, said = reading
    if not 0 < sequence < FINAL:
        raise broken("sequence")
    try:
        return said(decoder.decode(value), sequence, subject)
    except msgspec.DecodeError as error:
        raise broken(field_of(error)) from None
    except (ArithmeticError, TypeError, ValueError):
        # Of a value that nobody thought of, one event breaks and not the batch that it is in.
        raise broken("data") from None


def field_of(error: msgspec.DecodeError) -> str:
    """Which field of an event's data could not be decoded; the value itself is never repeated."""
    # The message ends in the path of the field.
    _, _, path = str(error).rpartition("$")
    return f"data{path.rstrip('`')}"


def broken(field: str) -> Rejected:
    """The refusal of an event because of one field of it."""
    return Rejected([Violation(field, field, f"Trường «{field}» không hợp lệ.", f"Field «{field}» is not valid.")])


def moment(time: str) -> datetime | None:
    """An event's own time, aware; None where it is no time (it then says nothing about freshness)."""
    try:
        value = datetime.fromisoformat(time)
    except ValueError:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
