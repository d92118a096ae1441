"""The rules of notifying: what happened in a few codes, whom it concerns, when to try again, when to give up.

Pure: no database, no network, no clock of its own. No identity can enter: what leaves is picked from a short list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import orjson

from shared.contracts.base import TYPE_PREFIX, Contract
from shared.contracts.envelope import Envelope
from shared.identity import ALL_UNITS, Permission, Principal

ChannelName = Literal["webhook", "email", "kafka"]
SubscriptionState = Literal["active", "paused", "disabled", "deleted"]
DeliveryState = Literal["pending", "succeeded", "failed"]
TEST_TYPE = "notify.test"

# All that a partner hears besides type, time, place and link. A field that is not named here never leaves.
PUBLIC_CODES = (
    "case_id",
    "concern_id",
    "task_id",
    "task_kind",
    "task_sector",
    "deadline_id",
    "legal_source",
    "danger_now",
    "indicator",
    "value",
    "period",
)
_DEADLINE = "cases.deadline."


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, where and by when something has to follow; codes and ids, nothing else."""

    id: str
    event_type: str
    time: datetime
    unit: str | None
    case_id: str | None
    due: datetime | None
    sector: str | None
    codes: Mapping[str, str | float]
    case_code: str | None = None


def happening_of(event: Envelope, data: Contract, message_id: str) -> Happening:
    """What an event says that may be passed on. `message_id` is the same whenever the event comes again."""
    facts = getattr(data, "facts", None)
    due = getattr(data, "due", None)
    codes = {name: value for name in PUBLIC_CODES if isinstance(value := getattr(data, name, None), str | float)}
    danger = getattr(facts, "danger_now", None)
    if danger is not None:
        codes["danger_now"] = danger
    event_type = short_type(event.type)
    # Of records, `due` is how many are to be verified again: a number is no moment.
    due = getattr(data, "due", None)
    if event_type.startswith(_DEADLINE):
        codes["deadline_kind"] = getattr(data, "kind", "")
    return Happening(
        id=message_id,
        event_type=event_type,
        time=event.time,
        unit=getattr(data, "unit", None) or getattr(facts, "unit", None),
        case_id=getattr(data, "case_id", None),
        due=due if isinstance(due, datetime) else None,
        sector=getattr(data, "task_sector", None),
        codes=codes,
        case_code=getattr(facts, "code", None) if getattr(data, "case_id", None) else None,
    )


def short_type(event_type: str) -> str:
    """`vn.vongtay.cases.case.opened` as `cases.case.opened`."""
    return event_type.removeprefix(TYPE_PREFIX)


