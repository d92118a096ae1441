"""Endpoints beside the subscriptions that lead to them; deliveries that wait beside those that are settled.

What waits is a small table, however long the history is. Settled deliveries, attempts and messages lie in partitions by
the time of what happened: they are only ever added to, and forgotten by dropping a whole partition.
"""

from alembic import op

revision = "notify0003"
down_revision = "notify0002"

_ENDPOINTS = (
    "ALTER TABLE subscription RENAME TO endpoint",
    """
    ALTER TABLE endpoint
        DROP CONSTRAINT subscription_channel_check,
        ADD COLUMN ordered boolean NOT NULL DEFAULT false,  -- what concerns one case arrives in its order
        ADD COLUMN at_once integer CHECK (at_once > 0),     -- null: as the data says
        ADD COLUMN per_second real CHECK (per_second > 0),
        ADD COLUMN circuit text NOT NULL DEFAULT 'closed' CHECK (circuit IN ('closed', 'open', 'half-open')),
        ADD COLUMN failures integer NOT NULL DEFAULT 0,     -- in a row
        ADD COLUMN opened integer NOT NULL DEFAULT 0        -- how often, since the last success
    """,
    "ALTER TABLE endpoint RENAME COLUMN resume_at TO retry_at",
    "UPDATE endpoint SET ordered = true WHERE channel = 'kafka'",
    "ALTER INDEX subscription_pkey RENAME TO endpoint_pkey",
    "ALTER INDEX subscription_org RENAME TO endpoint_org",
    "ALTER INDEX subscription_person RENAME TO endpoint_person",
    "DROP INDEX subscription_patterns",
    """
    CREATE TABLE subscription (
        id uuid PRIMARY KEY,
        endpoint_id uuid NOT NULL REFERENCES endpoint ON DELETE CASCADE,
        patterns text[] NOT NULL,
        units text[],                                       -- null: everywhere
        sector text,                                        -- tasks of this sector only, where given
        created_at timestamptz NOT NULL
    )
    """,
    # What an endpoint wanted until now is its first subscription, under the id that people know.
    """INSERT INTO subscription (id, endpoint_id, patterns, units, sector, created_at)
       SELECT id, id, patterns, units, sector, created_at FROM endpoint""",
    "ALTER TABLE endpoint DROP COLUMN patterns, DROP COLUMN units, DROP COLUMN sector",
    "CREATE INDEX subscription_patterns ON subscription USING gin (patterns)",
    "CREATE INDEX subscription_endpoint ON subscription (endpoint_id)",
)
_SETTLED_COLUMNS = """
    id uuid NOT NULL, endpoint_id uuid NOT NULL, subscription_id uuid,
    message_id uuid NOT NULL, message_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'pending', urgency smallint NOT NULL DEFAULT 1,  -- 0 emergency, 1 normal, 2 digest
    order_key text, position bigint NOT NULL,
    blocked boolean NOT NULL DEFAULT false,                 -- an earlier one of its key has not arrived
    attempts integer NOT NULL DEFAULT 0, sequence integer NOT NULL DEFAULT 1,
    lease integer NOT NULL DEFAULT 0, leased_until timestamptz,
    created_at timestamptz NOT NULL, due_at timestamptz NOT NULL, expires_at timestamptz, settled_at timestamptz,
    -- of the attempt that settled it; those before are in `attempt`
    outcome text, status integer, duration_ms integer, response text, reason text,
    body bytea                                              -- null: the message's
"""
_TABLES = (
    "ALTER TABLE message RENAME TO old_message",
    "ALTER TABLE delivery RENAME TO old_delivery",
    "ALTER TABLE attempt RENAME TO old_attempt",
    "DROP TRIGGER delivery_wake ON old_delivery",
    "DROP INDEX delivery_waiting, delivery_log, delivery_settled, message_age",
    "ALTER INDEX message_pkey RENAME TO old_message_pkey",
    "ALTER INDEX delivery_pkey RENAME TO old_delivery_pkey",
    """
    CREATE TABLE message (
        id uuid NOT NULL, at timestamptz NOT NULL,
        event_type text NOT NULL, unit text, case_id text, case_code text, due timestamptz,
        body bytea NOT NULL, traceparent text,
        PRIMARY KEY (id, at)
    ) PARTITION BY RANGE (at)
    """,
    "CREATE SEQUENCE delivery_position",
    f"CREATE TABLE delivery ({_SETTLED_COLUMNS}) PARTITION BY LIST (state)",
    "ALTER TABLE delivery ALTER COLUMN position SET DEFAULT nextval('delivery_position')",
    # Leases change nothing that is indexed and find room beside the row, so they cost no index.
    """
    CREATE TABLE delivery_pending PARTITION OF delivery (PRIMARY KEY (id)) FOR VALUES IN ('pending')
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
          autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000)
    """,
    """
    CREATE TABLE delivery_settled PARTITION OF delivery FOR VALUES IN ('succeeded', 'failed')
    PARTITION BY RANGE (message_at)
    """,
    "CREATE INDEX delivery_due ON delivery_pending (endpoint_id, due_at) WHERE NOT blocked AND urgency > 0",
    "CREATE INDEX delivery_urgent ON delivery_pending (due_at) WHERE NOT blocked AND urgency = 0",
    "CREATE INDEX delivery_order ON delivery_pending (endpoint_id, order_key, position) WHERE order_key IS NOT NULL",
    "CREATE INDEX delivery_blocked ON delivery_pending (created_at) WHERE blocked",
    "CREATE INDEX delivery_expiry ON delivery_pending (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX delivery_waiting ON delivery_pending (endpoint_id, created_at DESC, id)",
    "CREATE INDEX delivery_oldest ON delivery_pending (message_at)",
    "ALTER TABLE delivery_settled ADD PRIMARY KEY (id, message_at)",
    "CREATE INDEX delivery_log ON delivery_settled (endpoint_id, created_at DESC, id)",
    "CREATE INDEX delivery_failed ON delivery_settled (endpoint_id, created_at) WHERE state = 'failed'",
    """
    CREATE TABLE attempt (
        delivery_id uuid NOT NULL, message_at timestamptz NOT NULL, number integer NOT NULL, at timestamptz NOT NULL,
        outcome text NOT NULL, status integer, duration_ms integer NOT NULL, response text NOT NULL, reason text
    ) PARTITION BY RANGE (message_at)
    """,
    "CREATE INDEX attempt_of_delivery ON attempt (delivery_id, number)",
    # How endpoints did, an hour a row; kept longer than the deliveries are.
    """
    CREATE TABLE endpoint_hour (
        endpoint_id uuid NOT NULL, hour timestamptz NOT NULL,
        succeeded integer NOT NULL, failed integer NOT NULL, total_ms bigint NOT NULL, slowest_ms integer NOT NULL,
        PRIMARY KEY (endpoint_id, hour)
    )
    """,
    "CREATE INDEX endpoint_hour_age ON endpoint_hour (hour)",
    """
    CREATE TABLE replay (
        id uuid PRIMARY KEY, endpoint_id uuid NOT NULL REFERENCES endpoint ON DELETE CASCADE,
        since timestamptz NOT NULL, until timestamptz NOT NULL, only_failed boolean NOT NULL,
        settled_since timestamptz NOT NULL,                 -- what was settled before is not meant
        requested_by text NOT NULL, requested_at timestamptz NOT NULL,
        replayed integer NOT NULL, finished_at timestamptz
    )
    """,
    "CREATE INDEX replay_endpoint ON replay (endpoint_id, requested_at DESC)",
    "CREATE INDEX replay_unfinished ON replay (requested_at) WHERE finished_at IS NULL",
    """CREATE TRIGGER delivery_wake AFTER INSERT ON delivery_pending
       FOR EACH STATEMENT EXECUTE FUNCTION delivery_wake()""",
)
# A partition is seven days from a Monday, as the service itself makes them from now on (`store/partitions.py`).
_PARTITIONS = """
    DO $$
    DECLARE monday date; past timestamptz;
    BEGIN
        SELECT LEAST(now(), GREATEST(now() - interval '60 days', min(occurred_at))) INTO past FROM old_message;
        FOR monday IN
            SELECT generate_series(date_trunc('week', past AT TIME ZONE 'UTC'),
                                   (now() AT TIME ZONE 'UTC') + interval '21 days', interval '7 days')::date
        LOOP
            EXECUTE format('CREATE TABLE message_%1$s PARTITION OF message FOR VALUES FROM (%2$L) TO (%3$L)',
                           to_char(monday, 'YYYYMMDD'), monday || ' 00:00+00', (monday + 7) || ' 00:00+00');
            EXECUTE format('CREATE TABLE delivery_%1$s PARTITION OF delivery_settled FOR VALUES FROM (%2$L) TO (%3$L)',
                           to_char(monday, 'YYYYMMDD'), monday || ' 00:00+00', (monday + 7) || ' 00:00+00');
            EXECUTE format('CREATE TABLE attempt_%1$s PARTITION OF attempt FOR VALUES FROM (%2$L) TO (%3$L)',
                           to_char(monday, 'YYYYMMDD'), monday || ' 00:00+00', (monday + 7) || ' 00:00+00');
        END LOOP;
    END $$
"""
# What happened long before, or in a future that a wrong clock told, lies in the first or the last of them.
_AT = "LEAST(now(), GREATEST(now() - interval '60 days', occurred_at))"
_KEPT = (
    f"""INSERT INTO message (id, at, event_type, unit, case_id, case_code, due, body, traceparent)
        SELECT id, {_AT}, event_type, unit, case_id, case_code, due, body, traceparent FROM old_message""",
    f"""
    INSERT INTO delivery (id, endpoint_id, subscription_id, message_id, message_at, state, order_key, attempts,
                          sequence, lease, created_at, due_at, settled_at, outcome, status, duration_ms, response,
                          reason)
    SELECT d.id, d.subscription_id, d.subscription_id, d.message_id, {_AT}, d.state,
           CASE WHEN endpoint.ordered THEN m.case_id END, d.attempts, d.sequence, d.lease, d.created_at, d.due_at,
           d.settled_at, last.outcome, last.status, last.duration_ms, last.response, COALESCE(d.reason, last.reason)
    FROM old_delivery d JOIN old_message m ON m.id = d.message_id JOIN endpoint ON endpoint.id = d.subscription_id
    LEFT JOIN LATERAL (
        SELECT * FROM old_attempt a WHERE a.delivery_id = d.id AND d.state <> 'pending' ORDER BY at DESC LIMIT 1
    ) AS last ON true
    ORDER BY d.created_at, d.id
    """,
    """
    INSERT INTO attempt (delivery_id, message_at, number, at, outcome, status, duration_ms, response, reason)
    SELECT a.delivery_id, d.message_at, a.number, a.at, a.outcome, a.status, a.duration_ms, a.response, a.reason
    FROM old_attempt a JOIN delivery d ON d.id = a.delivery_id
    WHERE d.state = 'pending' OR a.at < (SELECT max(at) FROM old_attempt b WHERE b.delivery_id = a.delivery_id)
    """,
    "DROP TABLE old_attempt, old_delivery, old_message",
)


def upgrade() -> None:
    for statement in (*_ENDPOINTS, *_TABLES, _PARTITIONS, *_KEPT):
        op.execute(statement)
