"""The whole platform on one machine: real Kafka, real PostgreSQL, four services behind one port, in one folder.

The services still talk through Kafka alone. It must never show a page before events flow, and never lose what was
committed, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from local.demo.clock import TravellingClock
from local.demo.filling import fill
from local.folder import DataFolder, PlatformError, Secrets, port_is_free, write_private
from local.kafka import EmbeddedKafka
from local.postgres import EmbeddedPostgres
from local.server import server
from local.services import SERVICES, build_of
from shared.collecting import collect_seldom
from shared.descriptors import allow_many
from shared.messaging.topics import USERS, agency_user, await_coordinator, ensure_topics, service_user
from shared.reference.units import Units
from shared.runtime import ServiceProcess, directory_of, keys_of, profile_of
from shared.settings import Settings
from shared.telemetry import setup_logs, setup_traces
from shared.web.app import create_app, front_door
from shared.web.pages import Pages, SampleDay

_LOG = structlog.get_logger(__name__)
_HOST = "127.0.0.1"
_WATCH_SECONDS = 0.5
_READY_SECONDS = 60.0
Ready = Callable[[], Awaitable[None]]


class Platform:
    """Kafka, PostgreSQL and the services of one data folder.

    Args:
        data: the folder. port: of the pages, on this machine's own address.
        demo_users: a one-click sign-in for each role. demo: also a believable province, made at the first start.
    """

    def __init__(self, data: Path, port: int, *, demo_users: bool, demo: bool) -> None:
        self._folder = DataFolder(data)
        self._port = port
        self._demo_users = demo_users
        self._demo = demo
        self._console = Console(stderr=True, highlight=False)
        self._stopping = False
        self._clock = TravellingClock()
        self._sample_day: SampleDay | None = None

    def run(self) -> None:
        """Run until a signal. Raises `PlatformError` in one sentence where it cannot."""
        if not port_is_free(self._port):
            raise PlatformError(
                f"Cổng {self._port} đang bị chương trình khác chiếm; hãy chọn cổng khác bằng --port.",
                f"Port {self._port} is taken by another program; choose another with --port.",
            )
        with self._folder:
            secrets = self._folder.secrets()
            users = {user: secrets.password(user) for user in USERS}
            postgres = EmbeddedPostgres(self._folder.path / "postgres")
            # By itself the signal would end this process between two instructions, and the servers with it, unstopped.
            signal.signal(signal.SIGTERM, _end)
            kafka: EmbeddedKafka | None = None
            try:
                with Progress(
                    TextColumn("{task.description}"),
                    BarColumn(),
                    TaskProgressColumn(),
                    console=self._console,
                    transient=True,
                ) as progress:
                    task = progress.add_task("Kafka", total=None)
                    kafka = EmbeddedKafka(
                        self._folder.path / "kafka",
                        users=users,
                        on_progress=lambda done, total: progress.update(task, completed=done, total=total),
                    )
                    self._start(kafka, postgres)
                self._serve(kafka, postgres, secrets)
            finally:
                self._stopping = True
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                with ThreadPoolExecutor(2) as threads:
                    list(threads.map(lambda part: part.stop(), (part for part in (kafka, postgres) if part)))

    def _start(self, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
        with ThreadPoolExecutor(2) as threads:
            starts = [threads.submit(kafka.start), threads.submit(postgres.start)]
        for start in starts:
            start.result()

    def _serve(self, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, secrets: Secrets) -> None:
        base = self._settings(secrets)
        setup_logs(base.log_level)
        setup_traces("platform", base.otlp_endpoint, self._folder.path / "traces.jsonl")
        asyncio.run(_prepare(base.model_copy(update=kafka.connection())))
        self._write_agency_access(kafka)
        processes = {
            f"/{name}": ServiceProcess(
                build_of(name),
                base.model_copy(
                    update={
                        "database_url": SecretStr(postgres.url(name)),
                        **kafka.connection(service_user(name)),
                    }
                ),
                self._clock,
            )
            for name in SERVICES
        }
        front = create_app(
            "Vòng Tay",
            [],
            Pages(unit_names=Units.load().names()),
            directory_of(base),
            base,
            checks={path.strip("/"): process.check for path, process in processes.items()},
            profile=profile_of(keys_of(base)),
            # It has no connection to Kafka of its own.
            ended=processes["/cases"].ended,
        )
        door = front_door(front, {path: process.app for path, process in processes.items()}, lambda: self._sample_day)
        web = server(door, _HOST, self._port)
        collect_seldom()
        allow_many()

        async def serve() -> None:
            watching = asyncio.create_task(self._watch(kafka, postgres))
            announcing = asyncio.create_task(self._announce([process.check for process in processes.values()]))
            try:
                await web.serve()
            finally:
                watching.cancel()
                announcing.cancel()

        # By itself asyncio takes its own loop, which does a third less in the same time than the configured one.
        with asyncio.Runner(loop_factory=web.config.get_loop_factory()) as runner:
            runner.run(serve())

    def _settings(self, secrets: Secrets) -> Settings:
        """What all services share; variables of the environment count, the folder fills in the rest."""
        given = Settings()
        users_file = given.users_file or self._folder.path / "users.json"
        if not self._demo_users and not users_file.exists():
            raise PlatformError(
                f"Chưa có ai được đăng nhập: chạy `vongtay users add … --file {users_file}` hoặc thêm --demo-users.",
                f"Nobody could sign in: run `vongtay users add … --file {users_file}` first, or add --demo-users.",
            )
        return given.model_copy(
            update={
                "environment": "local",
                "data_dir": self._folder.path,
                "base_url": os.environ.get("VONGTAY_BASE_URL", f"http://{_HOST}:{self._port}"),
                "session_secret": SecretStr(secrets.session_secret),
                "users_file": None if self._demo_users else users_file,
                "demo_users": self._demo_users,
                "master_key_file": secrets.master_key_file,
                "platform_key_file": secrets.platform_key_file,
            }
        )

    def _write_agency_access(self, kafka: EmbeddedKafka) -> None:
        """For whoever publishes by Kafka: one file a sector with its own user and password, for its owner's eyes."""
        folder = self._folder.path / "agencies"
        folder.mkdir(mode=0o700, exist_ok=True)
        for user in USERS:
            if not user.startswith(agency_user("")):
                continue
            access = kafka.connection(user)
            password = access["kafka_password"].get_secret_value()
            lines = [
                f"VONGTAY_KAFKA_BOOTSTRAP={access['kafka_bootstrap']}",
                f"VONGTAY_KAFKA_SECURITY={access['kafka_security']}",
                f"VONGTAY_KAFKA_USER={user}",
                f"VONGTAY_KAFKA_PASSWORD={password}",
            ]
            write_private(folder / f"{user.removeprefix(agency_user(''))}.env", "\n".join(lines) + "\n")

    async def _watch(self, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
        """Start Kafka or PostgreSQL again when one has died; the services wait for it by themselves."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for name, part in (("kafka", kafka), ("postgres", postgres)):
                if part.pid is None and not self._stopping:
                    _LOG.error("part.died", part=name)
                    try:
                        await asyncio.to_thread(part.start)
                    except PlatformError as problem:
                        _LOG.error("part.not-started", part=name, reason=problem.message_en)

    async def _announce(self, checks: list[Ready]) -> None:
        began = time.monotonic()
        late = False
        while True:
            try:
                await asyncio.gather(*(check() for check in checks))
            except Exception:
                if not late and time.monotonic() - began > _READY_SECONDS:
                    late = True
                    self._console.print("[yellow]Still starting; the log above says what is waited for.[/]")
                await asyncio.sleep(0.1)
            else:
                break
        self._console.print(
            f"[bold green]Vòng Tay[/] is ready: [bold]http://{_HOST}:{self._port}[/]   (Ctrl-C stops it)"
        )
        if self._demo:
            await self._fill()
        if self._demo_users:
            self._console.print("Demo users: choose a role on the sign-in page; nothing in here is real.")

    async def _fill(self) -> None:
        """Make the demo's province, saying how far it is: in a terminal as it goes, elsewhere every ten days."""
        with self._console.status("The demo's province…") as line:

            def say(day: int, days: int) -> None:
                self._sample_day = (day, days)
                said = f"The demo's province: day {day} of {days}"
                if self._console.is_terminal:
                    line.update(said)
                elif day % 10 == 0:
                    self._console.print(said)

            try:
                await fill(f"http://{_HOST}:{self._port}", self._clock, self._folder.path / "demo.json", say)
                self._console.print("The demo's province is there, up to today.")
            except Exception as problem:  # the platform itself runs on, and the next start goes on filling
                _LOG.error("demo.unfinished", reason=type(problem).__name__)
            finally:
                self._sample_day = None


def _end(*_signal: object) -> None:
    sys.exit()


async def _prepare(admin: Settings) -> None:
    await ensure_topics(admin)
    await await_coordinator(admin)
