"""Coarser sums of history, which transaction changed a month last, the records behind a figure found by their cells."""

from collections.abc import Sequence
from typing import Any

import orjson
from alembic import op
from sqlalchemy import Connection, Row, text

from services.stats.domain.margins import margins_of
from services.stats.domain.measures import MEASURE_BITS, HistoryCell, Measure, columns

revision = "0007"
down_revision = "0006"

_STATEMENTS = """
ALTER TABLE history_cell ADD COLUMN margins bigint[];
CREATE INDEX history_cell_unit ON history_cell (unit, id);
CREATE INDEX version_cells ON version USING gin (cells);
DROP INDEX figure_indicator;
CREATE INDEX figure_indicator ON figure (indicator, unit, last);
CREATE TABLE belonging (kind smallint NOT NULL, key uuid NOT NULL, whole uuid NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE standing_change (
    measure smallint NOT NULL, first date NOT NULL, transaction bigint NOT NULL, PRIMARY KEY (measure, first)
) WITH (fillfactor = 50);
"""
_CELLS = 5_000
_CELL = """INSERT INTO history_cell SELECT * FROM jsonb_populate_recordset(NULL::history_cell, CAST(:rows AS jsonb))
ON CONFLICT (id) DO UPDATE SET margins = excluded.margins"""
_SUM = f"""INSERT INTO standing (measure, months, first, cell, n)
SELECT (margin >> {MEASURE_BITS})::smallint, months, first, margin, sum(n)
FROM standing AS s JOIN history_cell AS c ON c.id = s.cell, unnest(c.margins) AS margin
GROUP BY months, first, margin HAVING sum(n) <> 0"""


def upgrade() -> None:
    """Create them, and sum up what is there."""
    for statement in _STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    connection = op.get_bind()
    known = connection.execute(text("SELECT * FROM history_cell")).all()
    for at in range(0, len(known), _CELLS):
        _name(connection, known[at : at + _CELLS])
    op.execute(_SUM)


def _name(connection: Connection, known: Sequence[Row[Any]]) -> None:
    rows: dict[int, dict[str, object]] = {}
    for row in known:
        measure = Measure(row.id >> MEASURE_BITS)
        cell = HistoryCell(measure, tuple(getattr(row, name) for name in columns(measure)))
        margins = margins_of(cell)
        rows[row.id] = {**row._mapping, "margins": [margin for margin, _ in margins]}
        rows |= {margin: {"id": margin, **kept} for margin, kept in margins}
    connection.execute(text(_CELL), {"rows": orjson.dumps(list(rows.values())).decode()})
