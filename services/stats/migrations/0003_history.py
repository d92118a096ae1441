"""Versions of facts with the moment of each, and what each moved on which day."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE TABLE history_cell (
    id bigint PRIMARY KEY,
    unit text, sex text, age text, kind text, request text, danger_now text, sector text, channel text, status text,
    risk text, environment text, harmer text, outcome text, clock text, state text, span text, hours text, service text,
    place text, activity text, audience text, step text, task text, born text, circumstance text, ethnicity text,
    disability text, supported text
);
CREATE TABLE version (
    kind smallint NOT NULL, key uuid NOT NULL, sequence integer NOT NULL, at timestamptz NOT NULL,
    cells bigint[] NOT NULL, days date[] NOT NULL, amounts bigint[], PRIMARY KEY (kind, key, sequence)
);
CREATE TABLE movement (
    measure smallint NOT NULL, cell bigint NOT NULL, day date NOT NULL, at timestamptz NOT NULL, n bigint NOT NULL
);
CREATE INDEX movement_day ON movement (measure, day);
CREATE INDEX movement_at ON movement (measure, at);
CREATE TABLE standing (
    measure smallint NOT NULL, months smallint NOT NULL, first date NOT NULL, cell bigint NOT NULL, n bigint NOT NULL,
    PRIMARY KEY (measure, months, first, cell)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE figure (
    key uuid NOT NULL, sequence integer NOT NULL, at timestamptz NOT NULL, indicator text NOT NULL, unit text NOT NULL,
    period text NOT NULL, first date NOT NULL, last date NOT NULL, value double precision NOT NULL,
    weight bigint NOT NULL, sector text NOT NULL, PRIMARY KEY (key, sequence)
);
CREATE INDEX figure_indicator ON figure (indicator, last);
CREATE TABLE self_check (
    id boolean PRIMARY KEY DEFAULT true CHECK (id), at timestamptz NOT NULL, found jsonb NOT NULL
);
CREATE TABLE agency_record (id uuid PRIMARY KEY, sequence integer NOT NULL);
CREATE TABLE history_progress (
    topic text NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL, time timestamptz,
    PRIMARY KEY (topic, partition)
);
"""


def upgrade() -> None:
    """Create the tables."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
