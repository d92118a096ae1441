"""Whose a source's statement is, as the registry tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from services.registry.domain.children import Statement
from shared.contracts.registry import RecordLinked
from shared.contracts.vocabulary import Sector
from shared.messaging.router import Scope

LEAD: Sector = "dolisa"  # the child-protection authority: for whom a person corrects the registry
_SECTORS: Mapping[str | None, Sector] = {sector: sector for sector in get_args(Sector)}


def sector_of(value: str | None) -> Sector:
    """A sector by its code; the lead where it is none of the list."""
    return _SECTORS.get(value, LEAD)


async def emit_link(scope: Scope, child_id: str, said: Statement) -> None:
    """Tell that a source's statement is linked to a child: what rosters are counted by."""
    event = RecordLinked(
        record_id=said.record_id,
        child_id=child_id,
        register_kind=said.register_kind,
        sector=sector_of(said.sector),
        unit=said.unit,
        sex=said.description.sex,
        birth_year=said.description.birth_date.year if said.description.birth_date else None,
        circumstances=list(said.circumstances),
        dropped_out=said.dropped_out,
    )
    await scope.emit(event, subject=said.record_id, sequence=said.sequence, unit=said.unit)
