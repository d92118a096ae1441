"""What an agency records of a child, as a statement: the same whether it came as an event or as a row of a file."""

from __future__ import annotations

from datetime import date

from services.registry.domain.children import Statement
from services.registry.domain.warnings import coded
from shared.contracts.agency import ChildRecorded
from shared.contracts.vocabulary import ChildDescription, Sector
from shared.messaging.outbox import stable_id
from shared.reference.units import Units


def statement_of(
    data: ChildRecorded,
    description: ChildDescription,
    place: str | None,
    *,
    source: str,
    event_id: str,
    sector: Sector,
    today: date,
    units: Units,
) -> Statement:
    """In: the event's data with its personal fields opened (`description`, `place`), the sender's source and id.

    An ethnic group of the list gets its code. A source that does not say when speaks of today; a place is the commune
    as it is today, and a code nobody knows is kept as the text beside it.
    """
    known = units.current(data.unit) if data.unit else None
    return Statement(
        record_id=stable_id("record", source, event_id),
        register_kind=data.register_kind,
        sector=sector,
        as_of=data.as_of or today,
        description=coded(description),
        unit=known or (units.find(place) if place else None),
        unit_text=place,
        circumstances=tuple(dict.fromkeys(data.circumstances)),
        dropped_out=data.dropped_out,
    )


def left_record(record_id: str, sequence: int) -> str:
    """The id under which stays what a record said, at a number, before its source gave the record to another child."""
    return stable_id("left", record_id, str(sequence))
