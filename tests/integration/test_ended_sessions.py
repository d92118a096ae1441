"""Sessions that somebody ended, on a real broker: a copied cookie lets nobody in at any replica, now or later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from shared.identity import EndedSessions, demo_directory
from shared.identity.sessions import SESSION_SECONDS
from shared.messaging import kafka
from shared.messaging.endings import SESSIONS_TOPIC, Endings
from shared.messaging.topics import TOPICS, ensure_topics
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.pages import Pages
from tests.support.backends import Backend
from tests.support.visitor import FORM_TOKEN, Visitor

_TOPIC = [topic for topic in TOPICS if topic.name == SESSIONS_TOPIC]
_SIGN_IN = "/identity/sign-in"


@dataclass
class Replica:
    """A process that lets people in."""

    ended: EndedSessions
    endings: Endings
    app: Any

    def browser(self, cookies: dict[str, str] | None = None) -> Visitor:
        return Visitor(self.app, dict(cookies or {}), "localhost:8600")


@asynccontextmanager
async def replica(settings: Settings) -> AsyncIterator[Replica]:
    ended = EndedSessions()
    app = create_app("cases", [], Pages(), demo_directory({"05443": "Xã Một"}), settings, prefix="/cases", ended=ended)
    made = Replica(ended, Endings(settings, ended), app)
    stop = asyncio.Event()
    running = asyncio.create_task(made.endings.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await running


async def until(true: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


async def signed_in(browser: Visitor) -> bool:
    """Whether the start page knows who it is: others get the page for visitors."""
    return (await browser.ask("/")).status == 303


async def sign_out(browser: Visitor) -> None:
    token = FORM_TOKEN.search((await browser.ask(_SIGN_IN)).text)
    assert token
    answer = await browser.ask("/identity/sign-out", {"form_token": token[1]})
    assert (answer.status, answer.headers["clear-site-data"]) == (303, '"cache"')


@pytest.fixture
async def settings(backend: Backend, topic_prefix: str) -> Settings:
    made = backend.settings(topic_prefix=topic_prefix, session_secret="s" * 40, demo_users=True)
    await ensure_topics(made, _TOPIC)
    return made


async def test_a_copied_cookie_lets_nobody_in_at_any_replica_once_its_owner_signed_out(settings: Settings) -> None:
    async with replica(settings) as first, replica(settings) as second:
        await until(lambda: first.endings.caught_up and second.endings.caught_up)
        mine = first.browser()
        await mine.enter("lan.worker")
        stolen = second.browser(mine.cookies)
        other = second.browser()
        await other.enter("lan.worker")
        assert await signed_in(stolen)
        await sign_out(mine)
        told = time.monotonic()
        assert not await signed_in(first.browser(stolen.cookies))
        while await signed_in(stolen):
            assert time.monotonic() - told < 2
            await asyncio.sleep(0.005)
        assert await signed_in(other), "the same person's session at another browser goes on"
        # Whoever begins now learns of it before it says that it is ready.
        async with replica(settings) as third:
            await until(lambda: third.endings.caught_up)
            assert not await signed_in(third.browser(stolen.cookies))
            assert await signed_in(third.browser(other.cookies))


async def test_signing_in_anew_ends_the_session_that_the_browser_had(settings: Settings) -> None:
    async with replica(settings) as only:
        await until(lambda: only.endings.caught_up)
        mine = only.browser()
        await mine.enter("lan.worker")
        before = only.browser(mine.cookies)
        await mine.enter("binh.chair")
        assert await signed_in(mine)
        assert not await signed_in(before)


async def test_nobody_stays_signed_in_because_the_broker_is_away_and_it_is_told_afterwards(settings: Settings) -> None:
    async with replica(settings) as heard:
        await until(lambda: heard.endings.caught_up)
        ended = EndedSessions()
        away = Endings(settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}), ended)
        stop = asyncio.Event()
        trying = asyncio.create_task(away.run(stop))
        await ended.end("một")
        assert "một" in ended
        assert await asyncio.wait_for(ended.untold(), 1)
        stop.set()
        await trying
        assert "một" not in heard.ended
        stop = asyncio.Event()
        telling = asyncio.create_task(Endings(settings, ended).run(stop))
        await until(lambda: "một" in heard.ended)
        stop.set()
        await telling


async def test_who_connected_and_cannot_go_on_leaves_no_connection_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def fail(_: AIOKafkaConsumer) -> None:
        tried.set()
        raise KafkaConnectionError

    monkeypatch.setattr(AIOKafkaConsumer, "_wait_topics", fail)
    before = asyncio.all_tasks()  # of what other tests share
    async with replica(settings):
        await asyncio.wait_for(tried.wait(), 60)
    assert not [task for task in asyncio.all_tasks() - before if "_md_synchronizer" in repr(task.get_coro())]


async def test_what_no_replica_of_ours_wrote_stops_nothing(settings: Settings) -> None:
    producer = kafka.producer(settings)
    await producer.start()
    try:
        for value in (b"", b"null", b"[]", b"{}", b"\xff", b'{"session": null}', b'{"session": "x"}'):
            await producer.send_and_wait(settings.topic_prefix + SESSIONS_TOPIC, value)
    finally:
        await producer.stop()
    async with replica(settings) as only:
        await until(lambda: only.endings.caught_up)
        await only.ended.end("một")
        async with replica(settings) as later:
            await until(lambda: later.endings.caught_up)
            assert "một" in later.ended
            assert len(later.ended._until) == 1


async def test_what_ended_is_remembered_as_long_as_a_cookie_is_good_and_no_longer() -> None:
    now = [1000.0]
    ended = EndedSessions(lambda: now[0])
    await ended.end("một")
    now[0] += SESSION_SECONDS - 1
    assert "một" in ended
    await ended.end("hai")
    now[0] += 2
    assert "một" not in ended
    assert "hai" in ended
    await ended.end("ba")
    assert len(ended._until) == 2


async def test_a_clock_that_goes_ahead_keeps_nothing_in_memory_longer_than_a_cookie_is_good() -> None:
    now = [1000.0]
    ended = EndedSessions(lambda: now[0])
    ended.learn("một", now[0] + 365 * 86_400)
    await ended.end("hai")
    now[0] += SESSION_SECONDS + 1
    await ended.end("ba")
    assert len(ended._until) == 1
