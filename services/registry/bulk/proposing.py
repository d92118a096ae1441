"""Pairs of records that may be one child, found by splink on DuckDB within a bound of memory; what does not fit spills
into a folder that is removed. It proposes generously: whether a pair is one child is said by `domain.matching` alone.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import duckdb
import pyarrow as pa
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_rule_library import CustomRule
from splink.comparison_level_library import CustomLevel, ElseLevel
from splink.comparison_library import CustomComparison

from services.registry.domain.names import plain
from services.registry.domain.traits import Traits, swapped, whole

MEMORY: Final = "1500MB"
_FOLDER: Final = "vongtay-pairs-"
_BATCH: Final = 20_000
_FETCHED: Final = 5_000
# A pair that weighs less (in doublings of the odds) is none that the matcher would show anybody: against -6, on
# 98,000 made-up children, it lost 32 of 4,847 pairs that the matcher would show, none of them one child.
_LEAST: Final = -4.0
_SCHEMA: Final = pa.schema(
    [
        ("unique_id", pa.int64()),
        ("whole", pa.string()),
        ("given", pa.string()),
        ("born", pa.int32()),
        ("swapped", pa.int32()),
        ("year", pa.int32()),
        ("day", pa.int32()),
        ("unit", pa.string()),
        ("number", pa.string()),
        ("carers", pa.list_(pa.string())),
    ]
)

_COLUMNS: Final = (
    "unique_id BIGINT, whole VARCHAR, given VARCHAR, born INTEGER, swapped INTEGER, year INTEGER, day INTEGER, "
    "unit VARCHAR, number VARCHAR, carers VARCHAR[]"
)


def _row(at: int, traits: Traits) -> dict[str, Any]:
    return {
        "unique_id": at,
        "whole": whole(traits.name) or None,
        "given": plain(traits.name.given) or None,
        "born": _day(traits.birth_date),
        "swapped": _day(swapped(traits.birth_date)),
        "year": traits.birth_year,
        # Of any year, for those whose year is one off.
        "day": born.month * 100 + born.day if (born := traits.birth_date) else None,
        "unit": traits.unit,
        "number": traits.number,
        "carers": [whole(carer) for carer in traits.carers] or None,
    }


def _day(day: date | None) -> int | None:
    return day.toordinal() if day else None


class Proposal(NamedTuple):
    """Two records that may be one child: their ids, and what was kept with each."""

    one: str
    one_kept: bytes
    other: str
    other_kept: bytes
    other_number: int


class Workshop:
    """A DuckDB of its own for one search for pairs. Made by `workshop`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.connection = connection
        self.folder = folder
        # By list: each record's id and what is kept with it. Carried through the database's sort beside every pair,
        # it would be there a hundred times over.
        self._sources: dict[str, list[tuple[str, bytes]]] = {}

    def load(self, name: str, records: Iterable[tuple[str, Traits, bytes]]) -> int:
        """Add to a list of records: each with its id, what tells it apart, and whatever is wanted back with it.

        Out: how many the list has now. Of two lists the first by name comes first in each pair.
        """
        if name not in self._sources:
            self.connection.execute(f'CREATE TABLE "{name}_rows" ({_COLUMNS})')
        known = self._sources.setdefault(name, [])
        waiting = iter(records)
        while batch := list(islice(waiting, _BATCH)):
            rows = [_row(len(known) + at, traits) for at, (_, traits, _) in enumerate(batch)]
            self.connection.register("batch", pa.Table.from_pylist(rows, schema=_SCHEMA))
            self.connection.execute(f'INSERT INTO "{name}_rows" SELECT * FROM batch')
            self.connection.unregister("batch")
            known += [(key, kept) for key, _, kept in batch]
        return len(known)

    def propose(self) -> Iterator[Proposal]:
        """Pairs that may be one child, in the order of the second's rows: of one list within itself, of two lists one
        from each. No pair comes twice.
        """
        if not all(self._sources.values()):
            return
        alone = len(self._sources) == 1
        first, second = ([*self._sources] * 2 if alone else sorted(self._sources))[:2]
        ones, others = self._sources[first], self._sources[second]
        for one, other in self._pairs(alone=alone):
            yield Proposal(*ones[one], *others[other], other)

    def _pairs(self, *, alone: bool) -> Iterator[tuple[int, int]]:
        api = DuckDBAPI(connection=self.connection)
        frames = [api.register(f"{name}_rows", dataset_display_name=name) for name in self._sources]
        linker = Linker(frames, _settings("dedupe_only" if alone else "link_only"), log_level="ERROR")
        found = linker.inference.predict(threshold_match_weight=_LEAST, warning_mode="never")
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT unique_id_l, unique_id_r FROM {found.physical_name} ORDER BY unique_id_r")
        while rows := cursor.fetchmany(_FETCHED):
            yield from rows


