"""The fixtures themselves: what tests of services stand on."""

from __future__ import annotations

from email.message import EmailMessage

import aiohttp
import aiosmtplib
import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text

from shared.database import Database
from shared.messaging.kafka import client_options, producer
from shared.messaging.topics import ensure_topics
from tests.support.backends import Backend
from tests.support.receivers import MailServer, WebhookServer


async def test_a_record_travels_through_a_test_s_own_topics(backend: Backend, topic_prefix: str) -> None:
    settings = backend.settings(topic_prefix=topic_prefix)
    made = await ensure_topics(settings)
    assert f"{topic_prefix}cases.cases.v1" in made
    assert await ensure_topics(settings) == []
    async with producer(settings) as sender:
        await sender.send_and_wait(f"{topic_prefix}cases.cases.v1", b"value", key=b"key")
    consumer = AIOKafkaConsumer(
        f"{topic_prefix}cases.cases.v1", **client_options(settings), auto_offset_reset="earliest"
    )
    async with consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"key", b"value")


async def test_databases_are_new_and_empty(fresh_database: str) -> None:
    database = Database(fresh_database)
    async with database.transaction() as connection:
        count = (await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))).scalar()
    await database.close()
    assert count == 0


async def test_mail_is_kept_or_refused(mail_server: MailServer) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Chào"
    message.set_content("Nội dung")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=mail_server.port, start_tls=False)
    assert [(kept["Subject"], kept.get_content().strip()) for kept in mail_server.messages] == [("Chào", "Nội dung")]
    mail_server.refusal = "451 later"
    with pytest.raises(aiosmtplib.SMTPDataError):
        await aiosmtplib.send(message, hostname="127.0.0.1", port=mail_server.port, start_tls=False)


async def test_webhooks_are_kept_and_answered_as_told(webhook_server: WebhookServer) -> None:
    webhook_server.statuses = [503]
    async with aiohttp.ClientSession() as session:
        seen = [(await session.post(webhook_server.url, data=b"{}")).status for _ in range(2)]
    assert seen == [503, 200]
    assert [request.body for request in webhook_server.requests] == [b"{}", b"{}"]
