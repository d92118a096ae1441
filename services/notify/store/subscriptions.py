"""Who wants to hear what, where: the subscription rows, and what their owners may do with them.

It never gives an address or a secret to anybody but its owner and the worker that sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import ChannelName
from services.notify.store.waking import CHANGED, WAKE, wake
from shared.web.i18n import Language

_COLUMNS = """id::text AS id, channel, name, org, person, language, patterns, units, sector, target, secret, old_secret,
              old_secret_until, state, failing_since, resume_at, changed_at, created_at, sequence,
              agreement_id::text AS agreement_id"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One row. `target`, `secret` and `old_secret` are sealed."""

    id: str
    channel: ChannelName
    name: str
    org: str | None
    person: str | None
    language: Language
    patterns: list[str]
    units: list[str] | None
    sector: str | None
    target: Any
    secret: Any
    old_secret: Any
    old_secret_until: datetime | None
    state: str
    failing_since: datetime | None
    resume_at: datetime | None
    changed_at: datetime
    created_at: datetime
    sequence: int
    agreement_id: str | None = None

    @property
    def audience(self) -> str:
        """Who is told in the app when something is wrong with it."""
        return f"org/{self.org}" if self.org else f"person/{self.person}"


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Keep a new subscription; `target` and `secret` come sealed."""
    await connection.execute(
        text(
            """
            INSERT INTO subscription (id, channel, name, org, person, language, patterns, units, sector, target, secret,
                                      agreement_id, changed_at, created_at)
            VALUES (CAST(:id AS uuid), :channel, :name, :org, :person, :language, CAST(:patterns AS text[]),
                    CAST(:units AS text[]), :sector, CAST(:target AS jsonb), CAST(:secret AS jsonb),
                    CAST(:agreement_id AS uuid), :now, :now)
            """
        ),
        {"agreement_id": None, **row, "target": _json(row["target"]), "secret": _json(row["secret"])},
    )
    await wake(connection, CHANGED)


async def find(connection: AsyncConnection, identifier: str) -> Subscription | None:
    """One subscription that is not deleted for good."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM subscription WHERE id = CAST(:id AS uuid)"), {"id": identifier}
    )
    row = rows.first()
    return Subscription(*row) if row else None


async def owned(connection: AsyncConnection, org: str | None, person: str | None) -> list[Subscription]:
    """What an organisation or a person has, newest first; what was deleted is not listed."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM subscription
                WHERE state <> 'deleted' AND (org = CAST(:org AS text) OR person = CAST(:person AS text))
                ORDER BY created_at DESC, id"""
        ),
        {"org": org, "person": person},
    )
    return [Subscription(*row) for row in rows]


async def of_organisations(connection: AsyncConnection) -> list[Subscription]:
    """All that organisations have, whoever would be told by them."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM subscription WHERE org IS NOT NULL AND state <> 'deleted' ORDER BY org, id")
    )
    return [Subscription(*row) for row in rows]


async def sendable(connection: AsyncConnection, now: datetime) -> list[Subscription]:
    """Those whose deliveries may be tried now."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM subscription
                WHERE state = 'active' AND (resume_at IS NULL OR resume_at <= :now)"""
        ),
        {"now": now},
    )
    return [Subscription(*row) for row in rows]


async def change_state(connection: AsyncConnection, identifier: str, state: str, now: datetime) -> bool:
    """Pause, resume, delete or bring back. Starting again forgets the failures. Out: whether anything changed."""
    rows = await connection.execute(
        text(
            """
            UPDATE subscription SET state = :state, changed_at = :now, resume_at = NULL,
                   failing_since = CASE WHEN :state = 'active' THEN NULL ELSE failing_since END
            WHERE id = CAST(:id AS uuid) AND state <> :state RETURNING 1
            """
        ),
        {"id": identifier, "state": state, "now": now},
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
            UPDATE subscription SET old_secret = secret, old_secret_until = :until, secret = CAST(:secret AS jsonb)
            WHERE id = CAST(:id AS uuid)
            """
        ),
        {"id": identifier, "secret": _json(secret), "until": old_until},
    )
    await wake(connection, CHANGED)


@dataclass(frozen=True, slots=True)
class Health:
    """What a batch of results says of one endpoint."""

    id: str
    succeeded: bool
    gone: bool
    resume_at: datetime | None


async def note_health(
    connection: AsyncConnection, notes: Sequence[Health], now: datetime, failing_before: datetime
) -> list[Subscription]:
    """Remember who fails since when, who asked to wait; switch off who failed too long. Out: those switched off."""
    if not notes:
        return []
    ordered = sorted(notes, key=lambda note: note.id)
    ids = [note.id for note in ordered]
    await connection.execute(
        text("SELECT 1 FROM subscription WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"), {"ids": ids}
    )
    await connection.execute(
        text(
            """
            UPDATE subscription AS s SET
                failing_since = CASE WHEN n.ok THEN NULL ELSE COALESCE(s.failing_since, CAST(:now AS timestamptz)) END,
                resume_at = COALESCE(n.resume_at, s.resume_at)
            FROM unnest(CAST(:ids AS uuid[]), CAST(:ok AS boolean[]), CAST(:resume AS timestamptz[]))
                 AS n (id, ok, resume_at)
            WHERE s.id = n.id
            """
        ),
        {
            "now": now,
            "ids": ids,
            "ok": [note.succeeded for note in ordered],
            "resume": [note.resume_at for note in ordered],
        },
    )
    rows = await connection.execute(
        text(
            f"""
            UPDATE subscription SET state = 'disabled', changed_at = :now, sequence = sequence + 1
            WHERE state = 'active' AND ((id = ANY (CAST(:ids AS uuid[])) AND failing_since <= :before)
                                        OR id = ANY (CAST(:gone AS uuid[])))
            RETURNING {_COLUMNS}
            """
        ),
        {"now": now, "before": failing_before, "ids": ids, "gone": [note.id for note in ordered if note.gone]},
    )
    disabled = [Subscription(*row) for row in rows]
    await wake(connection, CHANGED)
    return disabled


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
