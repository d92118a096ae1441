"""As of which moments history still answers, how far it is compacted, what a snapshot holds, how a rebuild stands."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = """
CREATE TABLE kept_moment (at timestamptz PRIMARY KEY);
CREATE TABLE compaction (
    id boolean PRIMARY KEY DEFAULT true CHECK (id), every_moment_from timestamptz NOT NULL, state text NOT NULL,
    kind smallint NOT NULL, key uuid NOT NULL, measure smallint NOT NULL, at timestamptz NOT NULL,
    versions bigint NOT NULL, movements bigint NOT NULL, started_at timestamptz NOT NULL, finished_at timestamptz
);
ALTER TABLE self_check ADD COLUMN seconds double precision NOT NULL DEFAULT 0;
ALTER TABLE rebuild ADD COLUMN asks boolean NOT NULL DEFAULT false, ADD COLUMN answer text NOT NULL DEFAULT '',
    ADD COLUMN tries integer NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    """Create the tables, widen those that there are."""
    for statement in _STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
