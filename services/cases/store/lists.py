"""What people see in lists: cases of an area, the figures above them.

What is open is read along one covering index, what has ended along another: no list and no figure goes through history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.looks import FRESH
from services.cases.store.statements import Units, in_units, not_kept_out, units_of

_DAY: Final = "interval '24 hours'"
# The running clock that `next_due` is of; `shown` is a row of cases.
_DUE_KIND: Final = """(SELECT kind FROM deadline WHERE case_id = shown.id AND due = shown.next_due
                       AND state IN ('running', 'nearing', 'missed') LIMIT 1)"""
_FIGURES: Final = f"""count(*) AS open, count(*) FILTER (WHERE risk = 'high') AS high,
    count(*) FILTER (WHERE next_due < :now) AS missed,
    count(*) FILTER (WHERE next_due >= :now AND next_due < :now + {_DAY}) AS today,
    count(*) FILTER (WHERE step = 'approval') AS approval"""
_RANK: Final = "CASE risk WHEN 'high' THEN 0 WHEN 'medium' THEN 1 WHEN 'unassessed' THEN 2 ELSE 3 END"
_SOONEST: Final = "coalesce(next_due, 'infinity')"


@dataclass(frozen=True, slots=True)
class _Key:
    """One column that a list is in order of, as SQL; `kind` is what its place in an address is read as."""

    sql: str
    kind: str


_ORDERS: Final[dict[str, tuple[bool, tuple[_Key, ...]]]] = {
    "due": (True, (_Key(_SOONEST, "timestamptz"),)),
    "risk": (True, (_Key(_RANK, "integer"), _Key(_SOONEST, "timestamptz"))),
    "opened": (False, (_Key("opened_at", "timestamptz"),)),
    "oldest": (True, (_Key("opened_at", "timestamptz"),)),
}
ORDERS: Final = tuple(_ORDERS)


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a list of cases shows. Empty: everything open that the area covers.

    `due`: missed or today. `awaits`: a sector that owes an answer. `worker`: an account's id, `none` where nobody is
    responsible. `reader`: who looks; a case from which they are kept out is not there for them.
    """

    status: str = "open"
    unit: str | None = None
    risk: str | None = None
    step: str | None = None
    due: str | None = None
    kind: str | None = None
    awaits: str | None = None
    worker: str | None = None
    code: str | None = None
    reader: str | None = None

    @property
    def of_cases_only(self) -> bool:
        """Whether it asks for what a report that is no case yet does not have."""
        return bool(self.risk or self.step or self.due or self.awaits or self.worker)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list to go on: the values of its order's columns in the last row seen, and that row's id."""

    values: tuple[str, ...]
    id: str

    @classmethod
    def read(cls, order: str, text_: str) -> Place | None:
        """From an address; None for what is none of this order."""
        *values, last = text_.split("~")
        keys = _ORDERS[order][1]
        fits = len(values) == len(keys) and all(map(_is, (key.kind for key in keys), values))
        return cls(tuple(values), last) if fits and last and "\x00" not in last else None

    def __str__(self) -> str:
        return "~".join((*self.values, self.id))


@dataclass(frozen=True, slots=True)
class CasePage:
    """Some rows of a list, and where the next ones begin; None at its end."""

    rows: list[RowMapping]
    following: Place | None


async def list_cases(
    connection: AsyncConnection,
    units: Units,
    wanted: CaseFilter,
    now: datetime,
    *,
    limit: int,
    order: str = "due",
    after: Place | None = None,
    person: str = "",
) -> CasePage:
    """Cases of an area in one of `ORDERS`, from `after` on; `fresh`: lines others wrote since `person` looked."""
    forward, keys = _ORDERS[order]
    conditions, values = _conditions(units, wanted, now)
    values |= {"limit": limit + 1, "person": person}
    columns = ", ".join([*(key.sql for key in keys), "id"])
    if after is not None:
        places = [f"CAST(CAST(:place{n} AS text) AS {key.kind})" for n, key in enumerate(keys)]
        conditions += f" AND ({columns}) {'>' if forward else '<'} ({', '.join([*places, ':place'])})"
        values |= {f"place{n}": value for n, value in enumerate(after.values)} | {"place": after.id}
    way = "ASC" if forward else "DESC"
    named = ", ".join(f"{key.sql} AS key{n}" for n, key in enumerate(keys))
    ordered = ", ".join(f"{column} {way}" for column in (*(f"key{n}" for n in range(len(keys))), "id"))
    # The ids come from a covering index alone; only the rows that are shown are fetched.
    rows = await connection.execute(
        text(
            f"""WITH page AS MATERIALIZED (
                    SELECT id, {named} FROM cases WHERE {conditions} ORDER BY {ordered} LIMIT :limit
                )
                SELECT shown.id, code, unit, kind, risk, status, step, sex, age_band, opened_at, next_due, identity,
                       version, worker, worker_name, {_DUE_KIND} AS due_kind,
                       CASE WHEN look.entry_id IS NOT NULL THEN {FRESH} END AS fresh
                FROM page JOIN cases AS shown ON shown.id = page.id
                LEFT JOIN last_look AS look ON look.person = :person AND look.case_id = shown.id
                ORDER BY {ordered.replace("id ", "page.id ")}"""
        ),
        values,
    )
    found = list(rows.mappings())
    shown = found[:limit]
    return CasePage(shown, _place_of(order, shown[-1]) if len(found) > limit else None)


async def count_open(connection: AsyncConnection, units: Units, wanted: CaseFilter, now: datetime) -> int | None:
    """How many open cases match; None for what has ended, which nobody counts through."""
    if wanted.status != "open":
        return None
    conditions, values = _conditions(units, wanted, now)
    number: int = (
        await connection.execute(text(f"SELECT count(*) FROM cases WHERE {conditions}"), values)
    ).scalar_one()
    return number


async def case_counts(
    connection: AsyncConnection, units: Units, now: datetime, worker: str | None = None, reader: str | None = None
) -> RowMapping:
    """The figures above the worklist: open, missed, due within a day, waiting for the chair, at high risk."""
    conditions, values = _conditions(units, CaseFilter(worker=worker, reader=reader), now)
    rows = await connection.execute(text(f"SELECT {_FIGURES} FROM cases WHERE {conditions}"), {"now": now, **values})
    return rows.mappings().one()


async def counts_by_unit(
    connection: AsyncConnection, units: Units, wanted: CaseFilter, now: datetime
) -> dict[str, RowMapping]:
    """The same figures of each commune that has open cases that match."""
    conditions, values = _conditions(units, wanted, now)
    rows = await connection.execute(
        text(f"SELECT unit, {_FIGURES} FROM cases WHERE {conditions} GROUP BY unit"), {"now": now, **values}
    )
    return {row["unit"]: row for row in rows.mappings()}


async def waiting_by_unit(connection: AsyncConnection, units: Units, wanted: CaseFilter) -> dict[str, int]:
    """How many reports wait for triage in each commune."""
    conditions, values = "", units_of(units)
    for name in ("unit", "kind"):
        if getattr(wanted, name):
            conditions += f" AND {name} = :{name}"
            values[name] = getattr(wanted, name)
    rows = await connection.execute(
        text(
            f"""SELECT unit, count(*) AS n FROM concern
                WHERE status = 'received' {in_units(units)}{conditions} GROUP BY unit"""
        ),
        values,
    )
    return {row.unit: row.n for row in rows}


async def workers_in(connection: AsyncConnection, units: Units, unit: str | None) -> list[tuple[str, str]]:
    """Who is responsible for open cases of an area, or of one commune in it: account and name."""
    rows = await connection.execute(
        text(
            f"""SELECT worker, max(worker_name) AS name FROM cases
                WHERE status = 'open' AND worker IS NOT NULL {in_units(units)} {"AND unit = :unit" if unit else ""}
                GROUP BY worker ORDER BY name, worker"""
        ),
        {**units_of(units), **({"unit": unit} if unit else {})},
    )
    return [(row.worker, row.name or row.worker) for row in rows]


def _conditions(units: Units, wanted: CaseFilter, now: datetime) -> tuple[str, dict[str, Any]]:
    conditions = [f"TRUE {in_units(units)}"]
    values: dict[str, Any] = units_of(units)
    for name in ("unit", "risk", "step", "kind", "worker", "code"):
        value = getattr(wanted, name)
        if name == "worker" and value == "none":
            conditions.append("worker IS NULL")
        elif value:
            conditions.append(f"{name} = :{name}")
            values[name] = value
    if wanted.reader:
        conditions.append(not_kept_out("id"))
        values["reader"] = wanted.reader
    if wanted.status == "open":
        # In clear, so that the partial indexes fit whatever plan is kept.
        conditions.append("status = 'open'")
    elif wanted.status:
        conditions.append("status = :status AND status <> 'open'")
        values["status"] = wanted.status
    if wanted.due:
        until = "next_due < :now" if wanted.due == "missed" else f"next_due >= :now AND next_due < :now + {_DAY}"
        conditions.append(until)
        values["now"] = now
    if wanted.awaits:
        conditions.append(
            """id IN (SELECT case_id FROM task WHERE sector = :awaits
                      AND state IN ('requested', 'accepted', 'overdue'))"""
        )
        values["awaits"] = wanted.awaits
    return " AND ".join(conditions), values


_RANKS: Final = {"high": 0, "medium": 1, "unassessed": 2}


def _place_of(order: str, row: RowMapping) -> Place:
    due = "infinity" if row["next_due"] is None else row["next_due"].astimezone(UTC).isoformat()
    values = {
        "due": (due,),
        "risk": (str(_RANKS.get(row["risk"], 3)), due),
        "opened": (row["opened_at"].astimezone(UTC).isoformat(),),
        "oldest": (row["opened_at"].astimezone(UTC).isoformat(),),
    }[order]
    return Place(values, row["id"])


def _is(kind: str, value: str) -> bool:
    if kind == "integer":
        return value.isdecimal() and len(value) < 4
    if value == "infinity":
        return True
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
