"""Exports and DHIS2 for machines: a filtered file streamed, what was exported, tracker payloads in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.registry.api import fhir
from services.registry.api.bodies import read_json, status_of
from services.registry.domain.exporting import Filter, Kind
from services.registry.exchange import dhis2
from services.registry.exchange.exporting import Asked, BusyError, Exports
from services.registry.exchange.intake import Intake, may_send
from services.registry.exchange.readers import Readers
from services.registry.exchange.sending import sending
from services.registry.seeing import Reader
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ListCode, Moment, RecordState, Sex, ShortText, UnitCode
from shared.identity import NotAllowedError, Principal, SignedIn
from shared.reference.exchange import Dhis2Words, Exchange
from shared.reference.units import Units

_Year = Annotated[int | None, Field(ge=1990, le=2100)]


class Wanted(BaseModel):
    """Which children; nothing given means all of the caller's communes."""

    units: Annotated[list[UnitCode] | None, Field(max_length=200)] = None
    hamlet: ShortText | None = None
    born_from: _Year = None
    born_to: _Year = None
    sex: Sex | None = None
    circumstance: ListCode | None = None
    school: ShortText | None = None
    state: RecordState | None = None
    status: ListCode | None = "active"

    def filter(self) -> Filter:
        """As the registry asks."""
        said = self.model_dump(exclude={"units"})
        return Filter(units=None if self.units is None else tuple(self.units), **said)


class Order(BaseModel):
    """What to export and what for. `fields`: codes; left out, all that are not sensitive."""

    purpose: ShortText
    filter: Wanted = Field(default_factory=Wanted)
    fields: Annotated[list[ShortText] | None, Field(max_length=60)] = None


class FileOrder(Order):
    """An export in one of the formats."""

    kind: Kind


class Listed(BaseModel):
    """One export that was made. `children`: as many as fitted; `sent`: as many as left."""

    export_id: str
    who: str
    name: str
    at: datetime
    kind: str
    purpose: str
    fields: list[str]
    filter: dict[str, Any]
    children: int
    sent: int
    finished_at: datetime | None


def routes(exports: Exports, intake: Intake, readers: Readers, units: Units) -> APIRouter:
    """The routes of this part."""
    router = APIRouter(tags=["registry"])

    @router.post("/exports")
    async def export(asked: FileOrder, principal: Reader) -> Response:
        """A file of the children that fit, streamed. Its id is in the header `X-Vongtay-Export`."""
        return await _sent(exports, principal, _asked(asked, asked.kind))

    @router.get("/exports")
    async def exported(
        principal: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 50, before: Moment | None = None
    ) -> list[Listed]:
        """What was exported, the newest first: everybody's for the coordinator, else the caller's own."""
        rows = await exports.listed(principal, limit, before)
        return [Listed(export_id=str(row.id), **{k: v for k, v in row._mapping.items() if k != "id"}) for row in rows]

    @router.post("/fhir/Patient/$export", tags=["fhir"])
    async def export_patients(asked: Order, principal: Reader) -> Response:
        """The children that fit as Patients, one a line (NDJSON), streamed at once."""
        return await _sent(exports, principal, _asked(asked, "fhir"))

    @router.post("/dhis2/tracker/export", tags=["dhis2"])
    async def export_entities(asked: Order, principal: Reader) -> Response:
        """The children that fit as a payload for `/api/tracker` of a DHIS2 instance, streamed."""
        return await _sent(exports, principal, _asked(asked, "dhis2"))

    @router.post("/dhis2/tracker", tags=["dhis2"])
    async def import_entities(
        request: Request,
        principal: SignedIn,
        atomic: Annotated[Literal["ALL", "OBJECT"], Query(alias="atomicMode")] = "ALL",
        mode: Annotated[Literal["COMMIT", "VALIDATE"], Query(alias="importMode")] = "COMMIT",
    ) -> Response:
        """A tracker payload of a DHIS2 instance; the answer is DHIS2's import report."""
        if not may_send(principal):
            raise NotAllowedError("The role sends no records")
        exchange, words = Exchange.load(), Dhis2Words.load()
        try:
            document = await read_json(request, exchange.most_bytes, ("application/json",))
            entities = dhis2.read_payload(document, exchange.most_records)
        except Rejected as rejected:
            return JSONResponse(dhis2.refusal_of(rejected.violations, words), status_of(rejected.violations))
        records = [dhis2.read_entity(entity, words) for entity in entities]
        dry = mode == "VALIDATE"
        outcomes = await intake.take(principal, "dhis2", records, together=atomic == "ALL", dry=dry)
        status, report = dhis2.report_of(entities, outcomes, words, dry=dry)
        return JSONResponse(report, status)

    router.include_router(fhir.routes(fhir.Fhir(readers, intake, units)))
    return router


def _asked(order: Order, kind: Kind) -> Asked:
    return Asked(kind, order.purpose, order.filter.filter(), None if order.fields is None else set(order.fields))


async def _sent(exports: Exports, principal: Principal, asked: Asked) -> Response:
    try:
        return sending(await exports.begin(principal, asked))
    except BusyError:
        raise HTTPException(503, headers={"Retry-After": "60"}) from None
