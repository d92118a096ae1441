"""The platform as it really runs: processes started, killed and ended by their own pid, on free ports, in a folder.

`Whole` is `vongtay up`; `Parts` are single `vongtay serve` processes on a broker and a database, behind one door.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from local.folder import DataFolder, free_port
from local.kafka import EmbeddedKafka
from local.postgres import EmbeddedPostgres
from local.process import ServerProcess
from local.services import SERVICES
from shared.messaging.kafka import client_options
from shared.messaging.topics import await_coordinator, ensure_topics
from shared.settings import Settings

_PROGRAM = Path(sys.executable).with_name("vongtay")
_READY_SECONDS = 90.0


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    def json(self) -> Any:
        """Its standard output as JSON."""
        return orjson.loads(self.out)


@dataclass
class Answer:
    """An HTTP answer, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


class Door:
    """What everybody who talks to a platform needs: its address, tokens of its demo people, the command line."""

    url: str
    folder: Path

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str | None], str] = {}

    async def token(self, role: str, sector: str | None = None) -> str:
        """The bearer token of the demo's person in a role."""
        if (role, sector) not in self._tokens:
            wanted = {"role": role} | ({"sector": sector} if sector else {})
            answer = await self.ask("POST", "/identity/demo-token", body=wanted)
            assert answer.status == 200, answer.body
            self._tokens[role, sector] = answer.json()["token"]
        return self._tokens[role, sector]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        role: str | None = None,
        sector: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, in a role."""
        sent = dict(headers or {})
        if role is not None:
            sent["Authorization"] = f"Bearer {await self.token(role, sector)}"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.request(method, self.url + path, json=body, headers=sent, allow_redirects=False) as answer,
        ):
            return Answer(answer.status, {**answer.headers}, await answer.read())

    async def get(self, path: str, role: str, sector: str | None = None) -> Any:
        """The JSON answer of a GET that succeeds."""
        answer = await self.ask("GET", path, role=role, sector=sector)
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json()

    async def post(self, path: str, body: object, role: str, sector: str | None = None) -> Any:
        """The JSON answer of a POST that succeeds."""
        answer = await self.ask("POST", path, role=role, sector=sector, body=body)
        assert answer.status in {200, 201, 202}, (path, answer.status, answer.body)
        return answer.json()

    async def command(self, *words: str, seconds: float = 150, env: Mapping[str, str] | None = None) -> Ended:
        """Run `vongtay …` against the platform to its end."""
        process = await self.begin(*words, env=env)
        try:
            out, err = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return Ended(process.returncode or 0, out, err.decode())

    async def begin(self, *words: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        """Start `vongtay …` against the platform."""
        return await asyncio.create_subprocess_exec(
            str(_PROGRAM),
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={**_clean_environment(), "VONGTAY_URL": self.url, **(env or {})},
        )

    async def healthy(self, paths: Sequence[str], seconds: float = _READY_SECONDS) -> None:
        """Wait until every one of these health pages says so. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            for path in paths:
                while not await self._is_healthy(path):
                    await asyncio.sleep(0.1)

    async def _is_healthy(self, path: str) -> bool:
        try:
            return (await self.ask("GET", path)).status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


class Whole(Door):
    """`vongtay up --demo-users`, with its folder, its log and its users' access to Kafka."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__()
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "platform.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = env
        self._process = ServerProcess(folder / "platform.pid", str(self.data), self.log)

    async def start(self) -> None:
        """Start it, and wait until events flow."""
        command = [str(_PROGRAM), "up", "--data", str(self.data), "--port", str(self.port), "--demo-users"]
        await asyncio.to_thread(self._process.start, command, env={**_clean_environment(), **self._env})
        await self.healthy(["/healthz"])

    @property
    def pid(self) -> int | None:
        """Of the running `vongtay up`."""
        return self._process.pid

    async def stop(self) -> None:
        """End it in order."""
        await asyncio.to_thread(self._process.stop, timeout=40)

    def access(self, sector: str) -> dict[str, str]:
        """A sector's own variables for publishing to Kafka."""
        lines = (self.data / "agencies" / f"{sector}.env").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def admin(self) -> Settings:
        """Settings of the broker's administrator."""
        return Settings(
            environment="test",
            kafka_bootstrap=self.access("health")["VONGTAY_KAFKA_BOOTSTRAP"],
            kafka_security="SASL_PLAINTEXT",
            kafka_user="admin",
            kafka_password=(self.data / "kafka" / "admin.password").read_text("utf-8"),
        )


@dataclass
class _Replica:
    service: str
    port: int
    process: ServerProcess


