"""What can be asked of the cube: any measure by any of its dimensions, and the figures that a truth file holds.

Every answer comes from the cube alone, so it costs the same however much history lies behind it. It never lists people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import COMMUNE_ROSTER, DROPPED_OUT, SCHOOL_ROSTER, Kind
from services.stats.domain.measures import coded
from shared.contracts.errors import Rejected, Violation

_PLACE: Final = {"unit": "unit", "sex": "sex"}
_CASE: Final = {**_PLACE, "age": "age_band", "risk": "risk", "status": "status", "sector": "sector"}
# What may be asked: measure -> its kind, and dimension -> the column of the cell that holds it.
MEASURES: Final[Mapping[str, tuple[Kind, Mapping[str, str]]]] = {
    "concerns": (
        Kind.CONCERN,
        {
            **_PLACE,
            "age": "age_band",
            "kind": "category",
            "status": "status",
            "sector": "sector",
            "channel": "channel",
            "danger_now": "extra",
        },
    ),
    # Reports that ask for something else than protection, counted apart from concerns.
    "requests": (
        Kind.CONCERN,
        {
            **_PLACE,
            "age": "age_band",
            "request": "request",
            "status": "status",
            "sector": "sector",
            "channel": "channel",
        },
    ),
    "arrivals": (Kind.ARRIVAL, {**_PLACE, "age": "age_band", "kind": "category", "day": "date"}),
    "cases": (
        Kind.CASE,
        {
            **_CASE,
            "kind": "category",
            "channel": "channel",
            "step": "extra",
            "environment": "environment",
            "harmer": "harmer",
        },
    ),
    "deadlines": (Kind.DEADLINE, {**_CASE, "clock": "category", "channel": "channel", "kind": "extra"}),
    "tasks": (Kind.TASK, {**_CASE, "task": "category", "kind": "extra"}),
    "services": (
        Kind.SERVICE,
        {
            **_PLACE,
            "age": "age_band",
            "risk": "risk",
            "service": "category",
            "sector": "sector",
            "kind": "extra",
            "month": "date",
        },
    ),
    "incidents": (
        Kind.INCIDENT,
        {**_PLACE, "age": "age_band", "kind": "category", "outcome": "status", "sector": "sector", "month": "date"},
    ),
    "children": (Kind.CHILD, {**_PLACE, "age": "age", "born": "date", "circumstance": "groups"}),
    "records": (
        Kind.RECORD,
        {
            **_PLACE,
            "age": "age",
            "born": "date",
            "register": "category",
            "sector": "sector",
            "dropped_out": "extra",
            "circumstance": "groups",
        },
    ),
}
# Cells hold the words that agencies sent, which a truth file has, too: whoever asks is answered by their codes, as
# history counts them.
_CODED: Final[Mapping[str, tuple[str, ...]]] = {"incidents": ("kind", "outcome")}
# Measures that share a kind, told apart by what was asked for.
_ONLY: Final[Mapping[str, str]] = {
    "concerns": "c.groups = ''",
    "arrivals": "c.groups = ''",
    "requests": "c.groups <> ''",
}
_MAX_ROWS: Final = 100_000
_GROUPS: Final = "groups"
# Completed years of who was born in the month (or year) of `date`, by the month in which somebody asks.
# Rounded down, and not towards nothing: who is born next month is no infant yet.
_YEARS: Final = """CASE length(c.date)
        WHEN 7 THEN (:month + 12 - left(c.date, 4)::integer * 12 - right(c.date, 2)::integer) / 12 - 1
        WHEN 4 THEN (:month - 1) / 12 - c.date::integer END"""
AGE_BAND: Final = f"""CASE WHEN ({_YEARS}) IS NULL OR ({_YEARS}) < 0 THEN 'unknown'
    WHEN ({_YEARS}) <= 3 THEN '0-3' WHEN ({_YEARS}) <= 5 THEN '4-5' WHEN ({_YEARS}) <= 10 THEN '6-10'
    WHEN ({_YEARS}) <= 15 THEN '11-15' ELSE '16+' END"""
# Dimensions that are no column of the cell as it is.
_WORKED_OUT: Final[Mapping[str, str]] = {
    "age": AGE_BAND,
    "environment": "split_part(c.groups, '/', 1)",
    "harmer": "split_part(c.groups, '/', 2)",
    "request": "c.groups",
}
Units = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A question: a measure, the dimensions it is broken down by, and which values of which dimensions count.

    Raises `Rejected` for a measure or a dimension that there is not.
    """

    measure: str
    by: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise Rejected([_unknown("measure", MEASURES)])
        dimensions = MEASURES[self.measure][1]
        for field, names in (("by", self.by), ("filter", tuple(self.filters))):
            if any(name not in dimensions for name in names):
                raise Rejected([_unknown(field, dimensions)])
        if len(set(self.by)) < len(self.by):
            raise Rejected([Violation("by", "by-twice", "Một chiều được nêu hai lần.", "A dimension is named twice.")])


