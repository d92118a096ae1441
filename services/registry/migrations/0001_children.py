"""Children, what sources say of them, how they are found; pairs, merges and logs; and the messaging tables."""

from alembic import op

from shared.messaging.tables import create_messaging

revision = "registry0001"
down_revision = None

_TABLES = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE child (
    id uuid PRIMARY KEY, sequence integer NOT NULL, unit text, birth_date date, birth_year integer,
    name_folded text NOT NULL, carers_folded text NOT NULL, description jsonb NOT NULL,
    circumstances text[] NOT NULL, confirmed_on date NOT NULL, merged_into uuid,
    registered_at timestamptz NOT NULL, changed_at timestamptz NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX child_commune ON child (unit, birth_year) WHERE merged_into IS NULL;
CREATE INDEX child_merged ON child (merged_into) WHERE merged_into IS NOT NULL;
CREATE TABLE block (key bigint NOT NULL, child_id uuid NOT NULL, PRIMARY KEY (key, child_id));
CREATE INDEX block_child ON block (child_id);
CREATE TABLE claim (key bigint PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE statement (
    record_id uuid PRIMARY KEY, child_id uuid NOT NULL REFERENCES child, register_kind text NOT NULL,
    sector text NOT NULL, as_of date NOT NULL, unit text, unit_text text, description jsonb NOT NULL,
    circumstances text[] NOT NULL, dropped_out boolean NOT NULL, sequence integer NOT NULL,
    probability real, received_at timestamptz NOT NULL
);
CREATE INDEX statement_child ON statement (child_id);
CREATE TABLE circumstance (
    record_id uuid NOT NULL, code text NOT NULL, child_id uuid NOT NULL REFERENCES child, since date NOT NULL,
    until date, sector text NOT NULL, evidence text, PRIMARY KEY (record_id, code)
);
CREATE INDEX circumstance_child ON circumstance (child_id);
CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, child_id uuid NOT NULL, at timestamptz NOT NULL,
    kind text NOT NULL, actor text NOT NULL, detail jsonb NOT NULL
);
CREATE INDEX history_child ON history (child_id, at);
CREATE TABLE pair (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, low uuid NOT NULL, high uuid NOT NULL,
    probability real NOT NULL, reasons text[] NOT NULL, state text NOT NULL DEFAULT 'open',
    made_at timestamptz NOT NULL, decided_at timestamptz, decided_by text, UNIQUE (low, high)
);
CREATE INDEX pair_open ON pair (probability DESC, id) WHERE state = 'open';
CREATE INDEX pair_high ON pair (high);
CREATE TABLE merge (
    id uuid PRIMARY KEY, kept uuid NOT NULL, gone uuid NOT NULL, records uuid[] NOT NULL, pair_id bigint,
    at timestamptz NOT NULL, by text NOT NULL, undone_at timestamptz, undone_by text
);
CREATE INDEX merge_kept ON merge (kept);
CREATE TABLE identification (
    case_id text PRIMARY KEY, sequence integer NOT NULL, child_id uuid, record_id uuid
);
CREATE TABLE access (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, who text NOT NULL, act text NOT NULL,
    child_id uuid, detail jsonb NOT NULL
);
CREATE INDEX access_child ON access (child_id, at) WHERE child_id IS NOT NULL;
CREATE INDEX access_at ON access (at);
"""


def upgrade() -> None:
    """Create everything."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    create_messaging(op.get_bind())
