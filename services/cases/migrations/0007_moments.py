"""When a case was first assessed, its plan first approved, and when it was closed: told in its events, and measured."""

from alembic import op

revision = "cases0007"
down_revision = "cases0006"

# What the timeline remembers of the cases that are there already.
_FIRST = "(SELECT min(at) FROM entry WHERE case_id = cases.id AND kind = ANY('{%s}'))"
_LAST = "(SELECT max(at) FROM entry WHERE case_id = cases.id AND kind = 'case.closed')"


def upgrade() -> None:
    """Add the columns, and fill them from the timelines."""
    op.execute(
        """ALTER TABLE cases ADD COLUMN assessed_at timestamptz, ADD COLUMN planned_at timestamptz,
           ADD COLUMN closed_at timestamptz"""
    )
    assessed, planned = _FIRST % "risk.initial,risk.detailed", _FIRST % "plan.approved"
    op.execute(
        f"""UPDATE cases SET assessed_at = {assessed}, planned_at = {planned},
            closed_at = CASE WHEN status = 'closed' THEN {_LAST} END"""
    )