def _unknown(field: str, known: Iterable[str]) -> Violation:
    words = ", ".join(known)
    return Violation(field, f"{field}-unknown", f"Chỉ có: {words}.", f"There are only: {words}.")


def month_number(day: date) -> int:
    """Months since year 0, for `AGE_BAND`: ages are by month, since a child's day of birth is not counted with."""
    return day.year * 12 + day.month


async def ask(connection: AsyncConnection, question: Slice, units: Units, today: date) -> list[dict[str, Any]]:
    """The rows of a slice, largest first: its dimensions and `n`. Raises `Rejected` for one of too many rows.

    Args:
        units: communes that may be seen; None: all. today: the local day, for ages.

    A child in two circumstances is in the rows of both; without that dimension it is counted once. Agencies' own words
    are answered, and may be asked for, by the codes that they mean.
    """
    kind, columns = MEASURES[question.measure]
    values: dict[str, Any] = {"kind": int(kind), "limit": _MAX_ROWS + 1}
    where = ["c.kind = :kind", "q.n <> 0", _ONLY.get(question.measure, "TRUE")]
    if units is not None:
        where.append("c.unit = ANY(:units)")
        values["units"] = sorted(units)
    for number, (name, wanted) in enumerate(question.filters.items()):
        column = columns[name]
        asked_by_code = name in _CODED.get(question.measure, ())
        values[f"f{number}"] = await _meant(connection, question.measure, name, wanted) if asked_by_code else [*wanted]
        if column == _GROUPS:
            where.append(f"string_to_array(c.groups, '+') && :f{number}")
        else:
            where.append(f"{_expression(column)} = ANY(:f{number})")
    shown = [f"{_expression(columns[name])} AS {name}" for name in question.by]
    if "age" in (columns[name] for name in (*question.by, *question.filters)):
        values["month"] = month_number(today)
    grouping = f"GROUP BY {', '.join(str(at + 1) for at in range(len(shown)))}" if shown else ""
    rows = await connection.execute(
        text(
            f"""SELECT {", ".join([*shown, "coalesce(sum(q.n), 0)::bigint AS n"])}
                FROM cell c JOIN cube q ON q.cell = c.id WHERE {" AND ".join(where)} {grouping} LIMIT :limit"""
        ),
        values,
    )
    found = [dict(row) for row in rows.mappings()]
    if len(found) > _MAX_ROWS:
        words = ("Bảng quá lớn: hãy chọn ít chiều hơn.", "The table is too large: choose fewer dimensions.")
        raise Rejected([Violation("by", "too-large", *words)])
    coded_rows = _by_code(found, question)
    by_group = _GROUPS in (columns[name] for name in question.by)
    divided = _by_circumstance(coded_rows, question) if by_group else coded_rows
    return sorted(divided, key=lambda row: (-row["n"], *(str(row[name]) for name in question.by)))


def _expression(column: str) -> str:
    return _WORKED_OUT.get(column, f"c.{column}")


async def _meant(connection: AsyncConnection, measure: str, dimension: str, wanted: Sequence[str]) -> list[str]:
    """The words in the cells that mean one of some codes, or what some words mean."""
    kind, columns = MEASURES[measure]
    statement = text(f"SELECT DISTINCT {columns[dimension]} FROM cell WHERE kind = :kind")
    codes = {coded(measure, dimension, one) for one in wanted}
    words = (await connection.execute(statement, {"kind": int(kind)})).scalars()
    return [word for word in words if coded(measure, dimension, word) in codes]


