"""Over real HTTP: outages, busy answers, lost answers, strange servers and killed senders lose nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agency import transports
from agency.profile import Profile, Refused
from agency.publisher import HttpTransport, Outcome, Publisher, publish_file
from agency.spool import Entry, Spool, SpoolFull, Waiting, new_run
from shared.privacy.sealing import PlatformKey
from shared.settings import Settings

KEY = PlatformKey(bytes(range(32)))
SAMPLES = Path(__file__).parents[2] / "samples"
EXPECT = json.loads((SAMPLES / "expect.json").read_text())["files"]
Trouble = Callable[[web.Request], web.Response | None]


class Platform:
    """Answers as the platform does: the same source, id and content is a duplicate, other content a correction."""

    def __init__(self) -> None:
        self.contents: dict[tuple[str, str], set[str]] = {}
        self.order: list[str] = []
        self.before: list[Trouble] = []
        self.after: list[Trouble] = []
        self.refused: set[str] = set()

    async def events(self, request: web.Request) -> web.Response:
        if self.before and (answer := self.before.pop(0)(request)):
            return answer
        answers = [self._take(document) for document in await request.json()]
        if self.after and (answer := self.after.pop(0)(request)):
            return answer
        return web.json_response({"answers": answers})

    def _take(self, document: dict[str, Any]) -> dict[str, Any]:
        if document["id"] in self.refused:
            violation = {"field": "data", "rule": "late-rule", "message_vi": "…", "message_en": "…"}
            return {"id": document["id"], "outcome": "rejected", "violations": [violation]}
        known = self.contents.setdefault((document["source"], document["id"]), set())
        plain = json.dumps({name: _opened(value) for name, value in document["data"].items()}, sort_keys=True)
        outcome = "duplicate" if plain in known else "corrected" if known else "accepted"
        if plain not in known:
            self.order.append(document["id"])
        known.add(plain)
        return {"id": document["id"], "outcome": outcome, "violations": []}


def _opened(value: Any) -> Any:
    from shared.contracts.base import SealedBox

    if isinstance(value, dict) and "sealed" in value:
        return json.loads(KEY.open(SealedBox.model_validate(value)))
    return value


@asynccontextmanager
async def serving(platform: Platform, port: int = 0) -> AsyncIterator[str]:
    app = web.Application(client_max_size=20_000_000)
    app.router.add_post("/{service}/events", platform.events)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def profile(url: str, sector: Any = "hotline") -> Profile:
    return Profile(url, sector, "token", b"p" * 32, KEY.public, KEY.kid)


def event(number: int, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"C{number}",
        "source": "/agency/hotline/t",
        "type": "vn.vongtay.agency.concern.reported",
        "data": {"received_at": "2026-11-01T00:00:00Z", **data},
    }


async def send(
    url: str, spool: Spool, documents: list[dict[str, Any]], patience: float = 10
) -> tuple[list[tuple[str, str]], int]:
    answers: list[tuple[str, str]] = []

    def answered(waiting: Waiting, outcome: Outcome) -> None:
        answers.append((waiting.document["id"], outcome.outcome))

    async with aiohttp.ClientSession() as session:
        known = profile(url)
        publisher = Publisher(known, spool, HttpTransport(session, known))
        publisher.put(documents)
        return answers, await publisher.flush(answered, patience=patience)


@pytest.mark.parametrize("name", EXPECT)
async def test_every_sample_file_is_reported_exactly_and_changes_nothing_the_second_time(
    name: str, tmp_path: Path
) -> None:
    sector = {"commune-roster.xlsx": "dolisa", "school-roster.csv": "education", "hotline-calls.csv": "hotline"}.get(
        name, "health" if name.startswith("hospital") else "police"
    )
    truth, platform, spool = EXPECT[name], Platform(), Spool(tmp_path / "spool.db")
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        known = profile(url, sector)
        publisher = Publisher(known, spool, HttpTransport(session, known))
        first = (await publish_file(SAMPLES / name, publisher, pepper=known.pepper)).as_dict()
        again = (await publish_file(SAMPLES / name, publisher, pepper=known.pepper)).as_dict()
    assert [{"row": item["row"], "rule": item["rule"]} for item in first["rejected"]] == truth["rejected"]
    for figure in ("rows", "accepted", "duplicates", "corrections"):
        assert first[figure] == truth.get(figure, 0), figure
    assert (again["accepted"], again["corrections"], again["rejected"]) == (0, 0, first["rejected"])
    assert again["duplicates"] == truth["rows"] - len(truth["rejected"])
    spool.close()


async def test_busy_answers_are_waited_out_as_long_as_they_ask(tmp_path: Path) -> None:
    platform = Platform()
    platform.before = [
        lambda _request: web.Response(status=429, headers={"Retry-After": "1"}),
        lambda _request: web.Response(status=503, headers={"Retry-After": "0"}),
    ]
    async with serving(platform) as url:
        began = time.monotonic()
        answers, left = await send(url, Spool(tmp_path / "s.db"), [event(1)])
    assert (answers, left) == ([("C1", "accepted")], 0)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    "strange",
    [
        lambda _request: web.json_response({"detail": "Not Found"}, status=404),
        lambda _request: web.Response(text="<html>ok</html>", content_type="text/html"),
        lambda _request: web.json_response({"answers": []}),
        lambda _request: web.json_response({"answers": [{"outcome": "accepted"}]}),
        lambda _request: web.Response(status=301, headers={"Location": "http://127.0.0.1:1/"}),
        lambda _request: web.json_response({"detail": "no words of ours"}, status=422),
    ],
)
async def test_nothing_is_given_up_for_a_strange_answer(strange: Trouble, tmp_path: Path) -> None:
    platform = Platform()
    platform.before = [strange] * 50
    spool = Spool(tmp_path / "s.db")
    async with serving(platform) as url:
        assert await send(url, spool, [event(1), event(2)], patience=0.3) == ([], 2)
        platform.before = []
        assert await send(url, spool, []) == ([("C1", "accepted"), ("C2", "accepted")], 0)


async def test_a_lost_answer_counts_once_as_accepted(tmp_path: Path) -> None:
    platform = Platform()

    def hang_up(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()

    platform.after = [hang_up]  # taken over, but nobody hears of it
    async with serving(platform) as url:
        answers, left = await send(url, Spool(tmp_path / "s.db"), [event(number) for number in range(3)])
    assert answers == [("C0", "accepted"), ("C1", "accepted"), ("C2", "accepted")]
    assert (platform.order, left) == (["C0", "C1", "C2"], 0)


async def test_too_much_for_one_post_is_halved_down_to_the_event_that_is_too_large(tmp_path: Path) -> None:
    platform = Platform()
    platform.before = []

    def limit(request: web.Request) -> web.Response | None:
        platform.before.append(limit)
        return web.json_response({}, status=413) if (request.content_length or 0) > 3000 else None

    platform.before = [limit]
    documents = [event(number) for number in range(40)]
    documents[7] = event(7, relation="x" * 5000)
    async with serving(platform) as url:
        answers, left = await send(url, Spool(tmp_path / "s.db"), documents)
    assert [outcome for _, outcome in answers].count("accepted") == 39
    assert ("C7", "rejected") in answers
    assert left == 0


async def test_an_outage_in_the_middle_keeps_the_order(tmp_path: Path) -> None:
    platform, spool = Platform(), Spool(tmp_path / "s.db")
    async with serving(platform) as url:
        await send(url, spool, [event(number) for number in range(250)])
    port = int(url.rpartition(":")[2])
    answers, left = await send(url, spool, [event(number) for number in range(250, 700)], patience=0.3)
    assert (answers, left) == ([], 450)

    async def come_back() -> None:
        async with serving(platform, port):
            await asyncio.wait_for(done.wait(), 60)

    done = asyncio.Event()
    sending = asyncio.create_task(send(url, spool, [], patience=20))
    await asyncio.sleep(0.5)
    back = asyncio.create_task(come_back())
    _, left = await sending
    done.set()
    await back
    assert left == 0
    assert platform.order == [f"C{number}" for number in range(700)]


async def test_a_token_that_is_not_taken_keeps_everything(tmp_path: Path) -> None:
    platform, spool = Platform(), Spool(tmp_path / "s.db")
    platform.before = [lambda _request: web.json_response({}, status=401)]
    async with serving(platform) as url:
        with pytest.raises(Refused):
            await send(url, spool, [event(1)])
    assert spool.count("hotline") == 1


async def test_the_platforms_refusal_comes_back_to_its_row(tmp_path: Path) -> None:
    platform = Platform()
    platform.refused = {"HS01000002"}
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        known = profile(url, "education")
        publisher = Publisher(known, Spool(tmp_path / "s.db"), HttpTransport(session, known))
        report = await publish_file(SAMPLES / "school-roster.csv", publisher, pepper=known.pepper)
    assert [(item["row"], item["rule"]) for item in report.rejected] == [(4, "late-rule")]
    assert report.accepted == report.rows - 1


_SENDER = """
import asyncio, sys
from pathlib import Path
import aiohttp
from agency.publisher import HttpTransport, Publisher, publish_file
from agency.profile import Profile
from agency.spool import Spool
url, spool, file, key = sys.argv[1:]
async def main():
    profile = Profile(url, "hotline", "token", b"p" * 32, bytes.fromhex(key), "platform/1")
    async with aiohttp.ClientSession() as session:
        publisher = Publisher(profile, Spool(Path(spool)), HttpTransport(session, profile))
        print(await publish_file(Path(file), publisher, pepper=profile.pepper))
