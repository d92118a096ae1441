"""That an address is its owner's is proven before anything else is sent there; and how much was told to nobody is
counted."""

from __future__ import annotations

from alembic import op

revision = "notify0007"
down_revision = "notify0006"

_STATEMENTS = (
    "ALTER TABLE endpoint ADD COLUMN verified_at timestamptz",
    # What has been taking messages is not cut off: somebody may be called there in an emergency tonight.
    """
    UPDATE endpoint SET verified_at = now()
    WHERE channel = 'kafka'
       OR EXISTS (SELECT FROM endpoint_hour h WHERE h.endpoint_id = endpoint.id AND h.succeeded > 0)
       OR EXISTS (SELECT FROM delivery_settled d WHERE d.endpoint_id = endpoint.id AND d.state = 'succeeded')
    """,
    # The code itself is nowhere: it follows from the number and a key.
    """
    CREATE TABLE proof (
        endpoint_id uuid PRIMARY KEY REFERENCES endpoint ON DELETE CASCADE,
        number integer NOT NULL,                    -- which request this is
        sent_at timestamptz NOT NULL, until timestamptz NOT NULL,
        wrong integer NOT NULL DEFAULT 0            -- codes typed that were not the one
    )
    """,
    # How often proofs were asked for, by whom and, as a keyed digest, for which address.
    "CREATE TABLE proof_sent (owner text NOT NULL, address_key text NOT NULL, at timestamptz NOT NULL)",
    "CREATE INDEX proof_sent_owner ON proof_sent (owner, at)",
    "CREATE INDEX proof_sent_address ON proof_sent (address_key, at)",
    "CREATE INDEX proof_sent_age ON proof_sent (at)",
    """
    CREATE TABLE unsaid (
        day date NOT NULL, why text NOT NULL CHECK (why IN ('bulk', 'past')), event_type text NOT NULL,
        count bigint NOT NULL, last_at timestamptz NOT NULL,
        PRIMARY KEY (day, why, event_type)
    )
    """,
)


def upgrade() -> None:
    """Add the column and the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
