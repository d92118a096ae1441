"""Subscriptions, messages, their deliveries and attempts, in-app notices; and the messaging tables."""

from alembic import op

from shared.messaging.tables import create_messaging

revision = "notify0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE subscription (
        id uuid PRIMARY KEY,
        channel text NOT NULL CHECK (channel IN ('webhook', 'email', 'kafka')),
        name text NOT NULL,
        org text, person text,                       -- exactly one of both owns it
        language text NOT NULL DEFAULT 'vi',
        patterns text[] NOT NULL,
        units text[],                                -- null: everywhere
        sector text,                                 -- tasks of this sector only, where given
        target jsonb NOT NULL,                       -- sealed: address of the endpoint
        secret jsonb, old_secret jsonb, old_secret_until timestamptz,
        state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'disabled', 'deleted')),
        failing_since timestamptz, resume_at timestamptz, changed_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        sequence integer NOT NULL DEFAULT 0,
        CHECK ((org IS NULL) <> (person IS NULL))
    )
    """,
    "CREATE INDEX subscription_patterns ON subscription USING gin (patterns) WHERE state <> 'deleted'",
    "CREATE INDEX subscription_org ON subscription (org)",
    "CREATE INDEX subscription_person ON subscription (person)",
    """
    CREATE TABLE message (
        id uuid PRIMARY KEY,
        event_type text NOT NULL, unit text, case_id text, due timestamptz, occurred_at timestamptz NOT NULL,
        body bytea NOT NULL, created_at timestamptz NOT NULL,
        traceparent text                             -- so that the trace of the report goes on to the partner
    )
    """,
    "CREATE INDEX message_age ON message (created_at)",
    """
    CREATE TABLE delivery (
        id uuid PRIMARY KEY,
        subscription_id uuid NOT NULL, message_id uuid NOT NULL,
        state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'succeeded', 'failed')),
        attempts integer NOT NULL DEFAULT 0, lease integer NOT NULL DEFAULT 0, sequence integer NOT NULL DEFAULT 1,
        due_at timestamptz NOT NULL, created_at timestamptz NOT NULL, settled_at timestamptz, reason text
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)
    """,
    # Only what waits is in it, so a lease costs the same however long the history is.
    "CREATE INDEX delivery_waiting ON delivery (subscription_id, due_at) WHERE state = 'pending'",
    "CREATE INDEX delivery_log ON delivery (subscription_id, created_at DESC, id)",
    "CREATE INDEX delivery_settled ON delivery (settled_at) WHERE settled_at IS NOT NULL",
    """
    CREATE TABLE attempt (
        delivery_id uuid NOT NULL, at timestamptz NOT NULL, number integer NOT NULL,
        outcome text NOT NULL, status integer, duration_ms integer NOT NULL, response text NOT NULL, reason text
    )
    """,
    "CREATE INDEX attempt_delivery ON attempt (delivery_id, at)",
    """
    CREATE TABLE notice (
        id uuid PRIMARY KEY,
        audience text NOT NULL, event_type text NOT NULL, unit text, case_id text, due timestamptz,
        path text NOT NULL, urgent boolean NOT NULL, created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX notice_audience ON notice (audience, created_at DESC)",
    "CREATE INDEX notice_age ON notice (created_at)",
    """
    CREATE TABLE notice_read (
        notice_id uuid NOT NULL REFERENCES notice ON DELETE CASCADE, person text NOT NULL, read_at timestamptz NOT NULL,
        PRIMARY KEY (notice_id, person)
    )
    """,
)
# Statement-level triggers wake workers and open inboxes: whoever inserts, by whatever way, cannot forget it.
_WAKE = (
    """CREATE FUNCTION delivery_wake() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_notify('notify_due', ''); RETURN NULL; END $$""",
    """CREATE TRIGGER delivery_wake AFTER INSERT ON delivery
       FOR EACH STATEMENT EXECUTE FUNCTION delivery_wake()""",
    """CREATE FUNCTION notice_wake() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_notify('notify_noticed', audience) FROM (SELECT DISTINCT audience FROM added) AS told;
          RETURN NULL; END $$""",
    """CREATE TRIGGER notice_wake AFTER INSERT ON notice REFERENCING NEW TABLE AS added
       FOR EACH STATEMENT EXECUTE FUNCTION notice_wake()""",
)


def upgrade() -> None:
    for statement in (*_TABLES, *_WAKE):
        op.execute(statement)
    create_messaging(op.get_bind())