asyncio.run(main())
"""


async def test_a_sender_killed_in_the_middle_loses_nothing_and_says_nothing_twice(tmp_path: Path) -> None:
    platform, path = Platform(), tmp_path / "spool.db"
    reached, released = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = await platform.events(request)
        reached.set()
        await released.wait()
        return answer

    app = web.Application(client_max_size=20_000_000)
    app.router.add_post("/cases/events", slow)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    arguments = [sys.executable, "-c", _SENDER, url, str(path), str(SAMPLES / "hotline-calls.csv"), KEY.public.hex()]
    sender = subprocess.Popen(arguments, cwd=Path(__file__).parents[3])
    await asyncio.wait_for(reached.wait(), 60)
    os.kill(sender.pid, signal.SIGKILL)
    sender.wait()
    released.set()
    await runner.cleanup()

    spool = Spool(path)
    # Whatever the platform took over before the kill, the file's next publishing ends with the same effects.
    assert spool.count("hotline") >= 396
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        known = profile(url)
        publisher = Publisher(known, spool, HttpTransport(session, known))
        report = await publish_file(SAMPLES / "hotline-calls.csv", publisher, pepper=known.pepper)
    assert report.rows == report.accepted + report.duplicates + report.corrections + len(report.rejected)
    assert len(platform.contents) == EXPECT["hotline-calls.csv"]["accepted"]
    assert Counter(map(len, platform.contents.values()))[2] == EXPECT["hotline-calls.csv"]["corrections"]
    assert spool.count("hotline") == 0


async def test_a_full_disk_is_said_and_what_waited_is_still_sent(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = Spool(path)
    spool.put("hotline", [Entry(event(1))])
    size = spool._database.execute("PRAGMA page_count").fetchone()[0]
    spool._database.execute(f"PRAGMA max_page_count = {size + 2}")
    with pytest.raises(SpoolFull):
        spool.put("hotline", [Entry(event(number, relation="x" * 250)) for number in range(2, 500)])
    assert [waiting.document["id"] for waiting in spool.first("hotline", 9)] == ["C1"]
    async with serving(Platform()) as url:
        assert await send(url, spool, []) == ([("C1", "accepted")], 0)


async def test_two_processes_on_one_spool_each_hear_of_their_own_rows(tmp_path: Path) -> None:
    platform, path = Platform(), tmp_path / "s.db"
    mine, theirs = Spool(path), Spool(path)
    their_run = f"1-{'0' * 32}"  # process 1 is always running
    theirs.put("hotline", [Entry(event(number), "x.csv", number, their_run, b"%d" % number) for number in range(3)])
    async with serving(platform) as url, aiohttp.ClientSession() as session:
        known, heard = profile(url), list[int | None]()
        publisher = Publisher(known, mine, HttpTransport(session, known))
        run = new_run()
        publisher.put([event(10), event(11)], "y.csv", [2, 3], run)
        await publisher.flush(lambda waiting, _outcome: heard.append(waiting.row), run=run)
    assert heard == [2, 3]
    assert theirs.take_answers(their_run) == [(number, ["accepted", []]) for number in range(3)]
    assert theirs.take_answers(their_run) == []


def test_what_waits_already_is_not_added_again_but_taken_over_from_the_dead(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    first = f"{dead.pid}-{'0' * 32}"
    spool.put("hotline", [Entry(event(1), "x.csv", 2, first, b"1"), Entry(event(1), "x.csv", 9, first, b"1")])
    second = new_run()
    spool.put("hotline", [Entry(event(1), "y.csv", 5, second, b"1")])
    assert [(waiting.row, waiting.run) for waiting in spool.first("hotline", 9)] == [(5, second), (9, first)]
    spool.put("hotline", [Entry(event(1), digest=b"1")])
    assert spool.count("hotline") == 2


def test_a_spool_of_the_first_edition_goes_on_working(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, sector TEXT NOT NULL, file TEXT, "
            "row INTEGER, document BLOB NOT NULL)"
        )
        old.execute("INSERT INTO waiting (sector, document) VALUES ('hotline', ?)", (json.dumps(event(1)),))
    old.close()
    spool = Spool(path)
    spool.put("hotline", [Entry(event(2), digest=b"2")])
    assert [waiting.document["id"] for waiting in spool.first("hotline", 9)] == ["C1", "C2"]


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("agency.concern.reported", "t.agency.health.v1"),
        ("agency.child.recorded", "t.agency.health.v1"),
        ("agency.figure.reported", "t.agency.health.figures.v1"),
        ("agency.activity.held", "t.agency.health.figures.v1"),
        ("agency.unheard.of", "t.agency.health.v1"),
    ],
)
async def test_what_is_counted_only_goes_to_the_topic_that_statistics_read(
    monkeypatch: pytest.MonkeyPatch, name: str, topic: str
) -> None:
    sent: list[str] = []

    class Broker:
        async def start(self) -> None:
            """There at once."""

        async def stop(self) -> None:
            """Gone at once."""

        async def send(self, to: str, **_message: object) -> asyncio.Future[None]:
            sent.append(to)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

    monkeypatch.setattr(transports, "producer", lambda _settings: Broker())
    document = {
        "specversion": "1.0",
        "id": "1",
        "source": "/agency/health/x",
        "type": f"vn.vongtay.{name}",
        "time": "2026-11-23T01:00:00Z",
        "data": {},
    }
    async with transports.KafkaTransport(Settings(topic_prefix="t."), "health") as transport:
        (outcome,) = await transport.send([document])
    assert (outcome.outcome, sent) == ("sent", [topic])
