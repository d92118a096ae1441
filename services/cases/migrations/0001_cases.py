"""Concerns, cases, their clocks, tasks and timeline; who read an identity; and the messaging tables."""

from alembic import op

from shared.messaging.tables import create_messaging

revision = "cases0001"
down_revision = None

_TABLES = """
CREATE SEQUENCE concern_number;
CREATE SEQUENCE case_number;
CREATE TABLE concern (
    id text PRIMARY KEY, code text NOT NULL UNIQUE, case_id text, file_id text NOT NULL,
    unit text NOT NULL, sex text NOT NULL, age_band text NOT NULL, kind text NOT NULL, kinds jsonb NOT NULL,
    danger_now text NOT NULL, sector text NOT NULL, channel text NOT NULL, status text NOT NULL,
    received_at timestamptz NOT NULL, taken_in_at timestamptz NOT NULL, entered_by text,
    said jsonb NOT NULL, reason text, version integer NOT NULL, sequence integer NOT NULL
);
CREATE INDEX concern_waiting ON concern (unit, received_at) WHERE status = 'received';
CREATE INDEX concern_case ON concern (case_id);
CREATE INDEX concern_entered ON concern (entered_by, taken_in_at) WHERE entered_by IS NOT NULL;
CREATE TABLE cases (
    id text PRIMARY KEY, code text NOT NULL UNIQUE, concern_id text NOT NULL,
    unit text NOT NULL, sex text NOT NULL, age_band text NOT NULL, kind text NOT NULL, risk text NOT NULL,
    status text NOT NULL, step text NOT NULL, sector text NOT NULL, channel text NOT NULL, danger_now text NOT NULL,
    received_at timestamptz NOT NULL, opened_at timestamptz NOT NULL, child_id text, identity text NOT NULL,
    candidates jsonb NOT NULL, verified boolean, emergency text, review text, outcome text, merged_into text,
    version integer NOT NULL, sequence integer NOT NULL, next_moment timestamptz, next_due timestamptz
) WITH (fillfactor = 80);
CREATE INDEX cases_open ON cases (unit, next_due) WHERE status = 'open';
CREATE INDEX cases_next_moment ON cases (next_moment) WHERE next_moment IS NOT NULL;
CREATE INDEX cases_child ON cases (child_id) WHERE child_id IS NOT NULL;
CREATE INDEX cases_merged ON cases (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX cases_opened ON cases (opened_at);
CREATE TABLE deadline (
    id text PRIMARY KEY, case_id text NOT NULL REFERENCES cases, kind text NOT NULL, started_at timestamptz NOT NULL,
    due timestamptz NOT NULL, nearing_at timestamptz NOT NULL, legal_source text NOT NULL, state text NOT NULL,
    settled_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX deadline_case ON deadline (case_id);
CREATE TABLE task (
    id text PRIMARY KEY, case_id text NOT NULL REFERENCES cases, kind text NOT NULL, sector text NOT NULL,
    state text NOT NULL, asked_at timestamptz NOT NULL, due timestamptz NOT NULL, answered_at timestamptz,
    answer_id text
) WITH (fillfactor = 80);
CREATE INDEX task_case ON task (case_id);
CREATE INDEX task_open ON task (sector, due) WHERE state IN ('requested', 'accepted', 'overdue');
CREATE TABLE entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, case_id text NOT NULL REFERENCES cases,
    at timestamptz NOT NULL, kind text NOT NULL, sector text, who text NOT NULL, who_name text NOT NULL,
    data jsonb NOT NULL, words jsonb
);
CREATE INDEX entry_case ON entry (case_id, id);
CREATE TABLE incident (
    id text PRIMARY KEY, kind text NOT NULL, outcome text NOT NULL, place text, unit text NOT NULL, sex text NOT NULL,
    age_band text NOT NULL, sector text NOT NULL, occurred_on date NOT NULL, sequence integer NOT NULL
);
CREATE TABLE child_alias (merged_id text PRIMARY KEY, child_id text NOT NULL);
CREATE TABLE identity_read (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who text NOT NULL, role text NOT NULL,
    file_id text NOT NULL, purpose text NOT NULL, at timestamptz NOT NULL
);
CREATE INDEX identity_read_file ON identity_read (file_id, at);
"""


def upgrade() -> None:
    """Create everything."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    create_messaging(op.get_bind())
