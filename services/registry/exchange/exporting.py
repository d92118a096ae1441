"""Exports: who may take which children and fields along, and the file piece by piece.

Nothing leaves before it is logged, each child by itself; memory stays the same however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.exporting import (
    Filter,
    Kind,
    Leaving,
    Mark,
    chosen_fields,
    filter_refusals,
    purpose_refusals,
    quota_refusals,
)
from services.registry.exchange import dhis2
from services.registry.exchange.cells import row_of
from services.registry.exchange.fhir.names import NDJSON
from services.registry.exchange.fhir.patients import patient_of
from services.registry.store import exports as store
from services.registry.store import samples
from services.registry.store.exports import Within
from shared.contracts.errors import Rejected, Violation
from shared.database import Database
from shared.files.sheets import CsvTable, XlsxTable
from shared.identity import NotAllowedError, Permission, Principal, Role
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock
from shared.reference.calendar import LOCAL, local_day
from shared.reference.exchange import Dhis2Words, Exchange
from shared.reference.registry_fields import ExportField, ExportLimits, RegistryFields


class BusyError(Exception):
    """As many files as one process sends at a time are on their way."""


class TooSlowError(Exception):
    """A file has been on its way for longer than one may be: it ends here, broken off, and can be asked for again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An export as somebody asks for it. `fields`: None for all that are not sensitive."""

    kind: Kind
    purpose: str
    filter: Filter
    fields: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file on its way: its name (without identity), media type, export id, and its pieces."""

    name: str
    media: str
    export_id: str
    pieces: AsyncIterator[bytes]


class Format(Protocol):
    """Writes children in one format."""

    media: str

    def start(self) -> bytes:
        """What comes before the first child."""

    def children(self, leaving: Sequence[Leaving]) -> bytes:
        """The next children."""

    def end(self) -> bytes:
        """What comes after the last."""


class Exports:
    """What leaves the registry.

    Args:
        database, clock: the service's. unit_name: what a commune is called.
    """

    def __init__(self, database: Database, clock: Clock, unit_name: Callable[[str], str]) -> None:
        self._database = database
        self._clock = clock
        self._unit_name = unit_name
        self._on_their_way = 0

    def fields(self, principal: Principal) -> tuple[ExportField, ...]:
        """The fields that a person may take along; none for who may not export."""
        if not may_export(principal, self.limits()):
            return ()
        return RegistryFields.load().of(principal.role.value)

    def all_fields(self) -> tuple[ExportField, ...]:
        """Every field that anybody exports: what the list of exports names."""
        return RegistryFields.load().all()

    def limits(self) -> ExportLimits:
        """The numbers in force today."""
        return RegistryFields.load().on(local_day(self._clock()))

    async def count(self, principal: Principal, wanted: Filter) -> int:
        """How many children a filter has, in the person's communes. Raises `Rejected`, `NotAllowedError`."""
        if not may_export(principal, self.limits()):
            raise NotAllowedError("The role does not export children")
        units = self._units(principal, wanted)
        async with self._database.transaction() as connection:
            return await store.count(connection, wanted, await _within(connection, principal, units))

    async def listed(self, principal: Principal, limit: int, before: datetime | None = None) -> Sequence[Row[Any]]:
        """What was exported, the newest first: by everybody for the coordinator, else the person's own."""
        who = None if principal.role is Role.COORDINATOR else principal.id
        async with self._database.transaction() as connection:
            return await store.exports(connection, who, limit, before)

    async def begin(self, principal: Principal, asked: Asked) -> Outgoing:
        """Log an export and open it; its pieces are made as they are asked for.

        Raises: `Rejected`, `NotAllowedError`, `BusyError`.
        """
        limits = self.limits()
        if not may_export(principal, limits):
            raise NotAllowedError("The role does not export children")
        fields, wrong = chosen_fields(self.fields(principal), asked.fields)
        purpose = " ".join(asked.purpose.split(" ")).strip()
        wrong = [*wrong, *purpose_refusals(purpose, limits)]
        try:
            units = self._units(principal, asked.filter)
        except Rejected as rejected:
            wrong += rejected.violations
        if wrong:
            raise Rejected(wrong)
        if self._on_their_way >= limits.at_once:
            raise BusyError
        now = self._clock()
        mark = Mark(new_id(), principal.name, principal.id, now.astimezone(LOCAL), purpose)
        midnight = mark.at.replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._database.transaction() as connection:
            # Two exports of one account at the same moment are counted one after the other.
            await store.wait_for_others(connection, f"export {principal.id}")
            given_up = now - timedelta(minutes=limits.minutes)
            used = await store.usage(connection, principal.id, midnight, given_up)
            within = await _within(connection, principal, units)
            children = await store.count(connection, asked.filter, within)
            if wrong := quota_refusals(limits, principal.role.value, used, children):
                raise Rejected(wrong)
            await store.begin(connection, mark, asked.kind, fields, asked.filter, children)
        writer = self._writer(asked.kind, mark, fields)
        suffix = {"fhir": "ndjson", "dhis2": "json"}.get(asked.kind, asked.kind)
        name = f"tre-em-{mark.at:%Y%m%d-%H%M}-{mark.export_id[-6:]}.{suffix}"
        return Outgoing(name, writer.media, mark.export_id, self._pieces(writer, mark, asked.filter, within, limits))

    def _units(self, principal: Principal, wanted: Filter) -> Collection[str] | None:
        """The communes of a filter. Raises `Rejected`."""
        wrong = filter_refusals(wanted)
        if wanted.units is not None and not all(principal.may_see(unit) for unit in wanted.units):
            wrong.append(_NOT_YOUR_COMMUNE)
        if wrong:
            raise Rejected(wrong)
        if wanted.units is not None:
            return wanted.units
        return principal.area

    async def _pieces(
        self, writer: Format, mark: Mark, wanted: Filter, within: Within, limits: ExportLimits
    ) -> AsyncIterator[bytes]:
        self._on_their_way += 1
        try:
            yield writer.start()
            async with aclosing(self._logged(writer, mark, wanted, within, limits.minutes)) as pieces:
                async for piece in pieces:
                    yield piece
            yield writer.end()
            async with self._database.transaction() as connection:
                await store.finish(connection, mark.export_id, self._clock())
        finally:
            self._on_their_way -= 1

    async def _logged(
        self, writer: Format, mark: Mark, wanted: Filter, within: Within, minutes: int
    ) -> AsyncGenerator[bytes, None]:
        """Chunks of children, each logged before it leaves. Raises `TooSlowError`."""
        latest = self._clock() + timedelta(minutes=minutes)
        async with (
            self._database.engine.connect() as reading,
            aclosing(store.children(reading, wanted, within, minutes)) as chunks,
        ):
            async for chunk in chunks:
                if self._clock() > latest:
                    raise TooSlowError
                # Packing is work for a thread: a page asked for meanwhile must not wait for it.
                piece = await asyncio.to_thread(_packed, writer, chunk)
                ids = [str(row.id) for row in chunk]
                async with self._database.transaction() as connection:
                    await store.log_readings(connection, mark.export_id, mark.account, self._clock(), ids)
                yield piece

    def _writer(self, kind: Kind, mark: Mark, fields: Sequence[str]) -> Format:
        if kind == "fhir":
            return _Patients(fields, mark, self._unit_name)
        if kind == "dhis2":
            return _Entities(fields, mark)
        labels = {field.code: field.label("vi") for field in RegistryFields.load().all()}
        columns = [labels[code] for code in fields]
        table: CsvTable | XlsxTable = CsvTable(mark.text(), columns)
        if kind == "xlsx":
            author = f"{mark.name} ({mark.account})"
            table = XlsxTable(mark.text(), columns, title="Trẻ em", author=author, at=mark.at)
        return _Table(table, fields, self._unit_name)