def _by_code(rows: Sequence[dict[str, Any]], question: Slice) -> Sequence[dict[str, Any]]:
    named = [name for name in question.by if name in _CODED.get(question.measure, ())]
    if not named:
        return rows
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        at = {**row, **{name: coded(question.measure, name, row[name]) for name in named}}
        sums[tuple(at[name] for name in question.by)] += row["n"]
    return [dict(zip(question.by, at, strict=True)) | {"n": n} for at, n in sums.items()]


def _by_circumstance(rows: Sequence[dict[str, Any]], question: Slice) -> list[dict[str, Any]]:
    wanted = question.filters.get("circumstance")
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        for one in row["circumstance"].split("+"):
            if wanted is None or one in wanted:
                sums[tuple(one if name == "circumstance" else row[name] for name in question.by)] += row["n"]
    return [dict(zip(question.by, at, strict=True)) | {"n": n} for at, n in sums.items()]


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: int
    unit: str
    category: str
    status: str
    channel: str
    extra: str
    groups: str
    n: int


_EXPECTED = """
SELECT c.kind, c.unit, c.category, c.status, c.channel, c.extra, c.groups, sum(q.n)::bigint AS n
FROM cell c JOIN cube q ON q.cell = c.id
WHERE q.n <> 0 AND (c.kind = ANY(:kinds) OR c.kind = :incident AND c.sector = 'health')
GROUP BY c.kind, c.unit, c.category, c.status, c.channel, c.extra, c.groups
"""


async def expected_figures(connection: AsyncConnection) -> dict[str, Any]:
    """The figures that a truth file holds, as they are counted now: `children`, `concerns`, `incidents`.

    Incidents are the hospitals', by cause and result in the words that hospitals sent.
    """
    kinds = [int(kind) for kind in (Kind.CONCERN, Kind.RECORD, Kind.MEMBERSHIP)]
    rows = await connection.execute(text(_EXPECTED), {"kinds": kinds, "incident": int(Kind.INCIDENT)})
    by_kind: dict[int, list[_Cell]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(_Cell(*row))
    concerns = by_kind.get(Kind.CONCERN, [])
    incidents = by_kind.get(Kind.INCIDENT, [])
    return {
        "children": _children(by_kind.get(Kind.RECORD, []), by_kind.get(Kind.MEMBERSHIP, [])),
        "concerns": {
            "total": _total(concerns),
            "by_kind": _sums(concerns, lambda cell: [cell.category]),
            "by_unit": _sums(concerns, lambda cell: [cell.unit]),
            "danger_now": _total(cell for cell in concerns if cell.extra == "yes"),
            "by_channel": _sums(concerns, lambda cell: [cell.channel]),
        },
        "incidents": {
            "total": _total(incidents),
            "by_cause": _sums(incidents, lambda cell: [cell.category]),
            "by_result": _sums(incidents, lambda cell: [cell.status]),
        },
    }


def _children(records: Sequence[_Cell], memberships: Sequence[_Cell]) -> dict[str, Any]:
    roster = [cell for cell in records if cell.category == COMMUNE_ROSTER]
    known = [(frozenset(cell.category.split("+")), cell.n) for cell in memberships]
    both = {COMMUNE_ROSTER, SCHOOL_ROSTER}
    return {
        "from_commune_roster": _total(roster),
        "by_unit": _sums(roster, lambda cell: [cell.unit]),
        "circumstances": _sums(roster, lambda cell: cell.groups.split("+") if cell.groups else []),
        "in_both": sum(n for registers, n in known if both <= registers),
        "only_school": sum(n for registers, n in known if registers & both == {SCHOOL_ROSTER}),
        "distinct": sum(n for registers, n in known if registers & both),
        "dropped_out": _total(cell for cell in records if cell.extra == DROPPED_OUT),
    }


def _total(cells: Iterable[_Cell]) -> int:
    return sum(cell.n for cell in cells)


def _sums(cells: Iterable[_Cell], words: Callable[[_Cell], Iterable[str]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for cell in cells:
        for word in words(cell):
            sums[word] += cell.n
    return dict(sorted(sums.items()))
