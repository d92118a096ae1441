"""What is sealed to partners beside the work: single events that carry identity, never those of a bulk act."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from shared.contracts.envelope import Envelope
from shared.contracts.registry import ChildMoved, ChildRegistered
from shared.messaging.processing import Record
from shared.messaging.sharing import Sharing

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def record(event: Envelope) -> Record:
    return Record("registry.children.v1", 0, 0, event.subject, event.data, tuple(event.headers()))


def event(identifier: str, event_type: str) -> Envelope:
    return Envelope(identifier, "/services/registry", event_type, "k1", NOW, b"{}", sequence=1)


def test_of_an_import_nothing_is_sealed_to_partners_one_by_one() -> None:
    sharing = Sharing("registry", cast("Any", None), cast("Any", None), lambda: NOW)
    single = event("one", ChildRegistered.TYPE)
    told = [single, replace(single, id="two", bulk="0195a000"), event("three", ChildMoved.TYPE)]
    found = asyncio.run(sharing.read([record(one) for one in told]))
    assert [one.id for one in found] == ["one"]
