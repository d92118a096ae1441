"""Real Kafka and PostgreSQL for tests: containers where Docker answers and has the images, embedded ones otherwise.

It must leave nothing behind: no process, no folder.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from local.kafka import EmbeddedKafka
from local.postgres import EmbeddedPostgres
from local.process import command_line
from shared.settings import Settings

KAFKA_IMAGE = "apache/kafka:4.1.1"
POSTGRES_IMAGE = "postgres:18"


@dataclass(frozen=True)
class Backend:
    """Where a test's Kafka and PostgreSQL are. `admin_url` is a SQLAlchemy URL that may make databases."""

    bootstrap: str
    admin_url: str
    kind: str

    def settings(self, database_url: str | None = None, *, own_topics: bool = False, **over: Any) -> Settings:
        """Settings of a service on this backend. `own_topics`: a topic prefix that no other test uses."""
        values: dict[str, Any] = {"environment": "test", "kafka_bootstrap": self.bootstrap}
        if database_url is not None:
            values["database_url"] = SecretStr(database_url)
        if own_topics:
            values["topic_prefix"] = new_prefix()
        return Settings(**{**values, **over})


def new_prefix() -> str:
    """A topic prefix that no other test uses."""
    return f"test-{uuid4().hex[:12]}."


def start(stack: ExitStack) -> Backend:
    """Start both; `stack` ends them."""
    if docker_has(KAFKA_IMAGE) and docker_has(POSTGRES_IMAGE):
        return _containers(stack)
    folder = Path(tempfile.mkdtemp(prefix="vongtay-test-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    postgres = EmbeddedPostgres(folder / "postgres", services=(), durable=False)
    stack.callback(postgres.stop)
    postgres.start()
    kafka = EmbeddedKafka(folder / "kafka", heap_mb=384)
    stack.callback(kafka.kill)
    kafka.start()
    return Backend(kafka.bootstrap, postgres.admin_url, "embedded")


def docker_has(image: str) -> bool:
    """Whether Docker answers, and has the image or can get it."""
    docker = shutil.which("docker")
    return docker is not None and any(
        _succeeds([docker, *words, image], seconds) for words, seconds in ((["image", "inspect"], 10), (["pull"], 180))
    )


def _succeeds(command: list[str], seconds: float) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _containers(stack: ExitStack) -> Backend:
    from testcontainers.kafka import KafkaContainer
    from testcontainers.postgres import PostgresContainer

    postgres = stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver="asyncpg"))
    kafka = KafkaContainer(KAFKA_IMAGE).with_kraft()
    stack.enter_context(kafka)
    return Backend(kafka.get_bootstrap_server(), postgres.get_connection_url(), "containers")


@asynccontextmanager
async def database(admin_url: str) -> AsyncIterator[str]:
    """A new, empty database, dropped afterwards whoever is still connected: its SQLAlchemy URL."""
    name = f"test_{uuid4().hex[:16]}"
    dsn = admin_url.replace("postgresql+asyncpg://", "postgresql://", 1)
    await _run(dsn, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(admin_url)._replace(path=f"/{name}").geturl()
    finally:
        await _run(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process has ended, or ends within `seconds`."""
    end = time.monotonic() + seconds
    while command_line(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
