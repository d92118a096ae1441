"""The one list of all topics, and who may read and write each: made on any broker, and turned into its access rules.

A topic that is not here does not exist (brokers do not make topics by themselves), but for partners' own topics, which
are made when a partner asks for one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.notify import DECISIONS_TOPIC
from shared.contracts.sealed import CONTENTS_TOPIC
from shared.contracts.vocabulary import SECTORS
from shared.messaging.endings import SESSIONS_TOPIC
from shared.messaging.kafka import client_options
from shared.messaging.router import OWN_TOPIC, agency_topic
from shared.settings import Settings

_DAY_MS = 86_400_000
_FOREVER = -1
_COORDINATOR_SECONDS = 10.0
_COORDINATOR_POLL_SECONDS = 0.1
PARTNER_PREFIX = "partner."
SERVICES = ("registry", "cases", "stats", "notify")
# Which services' events each service reacts to; agencies' topics and children's keys only where identity is handled.
_READS: Mapping[str, tuple[str, ...]] = {
    # Their own too: what agreements let partners have of it is sealed beside the work on it.
    "registry": ("registry", "cases"),
    "cases": ("registry", "cases"),
    "stats": ("cases", "registry", "stats"),
    "notify": ("cases", "registry", "stats"),
}
_HANDLES_IDENTITY = ("registry", "cases")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, its name without the deployment's prefix. `days`: how long it keeps records, None for ever."""

    name: str
    partitions: int
    days: int | None
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    compacted: bool = False

    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic."""
        if self.compacted:
            # Tombstones stay a week: whoever was away shorter than that still learns of every erasure.
            return {"cleanup.policy": "compact", "delete.retention.ms": str(7 * _DAY_MS), "segment.ms": str(_DAY_MS)}
        keep = _FOREVER if self.days is None else self.days * _DAY_MS
        settings = {"cleanup.policy": "delete", "retention.ms": str(keep)}
        if self.days is not None:
            # Only closed segments are dropped: a quiet topic must close them too.
            settings["segment.ms"] = str(min(_DAY_MS, keep))
        return settings


@dataclass(frozen=True, slots=True)
class Rule:
    """What one user may do with a topic or a group; `prefixed`: with all whose names begin so."""

    user: str
    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Literal["read", "write", "create", "describe"], ...]
    prefixed: bool = field(default=False)


def service_user(service: str) -> str:
    """The broker's user of a service."""
    return f"service-{service}"


def agency_user(sector: str) -> str:
    """The broker's user of a sector's agencies."""
    return f"agency-{sector}"


USERS: tuple[str, ...] = (*map(service_user, SERVICES), *map(agency_user, SECTORS))


def _all_topics() -> Iterator[Topic]:
    identity = tuple(map(service_user, _HANDLES_IDENTITY))
    stats = service_user("stats")
    for sector in SECTORS:
        sender = (agency_user(sector),)
        # Inputs are kept for days only, so that nothing in them outlives an erasure.
        yield Topic(agency_topic(sector), 3, 7, sender, identity)
        # What is counted only is apart from what tells of children, so that statistics never see the other.
        yield Topic(agency_topic(sector, "stats"), 1, 7, sender, (stats,))
        yield Topic(f"replies.{sector}.v1", 1, 30, (*identity, stats), sender)
    kept: Mapping[str, tuple[int, int | None]] = {"registry": (6, None), "cases": (6, None), "stats": (1, None)}
    for service in SERVICES:
        partitions, days = kept.get(service, (3, 30))
        readers = tuple(service_user(reader) for reader, read in _READS.items() if service in read)
        yield Topic(OWN_TOPIC[service], partitions, days, (service_user(service),), readers)
        yield Topic(f"{service}.dead.v1", 1, 30, (service_user(service),), ())
    # What notify decided that others act by: agreements, and how emergencies went. It has no deadline of its own.
    yield Topic(DECISIONS_TOPIC, 3, None, (service_user("notify"),), identity)
    # Content sealed to a partner's key: what is not taken over within days is of no use, and erasure cannot reach it.
    yield Topic(CONTENTS_TOPIC, 3, 7, identity, (service_user("notify"),))
    # Which sessions ended: every replica asks it at its start, for as long as a cookie can be good.
    everybody = tuple(map(service_user, SERVICES))
    yield Topic(SESSIONS_TOPIC, 1, 2, everybody, everybody)
    yield Topic("privacy.keys.v1", 3, None, identity, identity, compacted=True)


TOPICS: tuple[Topic, ...] = tuple(_all_topics())


def partner_topic(organisation: str) -> Topic:
    """The topic of a partner that consumes Kafka. Its user is the partner's own, named by the operator."""
    name = f"{PARTNER_PREFIX}{organisation}.v1"
    return Topic(name, 1, 30, (service_user("notify"),), (f"partner-{organisation}",))


def rules(prefix: str, topics: Sequence[Topic] = TOPICS) -> tuple[Rule, ...]:
    """Access rules of `topics` on a deployment with a topic prefix; what no rule allows is refused."""
    made: list[Rule] = []
    for topic in topics:
        name = prefix + topic.name
        made += [Rule(user, "topic", name, ("write", "describe")) for user in topic.writers]
        made += [Rule(user, "topic", name, ("read", "describe")) for user in topic.readers]
    for service in SERVICES:
        # A service's groups are named after it: `vongtay.cases`, `vongtay.cases-keys`.
        made.append(Rule(service_user(service), "group", prefix + service, ("read", "describe"), prefixed=True))
    for sector in SECTORS:
        group = f"{prefix}agency.{sector}."
        made.append(Rule(agency_user(sector), "group", group, ("read", "describe"), prefixed=True))
    made.append(
        Rule(
            service_user("notify"),
            "topic",
            prefix + PARTNER_PREFIX,
            ("write", "describe", "create"),
            prefixed=True,
        )
    )
    return tuple(made)


async def ensure_topics(settings: Settings, topics: Sequence[Topic] = TOPICS, *, replicas: int = 1) -> list[str]:
    """Make the topics that are missing; those that exist stay as they are.

    Args:
        settings: the broker, a user that may make topics, the prefix. replicas: copies of each partition.

    Returns:
        Full names of the topics made now.

    Raises:
        KafkaError: the broker is away or refuses.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [topic for topic in topics if settings.topic_prefix + topic.name not in existing]
        if not wanted:
            return []
        response = await admin.create_topics(
            [
                NewTopic(settings.topic_prefix + topic.name, topic.partitions, replicas, topic_configs=topic.config())
                for topic in wanted
            ]
        )
        made = []
        for name, code, *_ in response.topic_errors:
            with contextlib.suppress(TopicAlreadyExistsError):
                _raise_for(code, name)
                made.append(name)
        return made
    finally:
        await admin.close()


async def await_coordinator(settings: Settings) -> None:
    """Wait until the broker has somebody who coordinates groups, ten seconds at most. In: as for `ensure_topics`.

    A new broker makes its own topic of offsets when it is first asked for a group: consumers that come before find
    nobody, try again, and call it an error.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    waited = 0.0
    try:
        while waited < _COORDINATOR_SECONDS:
            try:
                await admin.find_coordinator(f"{settings.topic_prefix}{SERVICES[0]}")
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(_COORDINATOR_POLL_SECONDS)
                waited += _COORDINATOR_POLL_SECONDS
            else:
                return
    finally:
        await admin.close()


def _raise_for(code: int, name: str) -> None:
    if code:
        kind: type[KafkaError] = for_code(code)
        raise kind(name)
