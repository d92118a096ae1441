"""Makes the topics and access rules on a broker, from the one list in `shared.messaging.topics`. Safe to run again.

It must run as a user that may change the broker, and as nothing else in the deployment.
"""

import asyncio
import os
import sys
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from shared.messaging.kafka import client_options
from shared.messaging.topics import Rule, await_coordinator, ensure_topics, rules
from shared.settings import Settings

# Numbers of Kafka's protocol.
RESOURCES = {"topic": 2, "group": 3}
OPERATIONS = {"read": 3, "write": 4, "create": 5, "describe": 8}
LITERAL, PREFIXED, ALLOW = 3, 4, 3
ANY_HOST = "*"


class RefusedError(Exception):
    """The broker does not take a rule."""


def requests(rule: Rule) -> list[Any]:
    """Out: the rule in Kafka's protocol, one request an operation."""
    pattern = PREFIXED if rule.prefixed else LITERAL
    who = f"User:{rule.user}"
    return [
        CreateAclsRequest(RESOURCES[rule.resource], rule.name, pattern, who, ANY_HOST, OPERATIONS[operation], ALLOW)
        for operation in rule.operations
    ]


async def allow(settings: Settings) -> int:
    """Add every rule; those that exist stay. Out: how many rules there are. Errors: `RefusedError`."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        wanted = [request for rule in rules(settings.topic_prefix) for request in requests(rule)]
        # The client has no public call for rules; this is the one its own calls use.
        answers = await asyncio.gather(*(admin._send_to_controller(request) for request in wanted))
    finally:
        await admin.close()
    for answer in answers:
        for code, message in answer.creation_responses:
            if code:
                raise RefusedError(f"The broker refuses a rule ({code}): {message}")
    return len(wanted)


async def prepare(settings: Settings, replicas: int) -> None:
    """In: the broker and a user that may change it; copies of each partition."""
    made = await ensure_topics(settings, replicas=replicas)
    await await_coordinator(settings)
    count = await allow(settings)
    sys.stdout.write(f"{len(made)} topics made, {count} access rules in place\n")


if __name__ == "__main__":
    asyncio.run(prepare(Settings(), int(os.environ.get("TOPIC_REPLICAS", "1"))))
