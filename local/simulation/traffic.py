"""What the agencies of the made-up province publish: clean, and as dirty as life (twice, late, corrected, broken)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from local.simulation.world import CAUSES, KINDS, Child, Concern, Injury, World
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.vocabulary import Sector, age_on

Document = dict[str, Any]
_PAST_DAYS = 90
# About as in the province; and where what happens.
_PEOPLES = {"Kinh": 62, "Tày": 17, "Nùng": 8, "Sán Dìu": 4, "Sán Chay": 3, "Dao": 3, "Mông": 2, "Hoa": 1}
_ANYWHERE = {"home": 5, "school": 3, "road": 1, "public-place": 1}
_PLACES = {
    "Tai nạn giao thông": {"road": 1},
    "Đuối nước": {"water": 1},
    "Bạo lực học đường": {"school": 1},
    "Bạo lực gia đình": {"home": 1},
    "Tai nạn lao động": {"work": 1},
}


@dataclass(frozen=True, slots=True)
class Sent:
    """One event on its way: whose, and the structured CloudEvent (malformed ones on purpose)."""

    sector: Sector
    document: Document
    malformed: bool = False


@dataclass(slots=True)
class Traffic:
    """Events in the order in which each sector publishes them, and the true figures once all have arrived."""

    events: list[Sent] = field(default_factory=list)
    _final: dict[tuple[str, str], Sent] = field(default_factory=dict)

    def add(self, sent: Sent) -> None:
        """Publish; the last wording of a source's id is the one that counts."""
        self.events.append(sent)
        if not sent.malformed:
            self._final[sent.document["source"], sent.document["id"]] = sent

    def truth(self) -> dict[str, Any]:
        """The figures, in the form that `vongtay verify --expect` reads."""
        by_type: dict[str, list[tuple[Sector, Document]]] = {}
        for sent in self._final.values():
            name = sent.document["type"].removeprefix(TYPE_PREFIX)
            by_type.setdefault(name, []).append((sent.sector, sent.document["data"]))
        concerns = [data for _, data in by_type.get("agency.concern.reported", [])]
        injuries = [data for sector, data in by_type.get("agency.incident.recorded", []) if sector == "health"]
        records = [data for _, data in by_type.get("agency.child.recorded", [])]
        roster = [data for data in records if data["register_kind"] == "commune-roster"]
        return {
            "children": {
                "from_commune_roster": len(roster),
                "by_unit": _count(roster, lambda data: [data["unit"]]),
                "circumstances": _count(roster, lambda data: data["circumstances"]),
                "dropped_out": sum(data["dropped_out"] for data in records),
            },
            "concerns": {
                "total": len(concerns),
                "by_kind": _count(concerns, lambda data: data["kinds"][:1]),
                "by_unit": _count(concerns, lambda data: [data["unit"] or "unclassified"]),
                "danger_now": sum(data["danger_now"] == "yes" for data in concerns),
                "by_channel": _count(concerns, lambda data: [data["channel"]]),
            },
            "incidents": {
                "total": len(injuries),
                "by_cause": _count(injuries, lambda data: [data["kind"]]),
                "by_result": _count(injuries, lambda data: [data["outcome"]]),
            },
        }


def traffic(world: World, reports: int, *, seed: int, dirty: float = 0.0) -> Traffic:
    """Everything that agencies publish of a world.

    Args:
        reports: how many concerns; a quarter as many injuries come with them.
        dirty: share of events (0..1) that are also sent twice, corrected, late, or beside which something malformed is
            sent. The truth does not change by it, except that a correction counts.
    """
    random = Random(seed)  # noqa: S311
    result = Traffic()
    late: list[Sent] = []
    for clean in _clean(world, reports, random):
        dirt = random.random() < dirty
        kind = random.choice(("twice", "late", "corrected", "malformed", "echo")) if dirt else ""
        if kind == "late":
            late.append(clean)
            continue
        result.add(clean)
        if kind == "twice":
            result.add(clean)
        elif kind == "corrected":
            late.append(_corrected(clean, random))
        elif kind == "malformed":
            result.add(_malformed(clean, random))
        elif kind == "echo":  # the first wording once more, after its correction: nothing may change back
            correction = _corrected(clean, random)
            result.add(correction)
            result.events.append(clean)
        if late and random.random() < 0.1:
            result.add(late.pop(random.randrange(len(late))))
    for sent in late:
        result.add(sent)
    return result


def _clean(world: World, reports: int, random: Random) -> Iterator[Sent]:
    for child in world.children:
        yield from records_of(child, world.now)
    for number in range(1, reports + 1):
        moment = world.now - timedelta(minutes=random.randrange(10, _PAST_DAYS * 24 * 60))
        yield concern_event(world.concern(number, moment))
        if number % 4 == 0:
            day = (world.now - timedelta(days=random.randrange(1, _PAST_DAYS))).date()
            yield injury_event(world.injury(number, day))


