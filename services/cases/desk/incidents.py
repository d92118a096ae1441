"""The desk's incidents: what agencies found of injuries, accidents and violence. Counted and told, never a case."""

from __future__ import annotations

from datetime import datetime

from services.cases import store
from services.cases.desk.files import CaseFiles
from services.cases.desk.intake import Origin
from services.cases.domain import concerns
from shared.contracts import cases as events
from shared.contracts.agency import IncidentRecorded
from shared.contracts.vocabulary import ChildDescription
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.reference.calendar import LOCAL
from shared.reference.terms import Terms


class IncidentDesk:
    """Takes incidents down.

    Args:
        files: what seals and opens, and knows the communes.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def record(self, scope: Scope, incident: IncidentRecorded, origin: Origin) -> None:
        """An agency's incident, first or corrected.

        Raises: `Rejected` (occurred-on-in-future, occurred-on-too-old, place-unknown).
        """
        concerns.check_occurred(incident.occurred_on, self.files.world(scope.now))
        child = None if incident.child is None else await self.files.open(scope, incident.child, ChildDescription)
        said = incident.place_text or incident.place
        words = None if said is None else await self.files.open(scope, said, str)
        place = concerns.place_of(incident.place_code, words, Terms.load("incident-places"))
        day = datetime.combine(incident.occurred_on, datetime.min.time(), LOCAL)
        sex, band = concerns.described_sex(incident.sex, child), concerns.described_band(incident.age, child, day)
        incident_id = stable_id("incident", origin.source, origin.id)
        row = store.Incident(
            id=incident_id,
            kind=incident.kind,
            outcome=incident.outcome,
            place_code=place.code,
            unit=await self.files.unit_of(scope, incident.unit, incident.unit_text),
            sex=sex,
            age_band=band,
            sector=origin.sector,
            occurred_on=incident.occurred_on,
            sequence=1,
            place_words=await self.files.keys.reseal(scope.connection, place.words, _key(incident_id)),
        )
        sequence = await store.save_incident(scope.connection, row)
        event = events.CaseIncidentRecorded(
            incident_id=row.id,
            kind=row.kind,
            outcome=row.outcome,
            place_code=row.place_code,
            unit=row.unit,
            sex=sex,
            age_band=band,
            sector=row.sector,
            occurred_on=row.occurred_on,
        )
        await scope.emit(event, subject=row.id, sequence=sequence, unit=row.unit)

    async def seal_places(self, scope: Scope, limit: int) -> int:
        """Places that were kept in clear, as the first version did: coded, and sealed where no code says the same.

        Out: how many; fewer than `limit`: there are no more.
        """
        places = Terms.load("incident-places")
        found = await store.places_in_clear(scope.connection, limit)
        for incident_id, said in found:
            place = concerns.place_of(None, said, places)
            box = await self.files.keys.reseal(scope.connection, place.words, _key(incident_id))
            await store.settle_place(scope.connection, incident_id, place.code, box)
        return len(found)


def _key(incident_id: str) -> str:
    """The name of the key under which an incident's words lie."""
    return f"incident/{incident_id}"
