"""A commune's score says when it was measured, and is measured again when records have changed since."""

from alembic import op

revision = "registry0006"
down_revision = "registry0005"


def upgrade() -> None:
    """Add the hour, and the communes whose records changed."""
    # Empty: measured before the hour was kept.
    op.execute("ALTER TABLE quality ADD COLUMN measured_at timestamptz")
    # Communes that a record was judged in since they were measured. Never updated, and without a unique key, so that
    # nobody who changes a record waits for anybody.
    op.execute(
        """CREATE TABLE unmeasured (
               number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, unit text NOT NULL, at timestamptz NOT NULL)"""
    )
    op.execute("CREATE INDEX unmeasured_unit ON unmeasured (unit, at)")