def records_of(child: Child, now: datetime) -> Iterator[Sent]:
    """What the registers say of a child: the commune's roster, and the school's."""
    carers = [{"name": child.mother, "relation": "mẹ"}, {"name": child.father, "relation": "bố"}]
    described = {
        "name": child.name,
        "birth_date": child.birth.isoformat(),
        "sex": child.sex,
        "hamlet": child.hamlet,
        "carers": carers,
    }
    data = {
        "register_kind": "commune-roster",
        "as_of": now.date().isoformat(),
        "child": described | {"ethnicity": _by_number(_PEOPLES, child.number)},
        "unit": child.unit,
        "circumstances": list(child.circumstances),
        "dropped_out": False,
    }
    yield agency_event("dolisa", "agency.child.recorded", f"TE-{child.number}", data, now)
    if child.school is not None:
        at_school = described | {"carers": carers[:1], "school": child.school}
        enrolled = data | {
            "register_kind": "school-roster",
            "child": at_school,
            "circumstances": [],
            "dropped_out": child.dropped_out,
        }
        yield agency_event("education", "agency.child.recorded", f"HS-{child.number}", enrolled, now)


def concern_event(concern: Concern) -> Sent:
    """A report of concern, as its agency publishes it."""
    child, day = concern.child, concern.received_at.date()
    age = age_on(child.birth, day)
    described = _described(child, day)
    if concern.number % 5 < 3:  # who reports in a hurry does not know the birthday
        described["birth_date"] = child.birth.isoformat()
    protection = concern.request == "protection"
    data = {
        "received_at": concern.received_at.isoformat(),
        "channel": concern.channel,
        "reporter": {"name": concern.reporter},
        "child": described,
        "what_happened": concern.story,
        "unit": child.unit,
        "sex": child.sex,
        "age": age,
        "kinds": [concern.kind] if protection else [],
        "environment": concern.environment if protection else None,
        "harmer": concern.harmer if protection else None,
        "danger_now": "yes" if concern.danger else "no",
        "request": concern.request,
        "more_children": [_described(sibling, day) for sibling in concern.siblings] or None,
    }
    return agency_event(concern.sector, "agency.concern.reported", f"BC-{concern.number}", data, concern.received_at)


def _described(child: Child, day: date) -> Document:
    """A child as somebody tells of it who does not know much."""
    return {
        "name": child.name,
        "age": age_on(child.birth, day),
        "sex": child.sex,
        "carers": [{"name": child.mother, "relation": "mẹ"}],
    }


def injury_event(injury: Injury) -> Sent:
    """An injury treated, as the hospital publishes it."""
    data = {
        "kind": injury.cause,
        "occurred_on": injury.occurred_on.isoformat(),
        "outcome": injury.result,
        "place_code": _by_number(_PLACES.get(injury.cause, _ANYWHERE), injury.number),
        "unit": injury.child.unit,
        "sex": injury.child.sex,
        "age": age_on(injury.child.birth, injury.occurred_on),
    }
    moment = datetime.combine(injury.occurred_on, datetime.min.time()).astimezone()
    return agency_event("health", "agency.incident.recorded", f"TN-{injury.number}", data, moment)


def _by_number(shares: Mapping[str, int], number: int) -> str:
    """One of several by its share, and the same for the same number: what is drawn elsewhere does not change by it."""
    return Random(number).choices(list(shares), list(shares.values()))[0]  # noqa: S311 - made-up chance


def agency_event(sector: Sector, name: str, identifier: str, data: Document, moment: datetime) -> Sent:
    document = {
        "specversion": "1.0",
        "id": identifier,
        "source": f"/agency/{sector}/simulation",
        "type": TYPE_PREFIX + name,
        "subject": identifier,
        "time": moment.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Sent(sector, document)


def _corrected(sent: Sent, random: Random) -> Sent:
    """The same statement in other words: something that is counted changes."""
    data = dict(sent.document["data"])
    if "kinds" in data:
        data["kinds"] = [random.choice([kind for kind in KINDS if kind != data["kinds"][0]])]
        data["danger_now"] = random.choice(("yes", "no", "unknown"))
    elif "register_kind" in data:
        data["dropped_out"] = data["register_kind"] == "school-roster" and not data["dropped_out"]
        data["circumstances"] = ["03"] if data["register_kind"] == "commune-roster" else []
        data["child"] = data["child"] | {"hamlet": "Xóm Mới"}
    else:
        data["kind"] = random.choice([cause for cause in CAUSES if cause != data["kind"]])
    return Sent(sent.sector, sent.document | {"data": data})


def _malformed(sent: Sent, random: Random) -> Sent:
    """Something like the event that no platform may take over."""
    document: Document = dict(sent.document) | {"id": f"{sent.document['id']}-hỏng"}
    how = random.randrange(5)
    if how == 0:
        del document["id"]
    elif how == 1:
        document["specversion"] = "0.3"
    elif how == 2:
        document["type"] = f"{TYPE_PREFIX}agency.unheard.of"
    elif how == 3:
        document["data"] = "không phải đối tượng"
    else:
        document["source"] = "/agency/another/system"
    return Sent(sent.sector, document, malformed=True)


def _count(items: list[Document], keys: Callable[[Document], list[str]]) -> dict[str, int]:
    return dict(sorted(Counter(key for item in items for key in keys(item)).items()))