def _packed(writer: Format, rows: Sequence[Row[Any]]) -> bytes:
    return writer.children([store.leaving_of(row) for row in rows])


async def _within(connection: AsyncConnection, principal: Principal, units: Collection[str] | None) -> Within:
    return Within(units, await samples.asked_of(connection, principal.id))


def may_export(principal: Principal, limits: ExportLimits) -> bool:
    """Whether the role takes anything along at all."""
    return principal.may(Permission.SEE_CHILDREN) and principal.role.value in limits.roles


class _Table:
    def __init__(self, table: CsvTable | XlsxTable, fields: Sequence[str], unit_name: Callable[[str], str]) -> None:
        self.media = table.media
        self._table = table
        self._fields = fields
        self._unit_name = unit_name

    def start(self) -> bytes:
        return self._table.start()

    def children(self, leaving: Sequence[Leaving]) -> bytes:
        return self._table.rows(row_of(child, self._fields, self._unit_name) for child in leaving)

    def end(self) -> bytes:
        return self._table.end()


class _Patients:
    media = NDJSON

    def __init__(self, fields: Sequence[str], mark: Mark, unit_name: Callable[[str], str]) -> None:
        self._fields = frozenset(fields)
        self._mark = mark
        self._unit_name = unit_name
        self._words = Exchange.load().fhir

    def start(self) -> bytes:
        return b""

    def children(self, leaving: Sequence[Leaving]) -> bytes:
        return b"".join(
            orjson.dumps(
                patient_of(child, self._fields, self._words, self._unit_name, export_id=self._mark.export_id),
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for child in leaving
        )

    def end(self) -> bytes:
        return b""


class _Entities:
    media = dhis2.MEDIA

    def __init__(self, fields: Sequence[str], mark: Mark) -> None:
        self._fields = frozenset(fields)
        self._mark = mark
        self._words = Dhis2Words.load()
        self._first = True

    def start(self) -> bytes:
        return b'{"trackedEntities":['

    def children(self, leaving: Sequence[Leaving]) -> bytes:
        pieces = []
        for child in leaving:
            entity = dhis2.entity_of(child, self._fields, self._words, export_id=self._mark.export_id)
            pieces.append((b"" if self._first else b",\n") + orjson.dumps(entity))
            self._first = False
        return b"".join(pieces)

    def end(self) -> bytes:
        return b"]}"


_NOT_YOUR_COMMUNE = Violation(
    "unit",
    "not-your-commune",
    "Chỉ xuất được trẻ thuộc địa bàn của anh chị.",
    "Only children of your own communes can be exported.",
)
