"""Who is told what by the house itself, how urgently and by when: rules as data, checked against the contracts they
speak of.

Data with source and effective dates; it never says how anybody is reached: that is the service's and the person's to
say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from shared.contracts import CONTRACTS
from shared.contracts.base import TYPE_PREFIX, Contract
from shared.contracts.cases import DeadlineEvent
from shared.reference.deadlines import Deadlines
from shared.reference.files import ReferenceDataError, kept, read_shipped, read_yaml
from shared.reference.notify_ladders import Ladders
from shared.reference.terms import Terms
from shared.reference.units import Units

_FILE = "notify-rules.yaml"
Urgency = Literal["emergency", "urgent", "normal", "low"]
# From the most urgent on.
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)
Relation = Literal["responsible", "team", "asked"]
HEARD_PUBLISHERS = ("cases", "registry", "stats")
# Whom a rule may name; a partner hears within an agreement, a machine by what it subscribes to.
TOLD_ROLES = ("worker", "chair", "hotline", "coordinator", "statistician", "operator")
# Pydantic keeps its own name for a moment with a zone.
_MOMENTS: frozenset[object] = frozenset({datetime, AwareDatetime})
_GROUP_BY = ("unit", "sector")
# What is older is the past for every rule (notify-delivery.yaml).
_MOST_LIVE_HOURS = 72
# Fields of which a code list says what there is.
LISTS = {
    "facts.kind": "case-kinds",
    "facts.outcome": "case-outcomes",
    "facts.channel": "channels",
    "facts.sector": "sectors",
    "facts.environment": "environments",
    "facts.harmer": "harmers",
    "task_kind": "task-kinds",
    "task_sector": "sectors",
    "measure": "emergency-measures",
    "service": "service-kinds",
    "care": "care-kinds",
    "sector": "sectors",
}


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a rule tells: exactly one of role (with its place), sector, account and relation is given.

    `of`: `unit`, `province`, or the field that names a commune. `sector`, `account`: the field that names them.
    """

    role: str | None = None
    of: str | None = None
    sector: str | None = None
    account: str | None = None
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class By:
    """Until when something must follow: a moment in the event, or a clock of the law from a moment of it on."""

    field: str | None = None
    deadline: str | None = None
    from_field: str | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """From how many notices within how many minutes on the rest of that time is one line, for each `by`."""

    after: int
    minutes: int
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """One rule. `when`, `unless`: dotted field -> values. `law`: it may be widened by a province, never taken away.

    `live_hours`: how old an event may be and still be told by it; None: as its urgency has it.
    """

    name: str
    vi: str
    en: str
    source_vi: str
    source_en: str
    effective_from: date
    events: tuple[str, ...]
    urgency: Urgency
    tell: tuple[Addressee, ...]
    effective_to: date | None = None
    when: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    units: frozenset[str] = frozenset()
    by: By | None = None
    ladder: str | None = None
    group: Grouping | None = None
    live_hours: float | None = None
    law: bool = False

    @property
    def urgent(self) -> bool:
        """Whether it is told at once."""
        return self.urgency in {"emergency", "urgent"}

    def is_in_force(self, day: date) -> bool:
        """Whether it holds on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    def speaks_of(self, event_type: str) -> bool:
        """Whether it is about a type (short: `cases.case.opened`), whatever the event says."""
        return any(_covers(pattern, event_type) for pattern in self.events)


class NotifyRules:
    """All rules, past and present. Raises `ReferenceDataError` where one speaks of what no contract or list has.

    Args:
        rules: in the order of the file. ladders: that an emergency may have. clocks, units: what rules may name.
    """

    def __init__(
        self, rules: Sequence[NotifyRule], ladders: Ladders, clocks: Collection[str], units: Collection[str]
    ) -> None:
        self._rules = tuple(rules)
        heard = heard_contracts()
        for rule in self._rules:
            for problem in _problems(rule, heard, ladders, clocks, units):
                raise ReferenceDataError(f"{_FILE}: {rule.name}: {problem}")
        self._of: dict[str, tuple[NotifyRule, ...]] = {
            event_type: tuple(rule for rule in self._rules if rule.speaks_of(event_type)) for event_type in heard
        }

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file, with the province's own over it. Raises `ReferenceDataError`."""
        document, shipped = read_yaml(_FILE), read_shipped(_FILE)
        rules = _rules(document)
        _check_law(_rules(shipped), {rule.name: rule for rule in rules})
        return cls(rules, Ladders.load(), Deadlines.load().kinds(), Units.load().codes())

    def of(self, event_type: str) -> tuple[NotifyRule, ...]:
        """The rules that are about a type, in force or not."""
        return self._of.get(event_type, ())

    def named(self, name: str) -> NotifyRule | None:
        """A rule by its name."""
        return next((rule for rule in self._rules if rule.name == name), None)

    def __iter__(self) -> Iterator[NotifyRule]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


