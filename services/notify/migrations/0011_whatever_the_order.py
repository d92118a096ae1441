"""A report and its case lie in two partitions, so what ends a ladder may be heard before what begins it: that somebody
has acted, and which cases a report has, is remembered."""

from __future__ import annotations

from alembic import op

revision = "notify0011"
down_revision = "notify0010"

_STATEMENTS = (
    # `about`: the one ladder, where the event says which; else the case, of all whose ladders somebody has acted.
    """
    CREATE TABLE ladder_act (
        about text NOT NULL, code text NOT NULL, event_type text NOT NULL, at timestamptz NOT NULL,
        PRIMARY KEY (about, code, event_type)
    )
    """,
    "CREATE INDEX ladder_act_at ON ladder_act (at)",
    # A report about several children has a case for each. `unit`: the commune that has it; null: as the report says.
    """
    CREATE TABLE concern_case (
        concern_id text NOT NULL, case_id text NOT NULL, unit text, case_code text, at timestamptz NOT NULL,
        PRIMARY KEY (concern_id, case_id)
    )
    """,
    "CREATE INDEX concern_case_of ON concern_case (case_id)",
    "CREATE INDEX concern_case_at ON concern_case (at)",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