@contextmanager
def workshop(base: Path | None = None, memory: str = MEMORY) -> Iterator[Workshop]:
    """A place to search for pairs in.

    In: `base`: where its folder is made (the system's place by default); `memory`: the most that DuckDB takes. The
    folder, which holds names in clear for as long as it is there, is its owner's alone, and is removed in any case.
    """
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=base))
    connection = duckdb.connect(
        str(folder / "pairs.duckdb"),
        config={
            "memory_limit": memory,
            "temp_directory": str(folder / "spill"),
            "threads": 2,
            "preserve_insertion_order": False,
        },
    )
    try:
        connection.execute("SET enable_progress_bar = false")
        yield Workshop(connection, folder)
    finally:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)


def sweep_away(base: Path) -> None:
    """Make a folder for searches, or empty it of what killed ones left. Call it only while none can run in it."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in base.glob(f"{_FOLDER}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _level(sql: str, m: float, u: float) -> Any:
    return CustomLevel(sql).configure(m_probability=m, u_probability=u)


def _missing(column: str) -> Any:
    return CustomLevel(f"{column}_l IS NULL OR {column}_r IS NULL").configure(is_null_level=True)


def _otherwise(m: float, u: float) -> Any:
    return ElseLevel().configure(m_probability=m, u_probability=u)


def _settings(link_type: Literal["dedupe_only", "link_only"]) -> SettingsCreator:
    """The same likelihoods as the matcher's, coarser: set by hand, not trained, so that every pass proposes alike."""
    name = CustomComparison(
        output_column_name="name",
        comparison_levels=[
            _missing("whole"),
            _level("whole_l = whole_r", 0.80, 0.002),
            _level("jaro_winkler_similarity(whole_l, whole_r) >= 0.9", 0.12, 0.01),
            _level("given_l = given_r", 0.05, 0.03),
            _otherwise(0.03, 0.958),
        ],
    )
    birth = CustomComparison(
        output_column_name="birth",
        comparison_levels=[
            _missing("year"),
            _level("born_l = born_r", 0.80, 0.0005),
            _level("born_l = swapped_r OR abs(born_l - born_r) <= 10", 0.07, 0.002),
            _level("year_l = year_r", 0.06, 0.06),
            _level("abs(year_l - year_r) <= 2", 0.05, 0.2),
            _otherwise(0.02, 0.7375),
        ],
    )
    carers = CustomComparison(
        output_column_name="carer",
        comparison_levels=[
            _missing("carers"),
            _level("list_has_any(carers_l, carers_r)", 0.80, 0.003),
            _otherwise(0.20, 0.997),
        ],
    )
    unit = CustomComparison(
        output_column_name="place",
        comparison_levels=[_missing("unit"), _level("unit_l = unit_r", 0.92, 0.05), _otherwise(0.08, 0.95)],
    )
    number = CustomComparison(
        output_column_name="number",
        comparison_levels=[_missing("number"), _level("number_l = number_r", 0.95, 0.00001), _otherwise(0.05, 0.99999)],
    )
    return SettingsCreator(
        link_type=link_type,
        probability_two_random_records_match=1 / 300,
        comparisons=[name, birth, carers, unit, number],
        blocking_rules_to_generate_predictions=_RULES,
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )


def _both_ways(left: str, right: str, *same: str) -> list[Any]:
    """A rule where one column of one is another column of the other, whichever comes first."""
    also = "".join(f" AND l.{column} = r.{column}" for column in same)
    return [CustomRule(f"l.{left} = r.{right}{also}"), CustomRule(f"l.{right} = r.{left}{also}")]


# As `traits.search_keys`: two records of one child share at least one, even with a slip.
_RULES: Final[list[Any]] = [
    block_on("number"),
    block_on("given", "born"),
    block_on("unit", "born"),
    block_on("whole", "year"),
    block_on("whole", "unit"),
    block_on("given", "unit", "year"),
    block_on("given", "unit", "day"),
    *_both_ways("born", "swapped", "given"),
    *_both_ways("born", "swapped", "unit"),
    CustomRule("l.whole = r.whole AND l.year = r.year + 1"),
    CustomRule("l.whole = r.whole AND l.year + 1 = r.year"),
    block_on("carers", "born", arrays_to_explode=["carers"]),
    block_on("carers", "unit", arrays_to_explode=["carers"]),
]
