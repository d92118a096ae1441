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
from functools import cache
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


def start_postgres(stack: ExitStack) -> str:
    """Start PostgreSQL; `stack` ends it. Out: the SQLAlchemy URL of who may make databases."""
    if in_containers():
        from testcontainers.postgres import PostgresContainer

        return stack.enter_context(PostgresContainer(POSTGRES_IMAGE, driver="asyncpg")).get_connection_url()
    postgres = EmbeddedPostgres(_folder(stack), services=(), durable=False)
    stack.callback(postgres.stop)
    postgres.start()
    return postgres.admin_url


def start_kafka(stack: ExitStack) -> str:
    """Start Kafka; `stack` ends it. Out: where clients begin."""
    if in_containers():
        from testcontainers.kafka import KafkaContainer

        return str(stack.enter_context(KafkaContainer(KAFKA_IMAGE).with_kraft()).get_bootstrap_server())
    kafka = EmbeddedKafka(_folder(stack), heap_mb=384)
    stack.callback(kafka.kill)
    kafka.start()
    return kafka.bootstrap


def _folder(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="vongtay-test-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def in_containers() -> bool:
    """Whether both run in containers, which is asked once."""
    return docker_has(KAFKA_IMAGE) and docker_has(POSTGRES_IMAGE)


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


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def gone(pid: int, seconds: float = 60.0) -> bool:
    """Whether a process has ended, or ends within `seconds`."""
    end = time.monotonic() + seconds
    while command_line(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
