"""SMS: whose a telephone number is that answers, and what the gateway tells later of what it took."""

from alembic import op

revision = "notify0005"
down_revision = "notify0004"

_STATEMENTS = (
    # A keyed digest of the number; the number itself is in `target`, sealed.
    "ALTER TABLE endpoint ADD COLUMN address_key text",
    "CREATE INDEX endpoint_address ON endpoint (address_key) WHERE address_key IS NOT NULL",
    # The messages into which a delivery was cut, under the names that the gateway gave them; gone once all are settled.
    """
    CREATE TABLE sms_part (
        reference text PRIMARY KEY, delivery_id uuid NOT NULL, message_at timestamptz NOT NULL, sent_at timestamptz NOT
        NULL, state text
    )
    """,
    "CREATE INDEX sms_part_delivery ON sms_part (delivery_id)",
    "CREATE INDEX sms_part_age ON sms_part (sent_at)",
    # What was told of them; it may come before we have noted that they were taken.
    """
    CREATE TABLE sms_receipt (
        reference text NOT NULL, state text NOT NULL, heard_at timestamptz NOT NULL, PRIMARY KEY (reference, state)
    )
    """,
    "CREATE INDEX sms_receipt_age ON sms_receipt (heard_at)",
)


def upgrade() -> None:
    """Add what SMS needs."""
    for statement in _STATEMENTS:
        op.execute(statement)
