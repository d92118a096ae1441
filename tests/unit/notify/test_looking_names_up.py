"""Names are looked up beside each other: dead ones hold up nobody, and a server is found while the resolver is away."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.notify.channels import guard
from services.notify.channels.guard import ForbiddenAddressError, GuardedResolver
from services.notify.channels.resolving import PooledResolver

AWAY = socket.gaierror(socket.EAI_AGAIN, "no answer")
GONE = socket.gaierror(socket.EAI_NONAME, "no such name")


class System:
    """The system's resolver: names that begin with "dead" hang until they are let go, others lead to `answer`."""

    def __init__(self) -> None:
        self.answer: str | BaseException = "8.8.8.8"
        self.slow = False
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def look_up(self, host: str, *_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("dead") or self.slow:
            self.let_go.wait(20)
            raise AWAY
        if isinstance(self.answer, BaseException):
            raise self.answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.answer, 0))]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    made = System()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    return made


class Clock:
    """Seconds, a test's to move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def names(system: System, clock: Clock) -> AsyncIterator[PooledResolver]:
    made = PooledResolver(clock)
    yield made
    system.let_go.set()
    await made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def hosts(names: PooledResolver | GuardedResolver, host: str) -> list[str]:
    return [one["host"] for one in await names.resolve(host, 443)]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_hundred_names_that_hang_do_not_delay_one_that_was_never_heard_of(
    names: PooledResolver, system: System
) -> None:
    dead = [asyncio.create_task(names.resolve(f"dead-{number}.example", 443)) for number in range(100)]
    await _until(lambda: len(system.asked) == 100)
    async with asyncio.timeout(60):
        assert await hosts(names, "partner.example") == ["8.8.8.8"]
    system.let_go.set()
    assert all(isinstance(one, OSError) for one in await asyncio.gather(*dead, return_exceptions=True))


async def test_names_that_hung_before_get_so_many_threads_and_no_more(names: PooledResolver, system: System) -> None:
    many = [f"dead-{number}.example" for number in range(200)]
    first = [asyncio.create_task(names.resolve(host, 443)) for host in many]
    await _until(lambda: len(system.asked) == 200)
    system.let_go.set()
    await asyncio.gather(*first, return_exceptions=True)
    system.let_go.clear()
    again = [asyncio.create_task(names.resolve(host, 443)) for host in many]
    await _until(lambda: len(system.asked) == 200 + 64)
    await asyncio.sleep(0.05)
    assert len(system.asked) == 200 + 64
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    system.let_go.set()
    await asyncio.gather(*again, return_exceptions=True)


async def test_a_name_is_asked_for_once_at_a_time_whatever_the_port(names: PooledResolver, system: System) -> None:
    asking = [asyncio.create_task(names.resolve("dead.example", 1024 + number)) for number in range(20)]
    await _until(lambda: bool(system.asked))
    await asyncio.sleep(0.05)
    system.let_go.set()
    await asyncio.gather(*asking, return_exceptions=True)
    assert system.asked == ["dead.example"]
    found = await names.resolve("partner.example", 8443)
    assert [one["port"] for one in found] == [8443]


async def test_the_last_address_is_served_for_an_hour_while_the_resolver_fails(
    names: PooledResolver, system: System, clock: Clock
) -> None:
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    system.answer = AWAY
    clock.now += 3500
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    clock.now += 200
    with pytest.raises(OSError, match="no answer"):
        await hosts(names, "partner.example")
    system.answer = "9.9.9.9"
    assert await hosts(names, "partner.example") == ["9.9.9.9"]


async def test_the_last_address_is_served_soon_while_the_resolver_hangs(
    names: PooledResolver, system: System, clock: Clock
) -> None:
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    system.slow = True
    began = time.monotonic()
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    assert time.monotonic() - began < 5
    # Who comes later does not wait again for the same look-up.
    clock.now += 2
    began = time.monotonic()
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    assert time.monotonic() - began < 0.9
    assert len(system.asked) == 2


async def test_of_a_name_that_is_gone_no_last_address_is_served(names: PooledResolver, system: System) -> None:
    assert await hosts(names, "partner.example") == ["8.8.8.8"]
    system.answer = GONE
    with pytest.raises(OSError, match="no such name"):
        await hosts(names, "partner.example")
    system.answer = AWAY
    with pytest.raises(OSError, match="no answer"):
        await hosts(names, "partner.example")


async def test_what_is_served_again_is_guarded_as_what_is_new(
    names: PooledResolver, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = GuardedResolver(names)
    assert await hosts(guarded, "partner.example") == ["8.8.8.8"]
    system.answer = "169.254.169.254"
    with pytest.raises(ForbiddenAddressError):
        await hosts(guarded, "partner.example")
    # The inner address is the last one now: it is refused, and the one before it does not come back.
    system.answer = AWAY
    with pytest.raises(ForbiddenAddressError):
        await hosts(guarded, "partner.example")
    system.answer = "8.8.8.8"
    assert await hosts(guarded, "partner.example") == ["8.8.8.8"]
    system.answer = AWAY
    monkeypatch.setattr(guard, "is_public", lambda _address: False)
    with pytest.raises(ForbiddenAddressError):
        await hosts(guarded, "partner.example")


async def test_so_many_names_are_remembered_and_no_more(names: PooledResolver, system: System) -> None:
    for number in range(2500):
        await names.resolve(f"name-{number}.example", 443)
    system.answer = AWAY
    with pytest.raises(OSError, match="no answer"):
        await hosts(names, "name-0.example")
    assert await hosts(names, "name-2499.example") == ["8.8.8.8"]
    for number in range(2500):
        with pytest.raises(OSError, match="no answer"):
            await names.resolve(f"other-{number}.example", 443)
    assert len(names._suspect) <= 2000