def candidates(event_type: str) -> list[str]:
    """Every pattern that matches a type: itself, each of its beginnings with `.*`, and `*`."""
    parts = event_type.split(".")
    return ["*", *(".".join([*parts[:end], "*"]) for end in range(1, len(parts))), event_type]


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern covers an event type."""
    return pattern in candidates(event_type)


def path_of(happening: Happening) -> str:
    """Where one looks: a path of ours, opened only by who may."""
    if happening.case_id:
        # The door is there also for who asked and was not let in.
        door = "/access" if happening.event_type.startswith(("cases.team.", "cases.access.")) else ""
        return f"/cases/c/{happening.case_id}{door}"
    indicator = happening.codes.get("indicator")
    if indicator and happening.event_type.startswith("stats."):
        return f"/stats/indicators/{indicator}"
    period = happening.codes.get("period")
    if period and happening.event_type.startswith("stats.period."):
        return f"/stats/periods/{period}"
    return f"/{happening.event_type.split('.', 1)[0]}"


def path_for(audience: str, happening: Happening, path: str) -> str:
    """Where an audience looks. A sector sees no case: it is led to its task, or to its own day."""
    if not audience.startswith("sector/") or not happening.case_id:
        return path
    task_id = happening.codes.get("task_id")
    return f"/cases/tasks/{task_id}" if task_id else "/cases/"


def payload_of(happening: Happening, unit_name: str, base_url: str) -> bytes:
    """The body that partners receive (Standard Webhooks' type, timestamp, data), byte for byte the same at each try."""
    data: dict[str, Any] = {"event_id": happening.id, **happening.codes}
    if happening.unit:
        data |= {"unit": happening.unit, "unit_name": unit_name}
    if happening.due:
        data["due"] = happening.due.isoformat()
    data["link"] = base_url + path_of(happening)
    document = {"type": TYPE_PREFIX + happening.event_type, "timestamp": happening.time.isoformat(), "data": data}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


# What concerns the people of a case team alone: told in the app, passed on to nobody.
_INTERNAL = ("cases.team.", "cases.access.", "cases.case.assigned")


def is_internal(event_type: str) -> bool:
    """Whether an event type is the house's own affair, for which nobody can subscribe."""
    return event_type.startswith(_INTERNAL)


# Whom the house tells by itself


@dataclass(frozen=True, slots=True)
class Tell:
    """One addressee of a rule: a role in the event's commune, in the whole province, in the commune that a case is
    offered to, of the asked sector or of those invited; or the account that a field of the event names, which then
    stands for the role."""

    role: str
    scope: Literal["unit", "province", "to-unit", "task-sector", "sectors", "account"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Events (patterns) that meet `when` (dotted fields with their values) are told to `tell`, urgently or not."""

    name: str
    events: tuple[str, ...]
    when: Mapping[str, str]
    tell: tuple[Tell, ...]
    urgent: bool

    def holds(self, event_type: str, data: Contract) -> bool:
        """Whether the rule speaks of this event."""
        fits = any(matches(pattern, event_type) for pattern in self.events)
        return fits and all(_field(data, path) == value for path, value in self.when.items())


def addressees(rules: Iterable[Rule], happening: Happening, data: Contract) -> dict[str, bool]:
    """Whom to tell in the app: audience -> whether it is urgent. Each audience once, however many rules name it."""
    told: dict[str, bool] = {}
    for rule in rules:
        if rule.holds(happening.event_type, data):
            for tell in rule.tell:
                for audience in _audiences(tell, happening, data):
                    told[audience] = told.get(audience, False) or rule.urgent
    return told


def _audiences(tell: Tell, happening: Happening, data: Contract) -> list[str]:
    """One, or none where the event does not say of whom; of the sectors invited, each."""
    if tell.scope == "province":
        return [tell.role]
    if tell.scope == "sectors":
        return [f"sector/{sector}" for sector in getattr(data, "sectors", None) or [_field(data, "sector")] if sector]
    within, place = {
        "account": ("person", _field(data, tell.role)),
        "task-sector": ("sector", happening.sector),
        "to-unit": (tell.role, _field(data, "to_unit")),
        "unit": (tell.role, happening.unit),
    }[tell.scope]
    return [f"{within}/{place}"] if place else []


def audiences_of(principal: Principal, all_units: Sequence[str]) -> list[str]:
    """The audiences that a person belongs to, as `addressees` names them."""
    role = principal.role.value
    units = all_units if principal.units == ALL_UNITS else sorted(principal.units)
    found = [f"person/{principal.id}", role, *(f"{role}/{unit}" for unit in units)]
    if principal.sector:
        found.append(f"sector/{principal.sector}")
    if principal.org:
        found.append(f"org/{principal.org}")
    return found


def _field(data: object, path: str) -> object:
    for name in path.split("."):
        data = getattr(data, name, None)
    return data


# Who may subscribe to what


def may_subscribe(principal: Principal, event_type: str) -> bool:
    """Whether somebody's role lets them hear of an event type: the same doors as for the pages behind it."""
    if is_internal(event_type):
        return False
    publisher = event_type.split(".", 1)[0]
    if publisher == "stats" and not event_type.startswith("stats.period."):
        # Figures as they change: one child is the difference of two. Others have what a period releases.
        return principal.may(Permission.SEE_CASES)
    if principal.may(Permission.MANAGE_ENDPOINTS):
        return True
    if publisher == "cases":
        asked = event_type.startswith("cases.task.") and principal.may(Permission.ANSWER_TASKS)
        return asked or principal.may(Permission.SEE_CASES)
    if publisher == "registry":
        return principal.may(Permission.SEE_CHILDREN)
    return publisher == "stats" and principal.may(Permission.SEE_STATISTICS)


# When to try again

# The schedule that the Standard Webhooks specification proposes: ten tries over three days.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
_LONGEST_WAIT = timedelta(hours=24)
JITTER = 0.2

Outcome = Literal["taken", "again", "gone"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt. `response` is the beginning of what the other side said."""

    outcome: Outcome
    duration_ms: int
    status: int | None = None
    response: str = ""
    reason: str | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for the delivery: settled, or due again."""

    state: DeliveryState
    due_at: datetime | None
    reason: str | None


def verdict(sent: Sent, attempts: int, now: datetime, chance: float) -> Verdict:
    """In: an attempt, how many there were with it, now, a random number in 0..1. Out: what follows."""
    if sent.outcome == "taken":
        return Verdict("succeeded", None, None)
    if sent.outcome == "gone" or attempts > len(BACKOFF):
        return Verdict("failed", None, sent.reason)
    wait = BACKOFF[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    if sent.retry_after is not None:
        wait = max(wait, min(sent.retry_after, _LONGEST_WAIT))
    return Verdict("pending", now + wait, sent.reason)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header (seconds or a date, RFC 9110 10.2.3) as a wait; None where it says nothing usable."""
    if not value:
        return None
    if value.strip().isdecimal():
        return timedelta(seconds=min(int(value), int(_LONGEST_WAIT.total_seconds())))
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError):
        return None
    return wait if wait > timedelta(0) else None


def outlived(failing_since: datetime | None, now: datetime, limit: timedelta) -> bool:
    """Whether an endpoint has failed without a success for so long that nobody seems to be there."""
    return failing_since is not None and now - failing_since >= limit
