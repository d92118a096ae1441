"""Facts, the cube that counts them, progress, indicators; and the messaging tables."""

from alembic import op

from shared.messaging.tables import create_messaging

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE cell (
    id bigint PRIMARY KEY, kind smallint NOT NULL,
    unit text NOT NULL, sex text NOT NULL, age_band text NOT NULL, date text NOT NULL, category text NOT NULL,
    risk text NOT NULL, status text NOT NULL, sector text NOT NULL, channel text NOT NULL, extra text NOT NULL,
    groups text NOT NULL
);
CREATE INDEX cell_kind_unit ON cell (kind, unit);
CREATE INDEX cell_arrival ON cell (date) WHERE kind = 9;
-- Room on each page lets an update stay on it, without touching the index.
CREATE TABLE fact (
    kind smallint NOT NULL, key uuid NOT NULL, sequence integer NOT NULL, cell bigint, PRIMARY KEY (kind, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE cube (cell bigint PRIMARY KEY, n bigint NOT NULL)
    WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE link (record uuid PRIMARY KEY, child uuid NOT NULL, register text NOT NULL, sequence integer NOT NULL);
CREATE INDEX link_child ON link (child);
CREATE TABLE alias (child uuid PRIMARY KEY, "into" uuid NOT NULL);
CREATE INDEX alias_into ON alias ("into");
CREATE TABLE progress (
    topic text NOT NULL, partition integer NOT NULL, "offset" bigint NOT NULL, time timestamptz,
    PRIMARY KEY (topic, partition)
);
CREATE TABLE heard (
    topic text NOT NULL, partition integer NOT NULL, sector text NOT NULL, time timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, sector)
);
CREATE TABLE indicator (
    name text NOT NULL, unit text NOT NULL, value bigint NOT NULL, sequence integer NOT NULL,
    published_at timestamptz NOT NULL, PRIMARY KEY (name, unit)
);
CREATE TABLE rebuild (
    id boolean PRIMARY KEY DEFAULT true CHECK (id), state text NOT NULL, done bigint NOT NULL, total bigint NOT NULL,
    reason text NOT NULL, differences jsonb NOT NULL, differing bigint NOT NULL, started_at timestamptz NOT NULL,
    finished_at timestamptz
);
"""


def upgrade() -> None:
    """Create everything."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    create_messaging(op.get_bind())
