"""Events as the services publish them, made from the contracts themselves, and random histories of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from shared.contracts import Contract, Envelope, cases, registry
from shared.contracts.base import SealedBox
from shared.messaging.processing import Record

NOW = datetime(2026, 10, 31, 5, 0, tzinfo=UTC)
BOX = SealedBox(sealed="A256GCM", kid="child/1", text="AAAA")
UNITS = ("05443", "05455", "unclassified")
HOME = cases.CaseFacts(
    unit="05443",
    sex="female",
    age_band="6-10",
    kind="violence",
    risk="high",
    status="open",
    step="intake",
    sector="hotline",
    channel="hotline-111",
    opened_at=NOW,
)
WORRY = cases.ConcernFacts(
    unit="05443",
    sex="female",
    age_band="6-10",
    kind="violence",
    danger_now="yes",
    sector="hotline",
    channel="hotline-111",
    status="received",
    received_at=NOW,
)
CHILD = registry.ChildFacts(unit="05443", sex="male", birth_year=2016, birth_month=5)


@dataclass(frozen=True)
class Event:
    """An event of one subject, with its number among that subject's events."""

    data: Contract
    subject: str
    sequence: int

    @property
    def topic(self) -> str:
        return "registry.children.v1" if self.data.PUBLISHER == "registry" else "cases.cases.v1"

    def record(self, offset: int = 0, partition: int = 0, time: datetime = NOW) -> Record:
        envelope = Envelope(
            id=f"{self.subject}-{self.sequence}",
            source=f"/services/{self.data.PUBLISHER}",
            type=self.data.TYPE,
            subject=self.subject,
            time=time,
            data=b"",
            sequence=self.sequence,
        )
        value = self.data.model_dump_json(exclude_none=True).encode()
        return Record(self.topic, partition, offset, self.subject, value, tuple(envelope.headers()))


def records(events: Sequence[Event], first_offset: int = 0) -> list[Record]:
    """The events as records of one partition each topic."""
    return [event.record(offset) for offset, event in enumerate(events, first_offset)]


def case_facts(**changes: Any) -> cases.CaseFacts:
    return HOME.model_copy(update=changes)


def concern(name: str, sequence: int, **changes: Any) -> Event:
    facts = WORRY.model_copy(update=changes)
    return Event(cases.ConcernReceived(concern_id=name, facts=facts), name, sequence)


def case(name: str, sequence: int, **changes: Any) -> Event:
    return Event(cases.CaseReclassified(case_id=name, facts=case_facts(**changes)), name, sequence)


def deadline(name: str, of_case: str, sequence: int, state: str, **changes: Any) -> Event:
    model = _CLOCK.get(state, cases.DeadlineMet)
    data = model(
        case_id=of_case,
        facts=case_facts(**changes),
        deadline_id=name,
        kind="emergency-12h",
        state=state,
        due=NOW,
        legal_source="Decree 56/2017, Art. 26(3)",
        **({"reason": "force-majeure"} if state == "paused" else {}),
    )
    return Event(data, of_case, sequence)


def task(name: str, of_case: str, sequence: int, model: type[Contract], **changes: Any) -> Event:
    data = model(
        case_id=of_case,
        facts=case_facts(**changes),
        task_id=name,
        task_kind="examine",
        task_sector="health",
        due=NOW,
        **_TASK_MORE.get(model, {}),
    )
    return Event(data, of_case, sequence)


def service(name: str, of_case: str, sequence: int, kind: str = "medical", **changes: Any) -> Event:
    data = cases.CaseServiceProvided(
        case_id=of_case,
        facts=case_facts(**changes),
        service_id=name,
        service=kind,
        provided_on=date(2026, 10, 30),
        service_sector="health",
    )
    return Event(data, of_case, sequence)


def incident(name: str, sequence: int, **changes: Any) -> Event:
    facts: dict[str, Any] = {"kind": "drowning", "outcome": "fatal", "unit": "05443", "sector": "health"} | changes
    data = cases.CaseIncidentRecorded(
        incident_id=name, place=None, sex="male", age_band="6-10", **{"occurred_on": date(2026, 8, 1), **facts}
    )
    return Event(data, name, sequence)


def child(name: str, sequence: int, **changes: Any) -> Event:
    facts = CHILD.model_copy(update=changes)
    return Event(registry.ChildCorrected(child_id=name, facts=facts, child=BOX, sector="dolisa"), name, sequence)


def merge(stays: str, gone: str, sequence: int) -> Event:
    return Event(registry.ChildMerged(child_id=stays, merged_id=gone, facts=CHILD), stays, sequence)


def split(new: str, from_child: str, sequence: int) -> Event:
    return Event(registry.ChildSplit(child_id=new, from_child_id=from_child, facts=CHILD), new, sequence)


def linked(name: str, of_child: str, sequence: int, register: str = "commune-roster", **changes: Any) -> Event:
    facts: dict[str, Any] = {"unit": "05443", "sex": "male", "birth_year": 2016, "sector": "dolisa"} | changes
    data = registry.RecordLinked(record_id=name, child_id=of_child, register_kind=register, **facts)
    return Event(data, name, sequence)


def life(name: str, sequence: int, status: str, **changes: Any) -> Event:
    """What became of a child's record, by the event that says so."""
    facts = CHILD.model_copy(update={"status": status, **changes})
    model, said = _LIFE[status]
    return Event(model.model_validate({"child_id": name, "facts": facts, **said}), name, sequence)


