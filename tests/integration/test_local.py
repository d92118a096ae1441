"""The embedded broker and database are real: they refuse what deployed ones refuse, and lose nothing when killed."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from local.kafka import EmbeddedKafka
from local.postgres import EmbeddedPostgres
from local.process import command_line
from shared.messaging.kafka import client_options, producer
from shared.messaging.topics import USERS, agency_user, ensure_topics, service_user
from shared.settings import Settings
from tests.support.backends import gone

_HEALTH, _POLICE = "vongtay.agency.health.v1", "vongtay.agency.police.v1"
_CASES = "vongtay.cases.cases.v1"
pytestmark = pytest.mark.timeout(240)


def _settings(kafka: EmbeddedKafka, user: str | None = None) -> Settings:
    return Settings(environment="test", **kafka.connection(user))


async def _write(kafka: EmbeddedKafka, user: str | None, topic: str, *values: bytes) -> None:
    async with producer(_settings(kafka, user)) as sender:
        for value in values:
            await sender.send_and_wait(topic, value, key=b"key")


async def _read(
    kafka: EmbeddedKafka, user: str | None, topic: str, count: int, group: str | None = None
) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, **client_options(_settings(kafka, user)), group_id=group, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        return [(await consumer.getone()).value or b"" for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kafka")


@pytest.fixture(scope="module")
async def kafka(folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker with users and access rules, as the local platform runs it."""
    broker = EmbeddedKafka(folder, users={user: f"password of {user}" for user in USERS}, heap_mb=384)
    broker.start()
    await ensure_topics(_settings(broker))
    yield broker
    broker.stop()


async def test_a_sector_publishes_and_the_services_that_handle_reports_read(kafka: EmbeddedKafka) -> None:
    await _write(kafka, agency_user("health"), _HEALTH, b"report")
    for service in ("cases", "registry"):
        group = f"vongtay.{service}"
        assert await _read(kafka, service_user(service), _HEALTH, 1, group) == [b"report"]


async def test_a_sector_cannot_write_another_s_topic(kafka: EmbeddedKafka) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(kafka, agency_user("health"), _POLICE, b"forged")


@pytest.mark.parametrize("topic", [_CASES, _POLICE, _HEALTH, "vongtay.privacy.keys.v1", "vongtay.replies.police.v1"])
async def test_a_sector_cannot_read_what_is_not_addressed_to_it(kafka: EmbeddedKafka, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(kafka, agency_user("health"), topic, 1)


async def test_a_sector_reads_its_replies_in_groups_of_its_own(kafka: EmbeddedKafka) -> None:
    replies = "vongtay.replies.health.v1"
    await _write(kafka, service_user("cases"), replies, b"rejected")
    assert await _read(kafka, agency_user("health"), replies, 1, "vongtay.agency.health.hospital") == [b"rejected"]
    with pytest.raises(GroupAuthorizationFailedError):
        await _read(kafka, agency_user("health"), replies, 1, "vongtay.cases")


@pytest.mark.parametrize("service", ["stats", "notify"])
async def test_services_that_need_no_identity_read_no_reports(kafka: EmbeddedKafka, service: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(kafka, service_user(service), _HEALTH, 1, f"vongtay.{service}")


async def test_a_wrong_password_and_no_password_are_refused(kafka: EmbeddedKafka) -> None:
    connection = kafka.connection(agency_user("health"))
    for wrong in ({"kafka_password": "wrong"}, {"kafka_security": "PLAINTEXT"}):
        settings = Settings(environment="test", **{**connection, **wrong})
        with pytest.raises(KafkaError):
            async with producer(settings):
                pass


async def test_what_was_acknowledged_survives_a_kill(kafka: EmbeddedKafka) -> None:
    values = [f"event {number}".encode() for number in range(20)]
    await _write(kafka, service_user("cases"), _CASES, *values)
    port = kafka.bootstrap
    kafka.kill()
    assert kafka.pid is None
    began = time.monotonic()
    kafka.start()
    assert time.monotonic() - began < 60
    assert kafka.bootstrap == port
    assert await _read(kafka, service_user("notify"), _CASES, 20, "vongtay.notify") == values
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(kafka, agency_user("health"), _POLICE, b"forged")


def test_passwords_are_in_private_files_only(kafka: EmbeddedKafka, folder: Path) -> None:
    secret = (folder / "admin.password").read_bytes()
    assert kafka.pid is not None
    assert secret.decode() not in command_line(kafka.pid)
    for file in folder.iterdir():
        if file.is_file() and secret in file.read_bytes():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            assert file.name in {"admin.password", "kafka.properties"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


async def _query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_what_was_committed_survives_a_kill(postgres: EmbeddedPostgres) -> None:
    url = postgres.url("cases")
    await _query(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
    await connection.execute("BEGIN; INSERT INTO kept VALUES (0)")
    postgres.kill()
    postgres.start()
    assert postgres.url("cases") == url
    assert await _query(url, "SELECT count(*) FROM kept") == 1000
    connection.terminate()
    postgres.stop()
    postgres.start()
    assert await _query(url, "SELECT count(*) FROM kept") == 1000
    await _query(url, "DROP TABLE kept")


async def test_a_service_opens_its_own_database_only(postgres: EmbeddedPostgres) -> None:
    assert await _query(postgres.url("stats"), "SELECT current_user || '@' || current_database()") == "stats@stats"
    other = postgres.url("stats").rsplit("/", 1)[0] + "/registry"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _query(other, "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _query(re.sub(r"stats:[^@]+@", "stats:wrong@", postgres.url("stats")), "SELECT 1")


async def test_a_service_may_use_the_extensions_it_needs(postgres: EmbeddedPostgres) -> None:
    await _query(postgres.url("registry"), "CREATE EXTENSION IF NOT EXISTS pg_trgm")
    await _query(postgres.url("registry"), "CREATE EXTENSION IF NOT EXISTS unaccent")
    assert await _query(postgres.url("registry"), "SELECT unaccent('Nguyễn Đức')") == "Nguyen Duc"
    assert await _query(postgres.url("registry"), "SELECT lower('ĐỖ THỊ ÁNH')") == "đỗ thị ánh"


def test_a_database_dies_with_its_parent_and_resumes(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1]), services=()); server.start()\n"
        "print(server.pid, flush=True); time.sleep(120)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert gone(pid)
    server = EmbeddedPostgres(tmp_path, services=())
    server.start()
    server.stop()
