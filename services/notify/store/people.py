"""What people chose, when they are away, who stands in, where they can be called, and how often they were lately.

Addresses lie with the subscriptions, sealed; here are accounts only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import EndpointState
from services.notify.domain.preferences import Absence, Load, Preferences
from services.notify.store.waking import CHANGED, wake
from shared.database.statements import text

_PREFERENCE = """person, language, channels, digest, digest_at, digest_weekday, quiet_from, quiet_to, plain_sms"""


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach a person, with what one of its subscriptions asks for."""

    person: str
    channel: str
    endpoint_id: str
    subscription_id: str
    patterns: tuple[str, ...] = ()
    units: tuple[str, ...] | None = None
    sector: str | None = None
    state: EndpointState = "active"
    proven: bool = True

    @property
    def reaches(self) -> bool:
        """Whether anything is sent there: it is neither paused nor switched off, and proven to be its person's."""
        return self.state == "active" and self.proven


async def contacts(
    connection: AsyncConnection,
    *,
    people: Collection[str] | None = None,
    patterns: Collection[str] | None = None,
    silent: bool = False,
) -> list[Contact]:
    """The ways to reach people: of some, or of all whose subscriptions name one of some patterns. In: `silent`: those,
    too, that reach nobody now."""
    rows = await connection.execute(
        text(
            """SELECT e.person, e.channel, e.id::text, s.id::text, s.patterns, s.units, s.sector, e.state,
                      e.verified_at IS NOT NULL
               FROM endpoint e JOIN subscription s ON s.endpoint_id = e.id
               WHERE e.person IS NOT NULL AND e.state <> 'deleted'
                 AND (:silent OR (e.state = 'active' AND e.verified_at IS NOT NULL))
                 AND (CAST(:people AS text[]) IS NULL OR e.person = ANY (CAST(:people AS text[])))
                 AND (CAST(:patterns AS text[]) IS NULL OR s.patterns && CAST(:patterns AS text[]))
               ORDER BY e.created_at, s.created_at"""
        ),
        {
            "silent": silent,
            "people": None if people is None else sorted(people),
            "patterns": None if patterns is None else sorted(patterns),
        },
    )
    return [_contact(row) for row in rows]


def _contact(row: Any) -> Contact:
    person, channel, endpoint, subscription, patterns, units, sector, state, proven = row
    wanted = None if units is None else tuple(units)
    return Contact(person, channel, endpoint, subscription, tuple(patterns), wanted, sector, state, proven)


async def preferences(connection: AsyncConnection, people: Collection[str]) -> dict[str, Preferences]:
    """What some people chose; who chose nothing is not in it."""
    rows = await connection.execute(
        text(f"SELECT {_PREFERENCE} FROM preference WHERE person = ANY (CAST(:people AS text[]))"),
        {"people": sorted(people)},
    )
    return {row.person: _preferences(row) for row in rows}


async def choose(connection: AsyncConnection, person: str, chosen: Preferences, now: datetime) -> None:
    """Keep what somebody chose."""
    await connection.execute(
        text(
            f"""
            INSERT INTO preference ({_PREFERENCE}, changed_at)
            VALUES (:person, :language, CAST(:channels AS text[]), :digest, :digest_at, :digest_weekday, :quiet_from,
                    :quiet_to, :plain_sms, :now)
            ON CONFLICT (person) DO UPDATE SET language = excluded.language, channels = excluded.channels,
                digest = excluded.digest, digest_at = excluded.digest_at, digest_weekday = excluded.digest_weekday,
                quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, plain_sms = excluded.plain_sms,
                changed_at = excluded.changed_at
            """
        ),
        {
            "person": person,
            "language": chosen.language,
            "channels": list(chosen.channels),
            "digest": chosen.digest,
            "digest_at": chosen.digest_at,
            "digest_weekday": chosen.digest_weekday,
            "quiet_from": chosen.quiet[0] if chosen.quiet else None,
            "quiet_to": chosen.quiet[1] if chosen.quiet else None,
            "plain_sms": chosen.plain_sms,
            "now": now,
        },
    )
    # Those who send know the language and the way of writing of each address.
    await wake(connection, CHANGED)


def _preferences(row: Any) -> Preferences:
    quiet: tuple[time, time] | None = None
    if row.quiet_from is not None and row.quiet_to is not None:
        quiet = (row.quiet_from, row.quiet_to)
    return Preferences(
        row.language, tuple(row.channels), row.digest, row.digest_at, row.digest_weekday, quiet, row.plain_sms
    )


@dataclass(frozen=True, slots=True)
class EnteredAbsence:
    """An absence with its id and who entered it."""

    id: str
    absence: Absence
    entered_by: str


async def absences(connection: AsyncConnection, now: datetime, people: Collection[str] | None = None) -> list[Absence]:
    """Who is away now."""
    rows = await connection.execute(
        text(
            """SELECT person, begins, ends, substitute FROM absence
               WHERE begins <= :now AND ends > :now
                 AND (CAST(:people AS text[]) IS NULL OR person = ANY (CAST(:people AS text[]))) ORDER BY begins"""
        ),
        {"now": now, "people": None if people is None else sorted(people)},
    )
    return [Absence(*row) for row in rows]


async def absences_to_come(connection: AsyncConnection, people: Collection[str], now: datetime) -> list[EnteredAbsence]:
    """The absences of some people that are not over, the next first."""
    rows = await connection.execute(
        text(
            """SELECT id::text, person, begins, ends, substitute, entered_by FROM absence
               WHERE person = ANY (CAST(:people AS text[])) AND ends > :now ORDER BY begins"""
        ),
        {"people": sorted(people), "now": now},
    )
    return [EnteredAbsence(row[0], Absence(*row[1:5]), row[5]) for row in rows]


