"""Requests on real sockets: what they must not reach is not reached, and who answers has proved who they are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.notify.channels import connection, guard
from services.notify.channels.http import Caller, Guarding
from services.notify.domain import Attempt
from tests.support.nasty import (
    Answer,
    answer_for_ever,
    continue_for_ever,
    hints,
    receiver,
    self_signed,
    small_heads,
)

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Names(AbstractResolver):
    """Answers with one list of addresses after the other; the last again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked += 1
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for one in found
        ]

    async def close(self) -> None:
        return


@asynccontextmanager
async def caller(guarding: Guarding, timeout: float = 3) -> AsyncIterator[Caller]:
    made = Caller(guarding, timeout)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def ok(_reader: object, writer: object) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")  # type: ignore[attr-defined]
    await writer.drain()  # type: ignore[attr-defined]


def elsewhere(location: str) -> Answer:
    async def answer(_reader: object, writer: object) -> None:
        head = f"HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        writer.write(head.encode())  # type: ignore[attr-defined]
        await writer.drain()  # type: ignore[attr-defined]

    return answer


async def post(made: Caller, url: str) -> Attempt:
    return await made.post(url, b"{}", {}, NOW)


def outcome(attempt: Attempt) -> tuple[str, str | None]:
    return attempt.outcome, attempt.reason


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_never_connected_to(inner: str) -> None:
    async with receiver(ok) as inside, caller(Guarding(False, Names([inner]))) as made:
        attempt = await post(made, f"https://partner.example:{inside.port}/")
        assert outcome(attempt) == ("again", "address-refused")
        assert inside.requests == 0


async def test_a_name_that_changes_its_mind_between_two_attempts_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As if 127.0.0.2 were a server of the internet, at which nobody listens; then the name leads to this machine.
    really = guard.is_public
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.2" or really(address))
    async with receiver(ok) as inside:
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        async with caller(Guarding(False, names)) as made:
            first = await post(made, f"https://partner.example:{inside.port}/")
            assert outcome(first) == ("again", "unreachable")
        async with caller(Guarding(False, names)) as made:
            second = await post(made, f"https://partner.example:{inside.port}/")
            assert outcome(second) == ("again", "address-refused")
        assert names.asked == 2
        assert inside.requests == 0


async def test_a_public_address_beside_an_inner_one_is_refused_whole() -> None:
    async with caller(Guarding(False, Names(["8.8.8.8", "127.0.0.1"]))) as made:
        assert outcome(await post(made, "https://partner.example/")) == ("again", "address-refused")


@pytest.mark.parametrize(
    "spelling",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.nip.example",
    ],
)
async def test_no_spelling_of_this_machine_reaches_it(spelling: str) -> None:
    async with receiver(ok) as inside, caller(Guarding(False, Names(["127.0.0.1"]))) as made:
        attempt = await post(made, f"https://{spelling}:{inside.port}/")
        assert outcome(attempt) == ("again", "address-refused")
        assert inside.requests == 0


async def test_plain_http_is_not_spoken_where_partners_are_called() -> None:
    async with caller(Guarding(False, Names(["8.8.8.8"]))) as made:
        assert outcome(await post(made, "http://partner.example/")) == ("again", "address-refused")


def saying(raw: bytes) -> Answer:
    async def answer(_reader: object, writer: object) -> None:
        writer.write(raw)  # type: ignore[attr-defined]
        await writer.drain()  # type: ignore[attr-defined]

    return answer


_HINTS = b"HTTP/1.1 103 Early Hints\r\nretry-after: 5\r\n\r\n"
# What comes before an answer has no body (RFC 9110, 15.2), whatever it says of itself.
_SOON = b"HTTP/1.1 104 Soon\r\ncontent-length: "