@dataclass
class Parts(Door):
    """Services as processes of their own, each of which may be killed and started again."""

    folder: Path
    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    replicas: list[_Replica] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        super().__init__()

    def add(self, service: str) -> _Replica:
        """A replica, not started yet."""
        number = next(self._numbers)
        name = f"{service}-{number}"
        port = free_port(avoid=[replica.port for replica in self.replicas])
        process = ServerProcess(self.folder / f"{name}.pid", f"serve {service}", self.folder / f"{name}.log")
        self.replicas.append(_Replica(service, port, process))
        return self.replicas[-1]

    async def start(self, replica: _Replica) -> None:
        """Start a replica; it gets ready by itself."""
        command = [str(_PROGRAM), "serve", replica.service, "--port", str(replica.port)]
        env = {**_clean_environment(), **self.env, "VONGTAY_DATABASE_URL": self.postgres.url(replica.service)}
        await asyncio.to_thread(replica.process.start, command, env=env)

    def of(self, service: str) -> list[_Replica]:
        """The replicas of a service."""
        return [replica for replica in self.replicas if replica.service == service]

    def settings(self) -> Settings:
        """Settings of a client of the broker."""
        return Settings(environment="test", **self.kafka.connection())

    async def ready(self) -> None:
        """Wait until every replica says that events flow."""
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            for replica in self.replicas:
                while not await _says_healthy(session, replica.port):
                    await asyncio.sleep(0.1)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on to a replica that answers: what a gateway does. A stream of events is passed on as it
        comes."""
        service = request.path.split("/")[1]
        # Who signs somebody in does not matter: where there is no such service, any other.
        replicas = self.of(service if service in SERVICES else "cases") or self.replicas
        turn = next(self._numbers)
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host"}}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=20)) as session:
            for place in range(len(replicas)):
                port = replicas[(turn + place) % len(replicas)].port
                try:
                    async with session.request(
                        request.method, f"http://127.0.0.1:{port}{request.path_qs}", data=body, headers=headers
                    ) as answer:
                        if answer.content_type == "text/event-stream":
                            return await _passed_on(request, answer)
                        content = await answer.read()
                        return web.Response(
                            status=answer.status, body=content, content_type=answer.content_type or "text/plain"
                        )
                except aiohttp.ClientConnectorError:
                    continue  # nobody took it: another replica may have it
                except (aiohttp.ClientError, TimeoutError):
                    return web.Response(status=502)
        return web.Response(status=503, headers={"Retry-After": "1"})


async def _passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """What `answer` streams, as it comes, until either side ends it."""
    stream = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    await stream.prepare(request)
    async for piece in answer.content.iter_any():
        await stream.write(piece)
    return stream


async def _says_healthy(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


@asynccontextmanager
async def whole(folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Whole]:
    """A whole platform that runs, ended afterwards."""
    platform = Whole(folder, env or {})
    try:
        await platform.start()
        yield platform
    finally:
        await platform.stop()


@asynccontextmanager
async def parts(folder: Path, replicas: Sequence[str]) -> AsyncIterator[Parts]:
    """Services, each named once a replica, on a broker and a database of their own, ended afterwards."""
    kafka = EmbeddedKafka(folder / "kafka", heap_mb=384)
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        await asyncio.gather(asyncio.to_thread(kafka.start), asyncio.to_thread(postgres.start))
        with DataFolder(folder / "data") as data:
            secrets = data.secrets()
            env = {
                "VONGTAY_ENVIRONMENT": "local",
                "VONGTAY_DATA_DIR": str(data.path),
                "VONGTAY_DEMO_USERS": "true",
                "VONGTAY_SESSION_SECRET": secrets.session_secret,
                "VONGTAY_MASTER_KEY_FILE": str(secrets.master_key_file),
                "VONGTAY_PLATFORM_KEY_FILE": str(secrets.platform_key_file),
                "VONGTAY_KAFKA_BOOTSTRAP": kafka.bootstrap,
            }
            stack = Parts(folder, kafka, postgres, env)
            await ensure_topics(stack.settings())
            await await_coordinator(stack.settings())
            for service in replicas:
                stack.add(service)
            async with _served(stack):
                try:
                    await asyncio.gather(*(stack.start(replica) for replica in stack.replicas))
                    await stack.ready()
                    yield stack
                finally:
                    for replica in stack.replicas:
                        await asyncio.to_thread(replica.process.kill)
    finally:
        await asyncio.gather(asyncio.to_thread(kafka.kill), asyncio.to_thread(postgres.stop))


@asynccontextmanager
async def _served(stack: Parts) -> AsyncIterator[None]:
    app = web.Application(client_max_size=32_000_000)
    app.router.add_route("*", "/{path:.*}", stack.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stack.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield
    finally:
        await runner.cleanup()


async def everything_in(
    settings: Settings, topics: Sequence[str] | None = None
) -> list[ConsumerRecord[bytes | None, bytes | None]]:
    """All records that lie in the broker now, or in some of its topics (full names)."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        described = await admin.describe_topics(list(topics) if topics is not None else await admin.list_topics())
    finally:
        await admin.close()
    places = [TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        open_places = {place for place in places if ends[place] > begins[place]}
        records: list[Any] = []
        async with asyncio.timeout(60):
            while open_places:
                for place, batch in (await consumer.getmany(timeout_ms=200)).items():
                    records += batch
                    if batch[-1].offset + 1 >= ends[place]:
                        open_places.discard(place)
        return records
    finally:
        await consumer.stop()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VONGTAY_")}