async def enter_absence(
    connection: AsyncConnection, identifier: str, absence: Absence, entered_by: str, now: datetime
) -> None:
    """Keep an absence."""
    await connection.execute(
        text(
            """INSERT INTO absence (id, person, begins, ends, substitute, entered_by, created_at)
               VALUES (CAST(:id AS uuid), :person, :begins, :ends, :substitute, :by, :now)"""
        ),
        {
            "id": identifier,
            "person": absence.person,
            "begins": absence.begins,
            "ends": absence.ends,
            "substitute": absence.substitute,
            "by": entered_by,
            "now": now,
        },
    )


async def absences_held(connection: AsyncConnection, person: str, now: datetime, since: datetime) -> int:
    """How many absences of somebody are not over, or were entered since a time. Until the transaction ends nobody
    enters another."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:person, 23))"), {"person": f"absence/{person}"}
    )
    rows = await connection.execute(
        text("SELECT count(*) FROM absence WHERE person = :person AND (ends > :now OR created_at > :since)"),
        {"person": person, "now": now, "since": since},
    )
    return int(rows.scalar_one())


async def absent_person(connection: AsyncConnection, identifier: str) -> str | None:
    """Whose an absence is."""
    rows = await connection.execute(text("SELECT person FROM absence WHERE id = CAST(:id AS uuid)"), {"id": identifier})
    person: str | None = rows.scalar_one_or_none()
    return person


async def end_absence(connection: AsyncConnection, person: str, identifier: str, now: datetime) -> bool:
    """Somebody is back, or does not go: what has begun ends now, what has not is removed. Out: whether there was
    one.
    """
    gone = await connection.execute(
        text("DELETE FROM absence WHERE id = CAST(:id AS uuid) AND person = :person AND begins >= :now RETURNING 1"),
        {"id": identifier, "person": person, "now": now},
    )
    if gone.first() is not None:
        return True
    ended = await connection.execute(
        text(
            """UPDATE absence SET ends = :now
               WHERE id = CAST(:id AS uuid) AND person = :person AND begins < :now AND ends > :now RETURNING 1"""
        ),
        {"id": identifier, "person": person, "now": now},
    )
    return ended.first() is not None


async def stand_ins(connection: AsyncConnection, unit: str | None = None) -> dict[tuple[str, str], str]:
    """(role, commune) -> who stands in for it when its people are away; of one commune, or all."""
    rows = await connection.execute(
        text("SELECT role, unit, person FROM stand_in WHERE CAST(:unit AS text) IS NULL OR unit = :unit"),
        {"unit": unit},
    )
    return {(row.role, row.unit): row.person for row in rows}


async def name_stand_in(
    connection: AsyncConnection, role: str, unit: str, person: str | None, set_by: str, now: datetime
) -> None:
    """Name who stands in for a role in a commune for good; None: nobody any more."""
    if person is None:
        await connection.execute(
            text("DELETE FROM stand_in WHERE role = :role AND unit = :unit"), {"role": role, "unit": unit}
        )
        return
    await connection.execute(
        text(
            """INSERT INTO stand_in (role, unit, person, set_by, changed_at) VALUES (:role, :unit, :person, :by, :now)
               ON CONFLICT (role, unit) DO UPDATE SET person = excluded.person, set_by = excluded.set_by,
                   changed_at = excluded.changed_at"""
        ),
        {"role": role, "unit": unit, "person": person, "by": set_by, "now": now},
    )


async def loads(connection: AsyncConnection, people: Collection[str], now: datetime) -> dict[str, Load]:
    """How often some people were called lately over what sounds."""
    rows = await connection.execute(
        text(
            """
            SELECT person, count(*) FILTER (WHERE at > :hour) AS hour, count(*) AS day,
                   min(at) FILTER (WHERE at > :hour) AS hour_since, min(at) AS day_since
            FROM sounded WHERE person = ANY (CAST(:people AS text[])) AND at > :day GROUP BY person
            """
        ),
        {"people": sorted(people), "hour": now - timedelta(hours=1), "day": now - timedelta(days=1)},
    )
    return {row.person: Load(row.hour, row.day, row.hour_since, row.day_since) for row in rows}


async def note_sounds(connection: AsyncConnection, sounds: Sequence[tuple[str, datetime]]) -> None:
    """Remember that telephones sounded, or will."""
    if sounds:
        await connection.execute(
            text(
                """INSERT INTO sounded (person, at)
                   SELECT * FROM unnest(CAST(:people AS text[]), CAST(:at AS timestamptz[]))"""
            ),
            {"people": [person for person, _ in sounds], "at": [at for _, at in sounds]},
        )


async def forget(connection: AsyncConnection, now: datetime, absences_before: datetime) -> None:
    """Remove what limits no longer look at, and absences that ended long ago."""
    await connection.execute(text("DELETE FROM sounded WHERE at < :day"), {"day": now - timedelta(days=1)})
    await connection.execute(text("DELETE FROM absence WHERE ends < :before"), {"before": absences_before})


def by_channel(found: Sequence[Contact]) -> Mapping[str, dict[str, list[str]]]:
    """Person -> channel -> endpoints, each once."""
    sorted_out: dict[str, dict[str, list[str]]] = {}
    for contact in found:
        known = sorted_out.setdefault(contact.person, {}).setdefault(contact.channel, [])
        if contact.endpoint_id not in known:
            known.append(contact.endpoint_id)
    return sorted_out
