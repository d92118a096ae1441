"""The registry with people, machines and children, for tests of what leaves it and what comes from other systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.integration.test_registry_pages import House
from tests.support.visitor import Answer, Visitor

HOME, OTHER = "05443", "05455"


@dataclass
class Machine(Visitor):
    """A program with a bearer token."""

    token: str = ""

    async def send(
        self,
        path: str,
        document: Any = None,
        *,
        media: str = "application/fhir+json",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a document (or bytes as they are)."""
        body = orjson.dumps(document) if raw is None else raw
        sent = {"content-type": media, "content-length": str(len(body)), **self._signed(), **(headers or {})}
        return await self.ask(f"/registry/api{path}", method="POST", body=body, headers=sent)

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return await self.ask(f"/registry/api{path}", headers={**self._signed(), **headers})

    def _signed(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}", "accept": "application/json"}


def machine(house: House, account: str) -> Machine:
    """A program that uses an account's token."""
    return Machine(house.app, {}, "localhost:8600", token=house.app.state.identity.signer.demo_token(account))


def patient(own_id: str = "BN-0001", **over: Any) -> dict[str, Any]:
    """A Patient as a hospital sends it."""
    base = "https://vongtay.vn/fhir/StructureDefinition"
    return {
        "resourceType": "Patient",
        "meta": {"lastUpdated": "2026-11-20T08:00:00+07:00"},
        "identifier": [
            {"system": "https://benhvien.example/sid/patient", "value": own_id},
            {"system": "https://vongtay.vn/fhir/sid/personal-number", "value": "019316004567"},
        ],
        "name": [{"use": "official", "text": "Nguyễn Thị Ngọc Anh"}],
        "gender": "female",
        "birthDate": "2016-03-09",
        "address": [
            {"use": "home", "line": ["Số 5"], "extension": [{"url": f"{base}/commune-code", "valueCode": HOME}]}
        ],
        "contact": [{"relationship": [{"text": "mẹ"}], "name": {"text": "Lý Thị Thu Lan"}}],
        **over,
    }