def heard_contracts() -> dict[str, type[Contract]]:
    """What notify hears, by short type."""
    return {
        name.removeprefix(TYPE_PREFIX): model
        for name, model in CONTRACTS.items()
        if model.PUBLISHER in HEARD_PUBLISHERS and model.TOPIC is None
    }


def _covers(pattern: str, event_type: str) -> bool:
    return event_type == pattern or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


# Reading


def _rules(document: Any) -> list[NotifyRule]:
    if not isinstance(document, Mapping) or not {"sources", "rules"} <= document.keys():
        raise ReferenceDataError(f"{_FILE}: sources and rules are expected")
    return [
        _rule(name, row, document["sources"])
        for name, row in document["rules"].items()
        if row is not None  # taken away by the province
    ]


def _rule(name: str, row: Any, sources: Mapping[str, Any]) -> NotifyRule:
    try:
        source = sources[row["source"]]
        by = row.get("by")
        plain = {key: value for key, value in row.items() if key not in _READ_APART}
        return NotifyRule(
            name=name,
            source_vi=source["vi"],
            source_en=source["en"],
            events=tuple(row["events"]),
            when=_conditions(row.get("when")),
            unless=_conditions(row.get("unless")),
            units=frozenset(row.get("units", ())),
            by=By(by.get("field"), by.get("deadline"), by.get("from")) if by else None,
            group=_grouping(row["group"]) if row.get("group") else None,
            tell=tuple(Addressee(**item) for item in row["tell"]),
            **plain,
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ReferenceDataError(f"{_FILE}: {name}: {error!r}") from None


_READ_APART = {"source", "events", "when", "unless", "units", "by", "group", "tell"}


def _conditions(row: Mapping[str, Sequence[object]] | None) -> dict[str, tuple[object, ...]]:
    return {path: tuple(values) for path, values in (row or {}).items()}


def _grouping(row: Mapping[str, Any]) -> Grouping:
    return Grouping(row["after"], row["minutes"], tuple(row["by"]))


def _check_law(shipped: Sequence[NotifyRule], laid_over: Mapping[str, NotifyRule]) -> None:
    """A province adds to what the law asks for, and takes nothing from it."""
    for law in shipped:
        own = laid_over.get(law.name)
        if not law.law:
            continue
        if own is None:
            raise ReferenceDataError(f"{_FILE}: {law.name} follows from law and cannot be taken away")
        same = [one.name for one in fields(law) if one.name not in {"tell", "urgency", "events", "group", "vi", "en"}]
        if any(getattr(law, name) != getattr(own, name) for name in same) or not (
            set(law.tell) <= set(own.tell)
            and set(law.events) <= set(own.events)
            and URGENCIES.index(own.urgency) <= URGENCIES.index(law.urgency)
        ):
            raise ReferenceDataError(
                f"{_FILE}: {law.name} follows from law: it can be told to more people, not to fewer"
            )


# Checking


def _problems(
    rule: NotifyRule,
    heard: Mapping[str, type[Contract]],
    ladders: Ladders,
    clocks: Collection[str],
    units: Collection[str],
) -> Iterator[str]:
    if not (rule.vi and rule.en and rule.source_vi and rule.source_en):
        yield "needs a name and a source in both languages"
    if not isinstance(rule.effective_from, date) or (rule.effective_to and rule.effective_to <= rule.effective_from):
        yield "needs its first day, and ends after it"
    if rule.urgency not in URGENCIES:
        yield f"{rule.urgency} is no urgency; there are {', '.join(URGENCIES)}"
    if unknown := rule.units - set(units):
        yield f"there is no commune {', '.join(sorted(unknown))}"
    yield from _problems_of_emergency(rule, ladders)
    yield from _problems_of_life(rule)
    yield from _problems_of_group(rule)
    if not rule.tell or not rule.events:
        yield "tells nobody, or of nothing"
    for pattern in rule.events:
        models = [model for name, model in heard.items() if _covers(pattern, name)]
        if not models:
            yield f"no event that is heard is a {pattern}"
        for model in models:
            yield from _problems_with(rule, model, clocks)


def _problems_of_emergency(rule: NotifyRule, ladders: Ladders) -> Iterator[str]:
    if (rule.urgency == "emergency") != (rule.ladder is not None):
        yield "an emergency, and nothing else, needs a ladder"
    if rule.ladder is not None and rule.ladder not in ladders:
        yield f"there is no ladder {rule.ladder} in notify-ladders.yaml"


def _problems_of_life(rule: NotifyRule) -> Iterator[str]:
    if rule.live_hours is None:
        return
    if rule.urgency == "emergency":
        yield "how old an emergency may be is not a rule's to say"
    if not 0 < rule.live_hours <= _MOST_LIVE_HOURS:
        yield f"live_hours is more than 0 and at most {_MOST_LIVE_HOURS}"


def _problems_of_group(rule: NotifyRule) -> Iterator[str]:
    if rule.group is None:
        return
    if rule.urgency == "emergency":
        yield "an emergency is never one of many in a line"
    if rule.group.after < 1 or rule.group.minutes < 1 or not set(rule.group.by) <= set(_GROUP_BY):
        yield f"a group needs `after` and `minutes` of at least 1, and `by` of {', '.join(_GROUP_BY)}"


def _problems_with(rule: NotifyRule, model: type[Contract], clocks: Collection[str]) -> Iterator[str]:
    """What the rule says that this event cannot answer."""
    event_type = model.TYPE.removeprefix(TYPE_PREFIX)
    for path, values in (*rule.when.items(), *rule.unless.items()):
        found = field_of(model, path)
        if found is None:
            yield f"{event_type} has no field {path}"
        elif wrong := [value for value in values if not _may_be(model, path, found, value, clocks)]:
            yield f"{path} of {event_type} is never {', '.join(map(str, wrong))}"
    for addressee in rule.tell:
        yield from (f"{problem} ({event_type})" for problem in _problems_of_addressee(addressee, model))
    if rule.by is not None:
        yield from (f"{problem} ({event_type})" for problem in _problems_of_by(rule.by, model, clocks))
    if rule.ladder is not None and field_of(model, Ladders.load()[rule.ladder].one_for) is None:
        yield f"{event_type} has no {Ladders.load()[rule.ladder].one_for}, for which there is one ladder"


def _problems_of_addressee(addressee: Addressee, model: type[Contract]) -> Iterator[str]:
    named = [addressee.role, addressee.sector, addressee.account, addressee.relation]
    if sum(one is not None for one in named) != 1 or (addressee.role is None) != (addressee.of is None):
        yield "tell names one of: role with of, sector, account, relation"
        return
    if addressee.role is not None:
        if addressee.role not in TOLD_ROLES:
            yield f"no role that is told is called {addressee.role}"
        if not _has_place(model, addressee.of or ""):
            yield f"there is no {addressee.of} in it"
    for path in (addressee.sector, addressee.account):
        if path is not None and field_of(model, path) is None:
            yield f"there is no {path} in it"
    if addressee.relation is not None:
        if addressee.relation not in get_args(Relation):
            yield f"nobody's relation to a case is {addressee.relation}"
        if field_of(model, "case_id") is None:
            yield "it is about no case, to which somebody had a relation"


def _problems_of_by(by: By, model: type[Contract], clocks: Collection[str]) -> Iterator[str]:
    if (by.field is None) == (by.deadline is None):
        yield "by names a field or a deadline"
    for path in (by.field, by.from_field):
        if path is not None and not _types(field_of(model, path)) & _MOMENTS:
            yield f"{path} is no moment in it"
    if by.deadline is not None and by.deadline not in clocks:
        yield f"there is no deadline {by.deadline}"


def _has_place(model: type[Contract], of: str) -> bool:
    if of == "province":
        return True
    if of == "unit":
        return field_of(model, "unit") is not None or field_of(model, "facts.unit") is not None
    return of.endswith("unit") and field_of(model, of) is not None


def _may_be(model: type[Contract], path: str, annotation: object, value: object, clocks: Collection[str]) -> bool:
    allowed = [one for part in _parts(annotation) if get_origin(part) is Literal for one in get_args(part)]
    if allowed:
        return value in allowed
    if path in LISTS:
        return value in Terms.load(LISTS[path])
    if path == "kind" and issubclass(model, DeadlineEvent):
        return value in clocks
    return isinstance(value, tuple(_types(annotation)))


def field_of(model: type[BaseModel], path: str) -> object | None:
    """The annotation of a dotted field of a contract; None where there is no such field."""
    head, _, rest = path.partition(".")
    known = model.model_fields.get(head)
    if known is None:
        return None
    if not rest:
        return known.annotation
    for inner in _types(known.annotation):
        if issubclass(inner, BaseModel) and (found := field_of(inner, rest)) is not None:
            return found
    return None


def _parts(annotation: object) -> Iterator[object]:
    """The members of a union, without what decorates them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _types(annotation: object) -> set[type]:
    return {part for part in _parts(annotation) if isinstance(part, type)}
