"""Endpoints: where deliveries go, whose they are, and how they do.

It never gives an address or a secret to anybody but its owner and the worker that sends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import ChannelName, Health
from services.notify.domain.circuit import CircuitState
from services.notify.domain.model import EndpointState
from services.notify.store.waking import CHANGED, WAKE, wake
from shared.web.i18n import Language

# A person is told in the language that they chose, wherever they are told.
_COLUMNS = """id::text AS id, channel, name, org, person,
              COALESCE((SELECT p.language FROM preference p WHERE p.person = endpoint.person), language) AS language,
              target, secret, old_secret, old_secret_until,
              ordered, at_once, per_second, state, circuit, failures, opened, failing_since, retry_at,
              changed_at, created_at, sequence, verified_at,
              COALESCE((SELECT plain_sms FROM preference WHERE preference.person = endpoint.person), true)
              AS plain_sms"""


_WANTED = """(SELECT array_agg(DISTINCT pattern ORDER BY pattern) FROM subscription s, unnest(s.patterns) AS pattern
               WHERE s.endpoint_id = endpoint.id) AS patterns,
              (SELECT CASE WHEN bool_and(s.units IS NOT NULL) THEN array_agg(DISTINCT unit ORDER BY unit) END
               FROM subscription s LEFT JOIN LATERAL unnest(s.units) AS unit ON true
               WHERE s.endpoint_id = endpoint.id) AS units"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row. `target`, `secret` and `old_secret` are sealed. `language`, `plain_sms`: as its person chose.
    `verified_at`: since when it is known that its address is its owner's; until then it is told nothing.

    `patterns` and `units` are what its subscriptions want, all together; only where somebody looks at it.
    """

    id: str
    channel: ChannelName
    name: str
    org: str | None
    person: str | None
    language: Language
    target: Any
    secret: Any
    old_secret: Any
    old_secret_until: datetime | None
    ordered: bool
    at_once: int | None
    per_second: float | None
    state: EndpointState
    circuit: CircuitState
    failures: int
    opened: int
    failing_since: datetime | None
    retry_at: datetime | None
    changed_at: datetime
    created_at: datetime
    sequence: int
    verified_at: datetime | None = None
    plain_sms: bool = True
    patterns: Sequence[str] = ()
    units: Sequence[str] | None = None

    @property
    def audience(self) -> str:
        """Who is told in the app when something is wrong with it."""
        return f"org/{self.org}" if self.org else f"person/{self.person}"

    @property
    def missed_since(self) -> datetime | None:
        """Since when one that was switched off, and perhaps deleted then, has not been sent everything; None: it was
        not."""
        if self.state == "disabled":
            return self.failing_since or self.changed_at
        return self.failing_since if self.state == "deleted" else None

    @property
    def health(self) -> Health:
        """How it does."""
        return Health(self.circuit, self.failures, self.opened, self.failing_since, self.retry_at)


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Keep a new endpoint; `target` and `secret` come sealed, `address_key` finds whose a telephone number is."""
    await connection.execute(
        text(
            """
            INSERT INTO endpoint (id, channel, name, org, person, language, target, secret, ordered, at_once,
                                  per_second, address_key, verified_at, changed_at, created_at)
            VALUES (CAST(:id AS uuid), :channel, :name, :org, :person, :language, CAST(:target AS jsonb),
                    CAST(:secret AS jsonb), :ordered, :at_once, :per_second, :address_key, :verified_at, :now, :now)
            """
        ),
        {
            "address_key": None,
            "verified_at": None,
            **row,
            "target": _json(row["target"]),
            "secret": _json(row["secret"]),
        },
    )
    await wake(connection, CHANGED)


async def find(connection: AsyncConnection, identifier: str) -> Endpoint | None:
    """One endpoint, also a deleted one, with what it is to hear of."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS}, {_WANTED} FROM endpoint WHERE id = CAST(:id AS uuid)"), {"id": identifier}
    )
    row = rows.first()
    return _shown(row) if row else None


async def owned(connection: AsyncConnection, org: str | None, person: str | None) -> list[Endpoint]:
    """What an organisation or a person has, newest first; what was deleted is not listed."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS}, {_WANTED} FROM endpoint
                WHERE state <> 'deleted' AND (org = CAST(:org AS text) OR person = CAST(:person AS text))
                ORDER BY created_at DESC, id"""
        ),
        {"org": org, "person": person},
    )
    return [_shown(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Held:
    """How many endpoints somebody has, and how many they made lately: those that were deleted since among them."""

    there: int
    made: int


async def held(connection: AsyncConnection, org: str | None, person: str | None, since: datetime) -> Held:
    """How many an organisation or a person has, and has made since a time. Until the transaction ends nobody adds to
    them, or brings one back."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:owner, 19))"),
        {"owner": f"org/{org}" if org else f"person/{person}"},
    )
    rows = await connection.execute(
        text(
            """SELECT count(*) FILTER (WHERE state <> 'deleted'), count(*) FILTER (WHERE created_at > :since)
               FROM endpoint WHERE org = CAST(:org AS text) OR person = CAST(:person AS text)"""
        ),
        {"org": org, "person": person, "since": since},
    )
    return Held(*rows.one())


async def sendable(connection: AsyncConnection, now: datetime) -> list[Endpoint]:
    """Those whose deliveries may be tried now: neither paused, nor left in peace, nor with an open circuit."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM endpoint
                WHERE state = 'active' AND circuit = 'closed' AND (retry_at IS NULL OR retry_at <= :now)"""
        ),
        {"now": now},
    )
    return [Endpoint(*row) for row in rows]


