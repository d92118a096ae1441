"""The four services behind one door, on real databases, and everybody who may knock. What is in them: `filled`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response
from starlette.types import ASGIApp

from shared.database import Database
from shared.identity import Directory, Identity, Principal, Role, demo_directory
from shared.reference.units import Units
from shared.runtime import ServiceProcess
from tests.support import media
from tests.support.visitor import Answer, Visitor

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
HOME = "05443"
NEXT = next(code for code in sorted(Units.load().codes()) if code > HOME)
NO_SUCH_ID = "0195a000-dead-7000-8000-000000000000"

# The name that the table has for each of the directory's accounts.
ACCOUNTS: Mapping[str, str] = {
    "worker": "lan.worker",
    "colleague": "minh.worker",
    "chair": "binh.chair",
    "other-worker": "thuong.worker",
    "other-chair": f"chair.{NEXT}",
    "hotline": "mai.hotline",
    "health": "duc.health",
    "police": "quang.police",
    "education": "hoa.education",
    "dolisa": "thao.dolisa",
    "justice": "khanh.justice",
    "unions": "nhung.unions",
    "coordinator": "ha.coordinator",
    "statistician": "tuan.statistician",
    "partner": "yen.partner",
    "other-partner": "phuc.partner",
    "operator": "son.operator",
    "hotline-program": "agency.hotline",
    "health-program": "agency.health",
    "police-program": "agency.police",
    "education-program": "agency.education",
    "dolisa-program": "agency.dolisa",
    "justice-program": "agency.justice",
    "unions-program": "agency.unions",
}
NOBODY = "nobody"


def directory() -> Directory:
    """The demo's people, a second worker of the commune, and a second partner organisation."""
    known = demo_directory(Units.load().names())
    other = Principal("phuc.partner", "Hà Văn Phúc", Role.PARTNER, "all", org="nha-tinh-thuong")
    second = Principal("minh.worker", "Đỗ Văn Minh", Role.WORKER, frozenset({HOME}))
    return replace(known, people={**known.people, other.id: other, second.id: second})


@dataclass
class Someone(Visitor):
    """Somebody's browser or program, which may send anything that its session allows."""

    name: str = NOBODY
    sent: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        target: str,
        *,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        file: tuple[str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with the session's cookie or token, and the token of its forms."""
        more = {**self.sent, **(headers or {})}
        body = b""
        if file is not None:
            body, kind = media.multipart({}, [file])
            more["content-type"] = kind
        elif form is not None:
            pairs = [
                (key, one) for key, value in form.items() for one in (value if isinstance(value, list) else [value])
            ]
            body, more["content-type"] = _encoded(pairs), "application/x-www-form-urlencoded"
        elif json is not None:
            body, more["content-type"] = orjson.dumps(json), "application/json"
        if body:
            more["content-length"] = str(len(body))
        return await self.ask(target, headers=more, method=method, body=body)

    async def must(self, method: str, target: str, **more: Any) -> Answer:
        """The same, for what has to succeed."""
        answer = await self.call(method, target, **more)
        assert answer.status < 400, (self.name, method, target, answer.status, answer.text)
        return answer

    async def json_of(self, method: str, target: str, body: Any = None) -> Any:
        """What a program is answered."""
        return (await self.must(method, target, json=body, headers={"accept": "application/json"})).json()


def _encoded(pairs: list[tuple[str, str]]) -> bytes:
    return urlencode(pairs).encode()


class Undone:
    """A database whose transactions are real and come to nothing, as long as `undoing` is on: each try finds the same.

    A request's transactions are savepoints of one that is rolled back after it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outer: AsyncConnection | None = None
        self._begin = database.transaction
        database.transaction = self.transaction  # type: ignore[method-assign]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        if self.outer is None:
            async with self._begin() as connection:
                yield connection
            return
        async with self.outer.begin_nested():
            yield self.outer

    @asynccontextmanager
    async def undoing(self) -> AsyncIterator[None]:
        async with self.database.engine.connect() as connection:
            whole = await connection.begin()
            self.outer = connection
            try:
                yield
            finally:
                self.outer = None
                await whole.rollback()


@dataclass
class Town:
    """All of it.

    `things`: what there is, by the name that the table has for it.
    """

    door: ASGIApp
    front: FastAPI
    processes: dict[str, ServiceProcess]
    databases: dict[str, Undone]
    people: Directory
    things: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        found: Identity = self.front.state.identity
        return found

    def someone(self, name: str) -> Someone:
        """Whoever the table calls so, signed in."""
        visitor = Someone(self.door, {}, "localhost:8600", hangs_up=True, name=name)
        if name == NOBODY:
            visitor.cookies[self.identity.visit_cookie] = "a-visit"
            visitor.sent["x-form-token"] = self.identity.signer.form_token("a-visit")
            return visitor
        person = self.people.people[ACCOUNTS[name]]
        if person.machine:
            visitor.sent["authorization"] = f"Bearer {self.identity.signer.demo_token(person.id)}"
            return visitor
        answer = Response()
        self.identity.sign_in(answer, person)
        cookie, _, value = answer.headers["set-cookie"].split(";")[0].partition("=")
        visitor.cookies[cookie] = value
        session = self.identity.signer.session(value, self.people.stamp)
        assert session is not None
        visitor.sent["x-form-token"] = self.identity.signer.form_token(session.nonce)
        return visitor

    def routes(self) -> dict[str, str]:
        """Every route of every application: `METHOD /path` -> whose it is. What all of them have is the front's."""
        found: dict[str, str] = {}
        for owner, app in (("front", self.front), *((name, one.app) for name, one in self.processes.items())):
            for route in iter_route_contexts(app.routes):
                for method in (route.methods or set()) - {"HEAD"}:
                    found.setdefault(f"{method} {route.path}", owner)
        return found

    @asynccontextmanager
    async def undoing(self, service: str) -> AsyncIterator[None]:
        """What a service does in here leaves nothing behind."""
        if service in self.databases:
            async with self.databases[service].undoing():
                yield
        else:
            yield

    async def rows(self, service: str, statement: str) -> list[Any]:
        async with self.processes[service].database.transaction() as connection:
            return list((await connection.exec_driver_sql(statement)).all())