@pytest.mark.parametrize(
    ("raw", "status", "said", "wait"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ntaken", 200, "taken", None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntak\r\n2\r\nen\r\n0\r\n\r\n", 200, "taken", None),
        (b"HTTP/1.1 200 OK\r\n\r\nas long as it lasts", 200, "as long as it lasts", None),
        (b"HTTP/1.0 200 OK\r\n\r\ntaken", 200, "taken", None),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, "", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut", 200, "cut", None),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntak\r\nzz\r\n", 200, "tak", None),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
            200,
            "ok",
            None,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\x00\x01", 200, "ok", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\xff\x00x", 200, "\ufffdx", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", 101, "", None),
        (b"HTTP/1.1 429 Later\r\nRETRY-After: 7\r\ncontent-length: 0\r\n\r\n", 429, "", 7),
        (_HINTS + b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n", 503, "", None),
        (_SOON + b"4000\r\n\r\n" + b"x" * 4000 + b"HTTP/1.1 503 Later\r\ncontent-length: 2\r\n\r\nno", 503, "no", None),
    ],
)
async def test_an_answer_is_read_in_whichever_form_it_comes(
    raw: bytes, status: int, said: str, wait: int | None
) -> None:
    async with receiver(saying(raw)) as there, caller(Guarding(True)) as made:
        attempt = await post(made, there.url)
        assert (attempt.status, attempt.response) == (status, said)
        assert attempt.outcome == ("taken" if status in {200, 204} else "again")
        assert attempt.retry_after == (None if wait is None else timedelta(seconds=wait))


async def test_a_header_cannot_begin_another_one() -> None:
    async with receiver(ok) as there, caller(Guarding(True)) as made:
        for odd in ("a\r\nhost: inside", "a\nb: c", "a\rb", "a\x00"):
            attempt = await made.post(there.url, b"{}", {"x-said": odd}, NOW)
            assert attempt.outcome == "again"
        assert there.requests == 0


async def test_who_answered_once_is_waited_for_no_longer_the_next_time() -> None:
    async def only_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ok(reader, writer)
        await reader.read()  # until the other side gives up

    async with receiver(only_once) as there, caller(Guarding(True), timeout=0.5) as made:
        assert outcome(await post(made, there.url)) == ("taken", None)
        assert outcome(await post(made, there.url)) == ("again", "timeout")
        # What was given up is not used again: a late answer would be taken for the next one.
        assert outcome(await post(made, there.url)) == ("taken", None)
        assert there.requests == 2


