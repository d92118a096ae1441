"""Closed periods in tables. What is frozen is only ever added to: the database refuses to change or delete it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.closing import Edition, digest
from services.stats.store.locks import Lock, wait_for
from shared.privacy.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Signed:
    """Bytes as they were frozen, and by what anybody checks them."""

    content: bytes
    digest: bytes
    signature: bytes
    public_key: bytes

    def read(self) -> Edition:
        """What they say."""
        return Edition.read(self.content)


class Listed(NamedTuple):
    """An edition without its content. `changed`: how many figures it says anew."""

    period: str
    edition: int
    number: str
    as_of: datetime
    at: datetime
    by_whom: str
    reason: str
    reference: str
    changed: int
    digest: bytes


class Work(NamedTuple):
    """An edition that somebody asked for."""

    period: str
    edition: int
    asked_at: datetime
    asked_by: str
    reason: str
    reference: str


class Drift(NamedTuple):
    """How many figures of a closed period history counts otherwise by now."""

    at: datetime
    changed: int


async def editions(connection: AsyncConnection, period: str | None = None) -> list[Listed]:
    """All editions, or those of one period: the latest period first, its editions in their order."""
    rows = await connection.execute(
        text(
            """SELECT period, edition, year, number, as_of, at, by_whom, reason, reference, changed, digest
               FROM closed_period WHERE CAST(:period AS text) IS NULL OR period = :period
               ORDER BY period DESC, edition"""
        ),
        {"period": period},
    )
    return [
        Listed(
            row.period,
            row.edition,
            number_text(row.year, row.number),
            row.as_of,
            row.at,
            row.by_whom,
            row.reason,
            row.reference,
            row.changed,
            row.digest,
        )
        for row in rows
    ]


async def edition(connection: AsyncConnection, period: str, number: int | None = None) -> Signed | None:
    """One edition as it was signed, the last one where no number is given."""
    row = await connection.execute(
        text(
            """SELECT content, digest, signature, public_key FROM closed_period
               WHERE period = :period AND (CAST(:edition AS integer) IS NULL OR edition = :edition)
               ORDER BY edition DESC LIMIT 1"""
        ),
        {"period": period, "edition": number},
    )
    return _signed(row.one_or_none())


async def published(connection: AsyncConnection, period: str) -> Signed | None:
    """What is published of a period."""
    row = await connection.execute(
        text("SELECT content, digest, signature, public_key FROM published_period WHERE period = :period"),
        {"period": period},
    )
    return _signed(row.one_or_none())


async def unpublished(connection: AsyncConnection) -> list[Listed]:
    """Closings of which nothing is published yet."""
    done = {row.period for row in await connection.execute(text("SELECT period FROM published_period"))}
    return [one for one in await editions(connection) if one.edition == 0 and one.period not in done]


async def published_periods(connection: AsyncConnection) -> dict[str, datetime]:
    """Which periods are published, and since when."""
    rows = await connection.execute(text("SELECT period, at FROM published_period"))
    return {row.period: row.at for row in rows}


async def next_number(connection: AsyncConnection, year: int) -> int:
    """The next number of a year; it stays taken until the transaction ends, and is given again where that fails."""
    await wait_for(connection, Lock.NUMBERS)
    found = await connection.execute(
        text("SELECT coalesce(max(number), 0) + 1 FROM closed_period WHERE year = :year"), {"year": year}
    )
    return int(found.scalar_one())


async def add(connection: AsyncConnection, made: Edition, year: int, number: int, key: SigningKey) -> bytes:
    """Freeze an exact edition. Out: its digest."""
    content = made.content()
    await connection.execute(
        text(
            """INSERT INTO closed_period (period, edition, year, number, as_of, at, by_whom, reason, reference, changed,
                   content, digest, signature, public_key)
               VALUES (:period, :edition, :year, :number, :as_of, :at, :by, :reason, :reference, :changed,
                   :content, :digest, :signature, :public_key)"""
        ),
        {
            "period": made.period.code,
            "edition": made.edition,
            "year": year,
            "number": number,
            "as_of": made.as_of,
            "at": made.at,
            "by": made.by,
            "reason": made.reason,
            "reference": made.reference,
            "changed": len(made.changes),
            **_by_key(content, key),
        },
    )
    return digest(content)


async def publish(connection: AsyncConnection, made: Edition, key: SigningKey) -> None:
    """Freeze what everybody may see of a period."""
    content = made.content()
    await connection.execute(
        text(
            """INSERT INTO published_period (period, as_of, at, content, digest, signature, public_key)
               VALUES (:period, :as_of, :at, :content, :digest, :signature, :public_key)"""
        ),
        {"period": made.period.code, "as_of": made.as_of, "at": made.at, **_by_key(content, key)},
    )
    names = {indicator.code: indicator for indicator in made.indicators}
    rows = [
        {
            "period": made.period.code,
            "indicator": figure.indicator,
            "dimension": figure.dimension,
            "category": figure.category,
            "value": figure.value,
            "numerator": figure.numerator,
            "denominator": figure.denominator,
            "hidden": bool(figure.hidden),
            "name_vi": names[figure.indicator].vi,
            "name_en": names[figure.indicator].en,
            "unit": names[figure.indicator].unit,
        }
        for figure in made.figures
        if figure.period == made.period.code
    ]
    if rows:
        await connection.execute(
            text(
                """INSERT INTO published_figure (period, indicator, dimension, category, value, numerator, denominator,
                       hidden, name_vi, name_en, unit_of_measure)
                   VALUES (:period, :indicator, :dimension, :category, :value, :numerator, :denominator,
                       :hidden, :name_vi, :name_en, :unit)"""
            ),
            rows,
        )


async def ask(connection: AsyncConnection, work: Work) -> bool:
    """Keep what is asked for until it is done. Out: whether nothing else is asked of the period."""
    row = await connection.execute(
        text(
            """INSERT INTO period_work (period, edition, asked_at, asked_by, reason, reference)
               VALUES (:period, :edition, :asked_at, :asked_by, :reason, :reference)
               ON CONFLICT DO NOTHING RETURNING period"""
        ),
        work._asdict(),
    )
    return row.first() is not None


async def asked(connection: AsyncConnection) -> list[Work]:
    """What is asked for, the oldest first."""
    rows = await connection.execute(
        text(
            """SELECT period, edition, asked_at, asked_by, reason, reference FROM period_work
               ORDER BY asked_at, period"""
        )
    )
    return [Work(*row) for row in rows]


async def done(connection: AsyncConnection, period: str) -> None:
    """Forget what was asked of a period."""
    await connection.execute(text("DELETE FROM period_work WHERE period = :period"), {"period": period})


async def drifts(connection: AsyncConnection) -> dict[str, Drift]:
    """What was last found of each period."""
    rows = await connection.execute(text("SELECT period, at, changed FROM period_drift"))
    return {row.period: Drift(row.at, row.changed) for row in rows}


async def set_drift(connection: AsyncConnection, period: str, drift: Drift) -> None:
    """Keep what was found of a period."""
    await connection.execute(
        text(
            """INSERT INTO period_drift (period, at, changed) VALUES (:period, :at, :changed)
               ON CONFLICT (period) DO UPDATE SET at = excluded.at, changed = excluded.changed"""
        ),
        {"period": period, "at": drift.at, "changed": drift.changed},
    )


async def log_export(
    connection: AsyncConnection, period: str, number: int | None, file: str, at: datetime, by: str
) -> None:
    """Keep who took which file along; without a number: of what is published."""
    await connection.execute(
        text("INSERT INTO period_export (period, edition, file, at, by_whom) VALUES (:period, :n, :file, :at, :by)"),
        {"period": period, "n": number, "file": file, "at": at, "by": by},
    )


def number_text(year: int, number: int) -> str:
    """How a number is written: 07/2026."""
    return f"{number:02d}/{year}"


def latest(listed: Iterable[Listed]) -> dict[str, Listed]:
    """The last edition of each period."""
    return {one.period: one for one in sorted(listed, key=lambda one: (one.period, one.edition))}


def _by_key(content: bytes, key: SigningKey) -> dict[str, Any]:
    return {
        "content": content,
        "digest": digest(content),
        "signature": key.sign(content),
        "public_key": key.public,
    }


def _signed(row: Row[Sequence[Any]] | None) -> Signed | None:
    return None if row is None else Signed(*map(bytes, row))
