"""The messaging tables that every service's database holds, defined once.

Nothing personal lies in them in clear: outbox payloads are sealed by whoever emits, parked and dead events whole.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

_METADATA = MetaData()

# Columns follow Debezium's outbox event router (id, aggregatetype, aggregateid, type, payload), so that Debezium can
# take the relay's place at scale; `position` gives the relay its order.
OUTBOX = Table(
    "outbox",
    _METADATA,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("aggregatetype", Text, nullable=False),  # the topic, without its prefix
    Column("aggregateid", Text, nullable=False),  # the Kafka key
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary),  # null: a tombstone
    Column("headers", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

INBOX = Table(
    "inbox",
    _METADATA,
    Column("id", LargeBinary, primary_key=True),  # 16 bytes: source, id and (where there is an origin) content
    # 16 bytes: source and id, of agencies' events and of reports over HTTP: recognises other content under the same id
    Column("origin", LargeBinary),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("inbox_origin", "origin", postgresql_where=text("origin IS NOT NULL")),
    Index("inbox_seen", "seen_at", postgresql_where=text("origin IS NULL")),
)

PARKED = Table(
    "parked",
    _METADATA,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("content", JSONB, nullable=False),  # the record's value, sealed to the platform
    Column(
        "about", ARRAY(Text), nullable=False, server_default="{}"
    ),  # keys and ids of whom it concerns (decision 0036)
    Column("reason", Text),  # the exception's type; null for events that only wait behind a parked one
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("topic", "partition", "offset"),
    Index("parked_key", "topic", "key"),
    Index("parked_due", "next_attempt_at"),
    Index("parked_about", "about", postgresql_using="gin"),
)

DEAD_LETTER = Table(
    "dead_letter",
    _METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", Text),
    Column("headers", JSONB, nullable=False),
    Column("content", JSONB, nullable=False),  # sealed to the platform
    Column("event_id", Text),
    Column("event_type", Text),
    Column("violations", JSONB, nullable=False),
    Column("died_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("settled_at", DateTime(timezone=True)),
    Column("settled_as", Text),  # replayed, discarded
    Column("about", ARRAY(Text), nullable=False, server_default="{}"),  # as of what is parked
    Column("forgotten_at", DateTime(timezone=True)),  # since when there is no content, key, header and id any more
    Column("forgotten_as", Text),  # erased, expired, settled
    Index("dead_letter_record", "topic", "partition", "offset", unique=True),
    Index("dead_letter_open", "id", postgresql_where=text("settled_at IS NULL")),
    Index("dead_letter_about", "about", postgresql_using="gin", postgresql_where=text("forgotten_at IS NULL")),
    Index("dead_letter_kept", "died_at", postgresql_where=text("forgotten_at IS NULL")),
)

# The wrapped data keys that a service has made or heard of: they travel like events, so they lie with the messaging.
PRIVACY_KEY = Table(
    "privacy_key",
    _METADATA,
    Column("kid", Text, primary_key=True),
    Column("wrapped", LargeBinary),  # null: erased
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

# Agreements as notify tells them, in the databases of services that seal content to partners.
SHARING = Table(
    "sharing",
    _METADATA,
    Column("agreement_id", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("units", ARRAY(Text)),  # null: everywhere
    Column("fields", ARRAY(Text), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("kid", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),  # nothing that happened before is sealed
    Column("sequence", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
)

_TABLES = (OUTBOX, INBOX, PARKED, DEAD_LETTER, PRIVACY_KEY)

# A statement-level trigger wakes the relay: whoever inserts, by whatever way, cannot forget it.
_WAKE = (
    """CREATE OR REPLACE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$""",
    """CREATE OR REPLACE TRIGGER outbox_wake AFTER INSERT ON outbox
       FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake()""",
)

_FORGETTING = (
    "ALTER TABLE parked ADD COLUMN IF NOT EXISTS about text[] NOT NULL DEFAULT '{}'",
    """ALTER TABLE dead_letter ADD COLUMN IF NOT EXISTS about text[] NOT NULL DEFAULT '{}',
           ADD COLUMN IF NOT EXISTS forgotten_at timestamptz, ADD COLUMN IF NOT EXISTS forgotten_as text""",
    "CREATE INDEX IF NOT EXISTS parked_about ON parked USING gin (about)",
    "CREATE INDEX IF NOT EXISTS dead_letter_about ON dead_letter USING gin (about) WHERE forgotten_at IS NULL",
    "CREATE INDEX IF NOT EXISTS dead_letter_kept ON dead_letter (died_at) WHERE forgotten_at IS NULL",
)


def create_sharing(connection: Connection) -> None:
    """Create the table of agreements; called by a migration of each service that holds children's keys."""
    SHARING.create(connection)


def add_forgetting(connection: Connection) -> None:
    """What a record that was put aside is about, and that its content is gone; called by a migration of each service.

    A database that is made now has the columns from its first migration on.
    """
    for statement in _FORGETTING:
        connection.execute(text(statement))


def create_messaging(connection: Connection) -> None:
    """Create the messaging tables; called by each service's first migration with `op.get_bind()`."""
    for table in _TABLES:
        table.create(connection)
    for statement in _WAKE:
        connection.execute(text(statement))