def one_after_the_other(*answers: bytes) -> Answer:
    """A connection over which each request is answered by the next of these; then it ends without a word."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, raw in enumerate(answers):
            if number > 0:
                await reader.readuntil(b"\r\n\r\n{}")
            writer.write(raw)
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n{}")

    return answer


_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("surplus", [b"H", b"HTTP/1.1 410 G", b"HTTP/1.1 410 Gone\r\nx: "])
async def test_what_comes_behind_an_answer_is_never_the_beginning_of_the_next(surplus: bytes) -> None:
    later = b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n"
    async with receiver(one_after_the_other(_OK + surplus, later)) as there, caller(Guarding(True)) as made:
        assert [outcome(await post(made, there.url)) for _ in range(3)] == [("taken", None)] * 3
        assert there.requests == 3  # each over a connection of its own


async def test_who_let_go_of_a_connection_is_asked_once_more_over_a_new_one() -> None:
    async with receiver(one_after_the_other(_OK)) as there, caller(Guarding(True)) as made:
        for _ in range(3):
            assert outcome(await post(made, there.url)) == ("taken", None)
        assert there.requests == 3


async def test_who_ends_new_connections_without_an_answer_is_asked_no_more() -> None:
    async def only_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if there.requests == 1:
            await one_after_the_other(_OK)(reader, writer)

    async with receiver(only_first) as there, caller(Guarding(True)) as made:
        assert outcome(await post(made, there.url)) == ("taken", None)
        assert outcome(await post(made, there.url)) == ("again", "broken-answer")
        assert outcome(await post(made, there.url)) == ("again", "broken-answer")
        assert there.requests == 3


@pytest.mark.parametrize("behind", [b"x: " + b"y" * 30_000, b"x: y\r\n" * 12_000, b"1;z=" + b"z" * 30_000])
async def test_what_comes_behind_an_answer_s_body_is_bounded_as_its_head_is(
    behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_BODY_SECONDS", 600.0)
    chunks = b"2\r\nok\r\n" + (b"" if behind.startswith(b"1;") else b"0\r\n")

    async def until_refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + behind)
        await reader.read()

    async with receiver(until_refused) as there, caller(Guarding(True), timeout=600) as made:
        attempt = await asyncio.wait_for(post(made, there.url), 60)
        assert (attempt.outcome, attempt.response) == ("taken", "ok")


async def test_who_answers_before_it_has_read_everything_is_sent_nothing_more_over_that_connection() -> None:
    connections = []

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await ok(reader, writer)

    server = await asyncio.start_server(hasty, "127.0.0.1", 0)
    async with server, caller(Guarding(True)) as made:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for _ in range(2):
            assert outcome(await made.post(url, bytes(32 * 1024 * 1024), {}, NOW)) == ("taken", None)
        assert len(connections) == 2
        for writer in connections:
            writer.close()


async def test_a_redirect_is_not_followed_wherever_it_leads() -> None:
    async with receiver(ok) as inside, receiver(elsewhere(inside.url)) as front, caller(Guarding(True)) as made:
        attempt = await post(made, front.url)
        assert (attempt.status, *outcome(attempt)) == (307, "again", "redirect-refused")
        assert inside.requests == 0


async def test_environment_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(ok) as proxy, receiver(ok) as there, caller(Guarding(True)) as made:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await post(made, there.url)).outcome == "taken"
        assert proxy.requests == 0


async def test_tls_names_the_host_and_its_certificate_must_say_that_name(tmp_path: Path) -> None:
    named: list[str | None] = []
    server = self_signed(tmp_path, "partner.example")
    server.sni_callback = lambda _socket, name, _context: named.append(name)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    async with receiver(ok, server) as there:
        async with caller(Guarding(True, Names(["127.0.0.1"]), trusting)) as made:
            assert (await post(made, f"https://partner.example:{there.port}/")).outcome == "taken"
            wrong = await post(made, f"https://other.example:{there.port}/")
            assert outcome(wrong) == ("again", "tls")
        # What nobody vouches for is not believed, whatever it says of itself.
        async with caller(Guarding(True, Names(["127.0.0.1"]))) as made:
            assert outcome(await post(made, f"https://partner.example:{there.port}/")) == ("again", "tls")
        assert named == ["partner.example", "other.example", "partner.example"]
        assert there.requests == 1


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    await deaf(reader, writer)


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    cast("asyncio.Transport", writer.transport).pause_reading()
    await asyncio.sleep(3600)


@pytest.mark.parametrize("silent", [closing, deaf])
async def test_who_never_says_goodbye_costs_no_connection(
    silent: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    lost = connection.Exchange.connection_lost

    def note(exchange: connection.Exchange, error: BaseException | None) -> None:
        lost(exchange, error)
        ended.set()

    monkeypatch.setattr(connection.Exchange, "connection_lost", note)
    monkeypatch.setattr("asyncio.constants.SSL_SHUTDOWN_TIMEOUT", 3600.0)  # it is not TLS that gives up
    server = self_signed(tmp_path, "partner.example")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    names = Names(["127.0.0.1"])
    async with receiver(silent, server) as there, caller(Guarding(True, names, trusting), timeout=1) as made:
        await post(made, f"https://partner.example:{there.port}/")
        await asyncio.wait_for(ended.wait(), 60)


async def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    server = self_signed(tmp_path, "partner.example")
    server.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    async with receiver(ok, server) as there, caller(Guarding(True, Names(["127.0.0.1"]), trusting)) as made:
        assert (await post(made, f"https://partner.example:{there.port}/")).outcome == "again"
        assert there.requests == 0


@pytest.mark.parametrize("endless", [continue_for_ever, small_heads])
async def test_heads_without_end_are_cut_off_long_before_the_time_is_over(endless: Answer) -> None:
    async with receiver(endless) as there, caller(Guarding(True), timeout=15) as made:
        attempts = await asyncio.gather(*(post(made, there.url) for _ in range(5)))
        assert {outcome(attempt) for attempt in attempts} == {("again", "endless-heads")}
        assert max(attempt.duration_ms for attempt in attempts) < 5000


async def test_who_goes_on_answering_is_not_listened_to() -> None:
    ended = asyncio.Event()

    async def until_refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer_for_ever(reader, writer)
        finally:
            ended.set()

    async with receiver(until_refused) as there, caller(Guarding(True)) as made:
        assert outcome(await post(made, there.url)) == ("taken", None)
        await asyncio.wait_for(ended.wait(), 60)


async def test_what_a_server_says_before_its_answer_is_no_fault_and_its_connection_is_used_again() -> None:
    async with receiver(hints) as there, caller(Guarding(True)) as made:
        attempts = [await post(made, there.url) for _ in range(12)]
        assert {(attempt.outcome, attempt.status) for attempt in attempts} == {("taken", 200)}
        assert attempts[-1].response == "y" * 500