async def tripped(connection: AsyncConnection, now: datetime) -> list[Endpoint]:
    """Active ones with an open circuit whose time is up and for which something waits; locked, and none that somebody
    else has locked: he is about to try."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM endpoint
                WHERE state = 'active' AND circuit <> 'closed' AND (retry_at IS NULL OR retry_at <= :now)
                  AND EXISTS (SELECT FROM delivery_pending WHERE endpoint_id = endpoint.id AND due_at <= :now
                              AND NOT blocked)
                FOR NO KEY UPDATE SKIP LOCKED"""
        ),
        {"now": now},
    )
    return [Endpoint(*row) for row in rows]


async def change_state(
    connection: AsyncConnection, identifier: str, of: Collection[EndpointState], state: EndpointState, now: datetime
) -> bool:
    """Pause, resume, delete or bring back. Starting again forgets the failures; of a deleted one they say that it was
    switched off (`Endpoint.missed_since`). In: `of`: those states of which it becomes `state`, whoever changed it
    meanwhile. Out: whether anything changed."""
    rows = await connection.execute(
        text(
            """
            UPDATE endpoint SET state = :state, changed_at = :now, retry_at = NULL, circuit = 'closed', failures = 0,
                   opened = 0,
                   failing_since = CASE WHEN :state = 'active' OR (:state = 'deleted' AND state <> 'disabled') THEN NULL
                                        WHEN :state = 'deleted' THEN coalesce(failing_since, changed_at)
                                        ELSE failing_since END,
                   sequence = sequence + CASE WHEN :state = 'active' AND (
                       state = 'disabled' OR (state = 'deleted' AND failing_since IS NOT NULL)) THEN 1 ELSE 0 END
            WHERE id = CAST(:id AS uuid) AND state = ANY (CAST(:of AS text[])) RETURNING 1
            """
        ),
        {"id": identifier, "of": sorted(of), "state": state, "now": now},
    )
    changed = rows.first() is not None
    await wake(connection, CHANGED)
    await wake(connection, WAKE)
    return changed


async def change_secret(
    connection: AsyncConnection, identifier: str, secret: Mapping[str, str], old_until: datetime
) -> None:
    """A new secret; the old one signs beside it until `old_until`."""
    await connection.execute(
        text(
            """
            UPDATE endpoint SET old_secret = secret, old_secret_until = :until, secret = CAST(:secret AS jsonb)
            WHERE id = CAST(:id AS uuid)
            """
        ),
        {"id": identifier, "secret": _json(secret), "until": old_until},
    )
    await wake(connection, CHANGED)


async def change_limits(
    connection: AsyncConnection, identifier: str, *, ordered: bool, at_once: int | None, per_second: float | None
) -> None:
    """How much an endpoint takes at once and a second (None: as the data says), and whether a case's messages arrive in
    their order. What waits already keeps the way it was queued."""
    await connection.execute(
        text(
            """UPDATE endpoint SET ordered = :ordered, at_once = :at_once, per_second = :per_second
               WHERE id = CAST(:id AS uuid)"""
        ),
        {"id": identifier, "ordered": ordered, "at_once": at_once, "per_second": per_second},
    )
    await wake(connection, CHANGED)


async def locked(connection: AsyncConnection, identifiers: Sequence[str]) -> list[Endpoint]:
    """Several, locked in one order so that two replicas cannot deadlock on them."""
    rows = await connection.execute(
        text(
            f"SELECT {_COLUMNS} FROM endpoint WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY endpoint.id"
            " FOR NO KEY UPDATE"
        ),
        {"ids": sorted(identifiers)},
    )
    return [Endpoint(*row) for row in rows]


async def note_health(connection: AsyncConnection, known: Mapping[str, Health]) -> None:
    """Remember how endpoints do. They are locked by the caller. Of those that are switched off or deleted what was on
    its way then says nothing: since when they have missed anything stays (`Endpoint.missed_since`)."""
    ids = list(known)
    healths = [known[identifier] for identifier in ids]
    await connection.execute(
        text(
            """
            UPDATE endpoint SET circuit = n.circuit, failures = n.failures, opened = n.opened, failing_since = n.since,
                                retry_at = n.retry_at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:circuits AS text[]), CAST(:failures AS integer[]),
                        CAST(:opened AS integer[]), CAST(:since AS timestamptz[]), CAST(:retry_at AS timestamptz[]))
                 AS n (id, circuit, failures, opened, since, retry_at)
            WHERE endpoint.id = n.id AND endpoint.state IN ('active', 'paused')
            """
        ),
        {
            "ids": ids,
            "circuits": [health.circuit for health in healths],
            "failures": [health.failures for health in healths],
            "opened": [health.opened for health in healths],
            "since": [health.failing_since for health in healths],
            "retry_at": [health.retry_at for health in healths],
        },
    )
    await wake(connection, CHANGED)


async def disable(connection: AsyncConnection, identifiers: Sequence[str], now: datetime) -> list[Endpoint]:
    """Switch active endpoints off. Out: those that were on."""
    rows = await connection.execute(
        text(
            f"""
            UPDATE endpoint SET state = 'disabled', changed_at = :now, sequence = sequence + 1
            WHERE state = 'active' AND id = ANY (CAST(:ids AS uuid[])) RETURNING {_COLUMNS}
            """
        ),
        {"now": now, "ids": list(identifiers)},
    )
    await wake(connection, CHANGED)
    return [Endpoint(*row) for row in rows]


def _shown(row: Sequence[Any]) -> Endpoint:
    found = Endpoint(*row)
    return replace(found, patterns=found.patterns or ())


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
