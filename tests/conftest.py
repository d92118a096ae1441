"""Fixtures for all tests: real Kafka and PostgreSQL, started when first asked for; servers that take what we send."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

# Under --import-mode=importlib the project's root is on the path only where pytest is run as a module.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import backends, receivers
from tests.support.backends import Backend
from tests.support.receivers import MailServer, WebhookServer

# How quick something is, bench/ says: a machine that is busy breaks no rule.
settings.register_profile("vongtay", deadline=None)
settings.load_profile("vongtay")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A folder of the session's own, gone with it.

    Below pytest's common one the databases of a session that runs as root break as soon as another session begins: it
    takes passage to that folder from everybody else, PostgreSQL's user too.
    """
    if config.option.basetemp is None:
        folder = tempfile.mkdtemp(prefix="vongtay-tests-")
        config.option.basetemp = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """PostgreSQL for the whole session: SQLAlchemy URL of who may make databases."""
    with ExitStack() as stack:
        yield backends.start_postgres(stack)


@pytest.fixture(scope="session")
def backend(postgres_url: str) -> Iterator[Backend]:
    """Kafka and PostgreSQL for the whole session."""
    with ExitStack() as stack:
        kind = "containers" if backends.in_containers() else "embedded"
        yield Backend(backends.start_kafka(stack), postgres_url, kind)


@pytest.fixture
async def fresh_database(postgres_url: str) -> AsyncIterator[str]:
    """SQLAlchemy URL of a new, empty database, dropped after the test."""
    async with backends.database(postgres_url) as url:
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
