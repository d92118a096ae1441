"""Fixtures for all tests: real Kafka and PostgreSQL, started when first asked for; servers that take what we send."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# Under --import-mode=importlib the project's root is on the path only where pytest is run as a module.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import backends, receivers
from tests.support.backends import Backend
from tests.support.receivers import MailServer, WebhookServer


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """Kafka and PostgreSQL for the whole session."""
    with ExitStack() as stack:
        yield backends.start(stack)


@pytest.fixture
async def fresh_database(backend: Backend) -> AsyncIterator[str]:
    """SQLAlchemy URL of a new, empty database, dropped after the test."""
    async with backends.database(backend.admin_url) as url:
        yield url


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix that no other test uses: `backend.settings(fresh_database, topic_prefix=topic_prefix)`."""
    return backends.new_prefix()


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """Takes mail on a free port: `.url`, `.messages`, `.recipients`, `.refusal`."""
    async with receivers.mail_server() as server:
        yield server


@pytest.fixture
async def webhook_server() -> AsyncIterator[WebhookServer]:
    """Takes webhooks on a free port: `.url`, `.requests`, `.status`, `.statuses`, `.delay`, `.answer`."""
    async with receivers.webhook_server() as server:
        yield server