def erased(name: str, sequence: int) -> Event:
    return Event(registry.ChildErased(child_id=name), name, sequence)


def unlinked(name: str, of_child: str, sequence: int) -> Event:
    return Event(registry.RecordWithdrawn(record_id=name, child_id=of_child), name, sequence)


_DAY = date(2026, 10, 30)
_LIFE: dict[str, tuple[type[Contract], dict[str, Any]]] = {
    "active": (registry.ChildReturned, {"was": "withdrawn"}),
    "aged-out": (registry.ChildAgedOut, {"on": _DAY}),
    "deceased": (registry.ChildDeceased, {"died_on": _DAY}),
    "moved-away": (registry.ChildMoved, {"moved_on": _DAY, "from_unit": "05443"}),
    "adopted": (registry.ChildAdopted, {"on": _DAY}),
    "withdrawn": (registry.ChildWithdrawn, {"reason": "made-up"}),
}


def _pick(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


_CLOCK: dict[str, Any] = {
    "running": cases.DeadlineStarted,
    "missed": cases.DeadlineMissed,
    "nearing": cases.DeadlineResumed,
    "paused": cases.DeadlinePaused,
}
_TASK_MORE: dict[type[Contract], dict[str, Any]] = {
    cases.TaskCancelled: {"cause": "withdrawn"},
    cases.TaskFollowedCase: {"cause": "transferred", "state": "accepted"},
    cases.TaskDateProposed: {"proposed": NOW},
    cases.TaskReplied: {"state": "accepted"},
}
_UNIT = _pick(*UNITS)
_STATUS = _pick("open", "closed", "merged")
_STATE = _pick("running", "missed", "met", "paused", "nearing", "lapsed")
_TASK = _pick(
    cases.TaskRequested,
    cases.TaskAccepted,
    cases.TaskDone,
    cases.TaskOverdue,
    cases.TaskCancelled,
    cases.TaskFollowedCase,
    cases.TaskQuestioned,
    cases.TaskReplied,
    cases.TaskDateProposed,
    cases.TaskReminded,
)
_WHAT = (
    "concern",
    "case",
    "deadline",
    "task",
    "service",
    "incident",
    "child",
    "linked",
    "merge",
    "life",
    "unlinked",
    "erased",
)
_GROUPS = st.lists(_pick("01", "04", "09"), max_size=2)
_REGISTER = _pick("commune-roster", "school-roster", "health-record")


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What a province did to a handful of concerns, cases, children and records, in the order in which it did it."""
    numbers: dict[str, int] = {}
    gone: set[str] = set()
    events: list[Event] = []

    def following(subject: str) -> int:
        numbers[subject] = numbers.get(subject, 0) + 1
        return numbers[subject]

    for _ in range(draw(st.integers(1, 25))):
        what = draw(_pick(*_WHAT))
        unit, which = draw(_UNIT), draw(_pick("1", "2", "3"))
        if what == "concern":
            facts = {"danger_now": draw(_pick("yes", "no")), "request": draw(_pick("protection", "counselling"))}
            events.append(concern("concern" + which, following("concern" + which), unit=unit, **facts))
        elif what == "incident":
            outcome = draw(_pick("minor", "fatal"))
            events.append(incident("incident" + which, following("incident" + which), unit=unit, outcome=outcome))
        elif what in {"case", "deadline", "task", "service"}:
            name = "case" + which
            number, status = following(name), draw(_STATUS)
            if what == "case":
                where = draw(_pick("family", "school", None))
                events.append(case(name, number, unit=unit, status=status, environment=where))
            elif what == "service":
                given = draw(_pick("medical", "legal"))
                events.append(service(f"service-of-{name}", name, number, given, unit=unit, status=status))
            elif what == "deadline":
                events.append(deadline(f"clock-of-{name}", name, number, draw(_STATE), unit=unit, status=status))
            else:
                events.append(task(f"task-of-{name}", name, number, draw(_TASK), unit=unit, status=status))
        elif what == "child":
            events.append(child("child" + which, following("child" + which), unit=unit, circumstances=draw(_GROUPS)))
        elif what == "life":
            facts = {"status": draw(_pick(*_LIFE)), "unit": unit, "circumstances": draw(_GROUPS)}
            events.append(life("child" + which, following("child" + which), **facts))
        elif what == "erased":
            # Nothing is merged into a child that is gone, and it is erased in the end, for good.
            events.append(erased("child" + which, following("child" + which)))
            gone.add("child" + which)
        elif what == "unlinked":
            name = "record" + draw(_pick("1", "2", "3", "4"))
            events.append(unlinked(name, "child" + which, following(name)))
        elif what == "linked":
            name = "record" + draw(_pick("1", "2", "3", "4"))
            events.append(
                linked(
                    name,
                    "child" + which,
                    following(name),
                    draw(_REGISTER),
                    unit=unit,
                    circumstances=draw(_GROUPS),
                    dropped_out=draw(st.booleans()),
                )
            )
        else:
            stays, leaves = "child" + which, "child" + draw(_pick("1", "2", "3"))
            # A record that is gone cannot be merged a second time, and nothing is merged into it.
            if stays != leaves and not {stays, leaves} & gone:
                gone.add(leaves)
                events.append(merge(stays, leaves, following(stays)))
    return events
