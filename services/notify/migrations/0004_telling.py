"""Who is told what: agreements, preferences, absences, grouping, ladders, digests, and how people stand to cases."""

from alembic import op

revision = "notify0004"
down_revision = "notify0003"

_STATEMENTS = (
    """
    ALTER TABLE notice
        ADD COLUMN rule text,                        -- by which rule; null: of the house itself
        ADD COLUMN count integer NOT NULL DEFAULT 1, -- of how many one line speaks
        ADD COLUMN ladder_id uuid                    -- to be acknowledged
    """,
    # How people and sectors stand to a case, as its events say: `ref` is the task that a sector was asked for.
    """
    CREATE TABLE case_relation (
        case_id text NOT NULL, kind text NOT NULL CHECK (kind IN ('responsible', 'team', 'asked')),
        ref text NOT NULL DEFAULT '', who text NOT NULL,
        PRIMARY KEY (case_id, kind, ref, who)
    )
    """,
    """
    CREATE TABLE notice_group (
        key text PRIMARY KEY, opened_at timestamptz NOT NULL, closes_at timestamptz NOT NULL,
        told integer NOT NULL, gathered integer NOT NULL
    )
    """,
    "CREATE INDEX notice_group_closing ON notice_group (closes_at)",
    """
    CREATE TABLE preference (
        person text PRIMARY KEY, language text NOT NULL, channels text[] NOT NULL, digest text NOT NULL,
        digest_at time, digest_weekday integer, quiet_from time, quiet_to time, plain_sms boolean NOT NULL,
        changed_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE absence (
        id uuid PRIMARY KEY, person text NOT NULL, begins timestamptz NOT NULL, ends timestamptz NOT NULL,
        substitute text, entered_by text NOT NULL, created_at timestamptz NOT NULL,
        CHECK (ends > begins), CHECK (substitute IS DISTINCT FROM person)
    )
    """,
    "CREATE INDEX absence_ends ON absence (ends)",
    """
    CREATE TABLE stand_in (
        role text NOT NULL, unit text NOT NULL, person text NOT NULL, set_by text NOT NULL,
        changed_at timestamptz NOT NULL, PRIMARY KEY (role, unit)
    )
    """,
    # How often somebody's telephone sounded; emergencies are not counted.
    "CREATE TABLE sounded (person text NOT NULL, at timestamptz NOT NULL)",
    "CREATE INDEX sounded_person ON sounded (person, at)",
    """
    CREATE TABLE digest_item (
        id uuid PRIMARY KEY, person text NOT NULL, channels text[] NOT NULL, due_at timestamptz NOT NULL,
        why text NOT NULL, message_id uuid NOT NULL, event_type text NOT NULL, unit text, case_id text, case_code text,
        due timestamptz, path text NOT NULL, urgent boolean NOT NULL, created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX digest_item_due ON digest_item (due_at)",
    """
    CREATE TABLE agreement (
        id uuid PRIMARY KEY, org text NOT NULL,
        state text NOT NULL CHECK (state IN ('proposed', 'active', 'suspended', 'ended')),
        purpose text NOT NULL, legal_basis text NOT NULL, event_types text[] NOT NULL,
        units text[],                                -- null: everywhere
        fields text[] NOT NULL, valid_from date NOT NULL, valid_until date NOT NULL, reference text NOT NULL,
        public_key text, proposed_by text NOT NULL, accepted_by text, reason text,
        changed_at timestamptz NOT NULL, created_at timestamptz NOT NULL, sequence integer NOT NULL
    )
    """,
    "CREATE INDEX agreement_org ON agreement (org)",
    "CREATE INDEX agreement_lasting ON agreement (valid_until) WHERE state <> 'ended'",
    """
    CREATE TABLE agreement_act (
        agreement_id uuid NOT NULL REFERENCES agreement, at timestamptz NOT NULL, act text NOT NULL, actor text NOT
        NULL, reason text, sequence integer NOT NULL, PRIMARY KEY (agreement_id, sequence)
    )
    """,
    "ALTER TABLE subscription ADD COLUMN agreement_id uuid REFERENCES agreement",
    "CREATE INDEX subscription_agreement ON subscription (agreement_id) WHERE agreement_id IS NOT NULL",
    # Which message holds what was sealed to a partner, so that it goes when its agreement ends or its child is erased.
    """
    CREATE TABLE sealed_content (
        message_id uuid PRIMARY KEY, message_at timestamptz NOT NULL, agreement_id uuid NOT NULL REFERENCES agreement,
        case_id text, child_id text
    )
    """,
    "CREATE INDEX sealed_content_agreement ON sealed_content (agreement_id)",
    "CREATE INDEX sealed_content_child ON sealed_content (child_id) WHERE child_id IS NOT NULL",
    "CREATE INDEX sealed_content_age ON sealed_content (message_at)",
    """
    CREATE TABLE ladder (
        id uuid PRIMARY KEY, code text NOT NULL, message_id uuid NOT NULL, event_type text NOT NULL,
        unit text, case_id text, concern_id text, case_code text, began_at timestamptz NOT NULL, due timestamptz,
        state text NOT NULL CHECK (state IN ('open', 'acknowledged', 'settled', 'exhausted')),
        step integer NOT NULL, rounds integer NOT NULL, next_at timestamptz, ended_at timestamptz,
        acknowledged_by text, acknowledged_how text, acknowledged_step integer, sequence integer NOT NULL
    )
    """,
    # Only what is open is in it: the next call is found at once, however many ladders there were.
    "CREATE INDEX ladder_next ON ladder (next_at) WHERE next_at IS NOT NULL",
    "CREATE INDEX ladder_case ON ladder (case_id) WHERE case_id IS NOT NULL",
    "CREATE INDEX ladder_concern ON ladder (concern_id) WHERE concern_id IS NOT NULL",
    "CREATE INDEX ladder_began ON ladder (began_at DESC)",
    """
    CREATE TABLE ladder_call (
        id uuid PRIMARY KEY, ladder_id uuid NOT NULL REFERENCES ladder ON DELETE CASCADE,
        step integer NOT NULL, round integer NOT NULL, role text NOT NULL, person text NOT NULL, instead_of text,
        channels text[] NOT NULL, called_at timestamptz NOT NULL, until timestamptz NOT NULL,
        used_at timestamptz                          -- when its link was used
    )
    """,
    "CREATE INDEX ladder_call_of ON ladder_call (ladder_id, called_at)",
)


def upgrade() -> None:
    """Add what decides who is told."""
    for statement in _STATEMENTS:
        op.execute(statement)
