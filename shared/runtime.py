"""Assembles one service into an application: its settings become keys, people, database, and what runs beside requests.

It names no service: whoever starts one passes its `build` function. It must never start answering `/healthz` with 200
before events flow.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import APIRouter, FastAPI, Response

from shared.collecting import collect_seldom
from shared.database import Database
from shared.identity import Directory, EndedSessions, demo_directory
from shared.messaging.endings import Endings
from shared.messaging.router import Clock
from shared.messaging.service import Service, ServiceApp, ServiceContext
from shared.messaging.waiting import pause
from shared.privacy import Keys
from shared.privacy.sealing import PlatformKey
from shared.reference.checking import check
from shared.reference.files import ReferenceDataError, lay_over
from shared.reference.units import Units
from shared.settings import Settings
from shared.telemetry import TracedActs, metrics_page, show_status
from shared.web.app import create_app
from shared.web.pages import utc_now

_LOG = structlog.get_logger(__name__)
_KEY_BYTES = 32
_LONGEST_PAUSE = 10.0
Build = Callable[[ServiceContext], ServiceApp]


class ConfigurationError(Exception):
    """The settings cannot be used. The message names the variable and what is wrong with it, never a secret."""


class NotReadyError(Exception):
    """A part is still starting, or waits for another."""


class ServiceProcess:
    """One service inside this process: started beside the web application, however long the broker stays away.

    Args:
        build: puts the service together. settings: this service's configuration. clock: now, aware UTC.
    """

    def __init__(self, build: Build, settings: Settings, clock: Clock = utc_now) -> None:
        if settings.database_url is None:
            raise ConfigurationError("VONGTAY_DATABASE_URL is missing")
        use_reference(settings)
        database = Database(settings.database_url.get_secret_value())
        directory = directory_of(settings)
        context = ServiceContext(settings, database, keys_of(settings), clock, directory)
        try:
            app = build(context)
        except ReferenceDataError as error:
            raise ConfigurationError(str(error)) from None
        self.service = Service(app, context)
        self.database = database
        self.started = False
        self.ended = EndedSessions()
        self._endings = Endings(settings, self.ended)
        self.app: FastAPI = create_app(
            f"Vòng Tay: {self.service.name}",
            [self.service.http(), _metrics_route(self)],
            app.pages,
            directory,
            settings,
            prefix=f"/{self.service.name}",
            lifespan=self._lifespan,
            checks={"database": self.check_database, "events": self.check},
            profile=profile_of(context.keys),
            ended=self.ended,
        )
        self.app.add_middleware(TracedActs, service=self.service.name)

    @property
    def hears_endings(self) -> bool:
        """Whether it is known which sessions ended before this began."""
        return self._endings.caught_up

    async def check(self) -> None:
        """Raises `NotReadyError` unless events flow, and until it is known which sessions ended before this began."""
        if not self.started or not self.service.healthy or not self.hears_endings:
            raise NotReadyError(self.service.name)

    async def check_database(self) -> None:
        """Raises what says that the database is away."""
        async with self.database.transaction():
            return

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        starting = asyncio.create_task(self._start(stop))
        endings = asyncio.create_task(self._endings.run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(starting, endings)
            await self.service.stop()

    async def _start(self, stop: asyncio.Event) -> None:
        delay = 0.2
        while not stop.is_set():
            try:
                await self.service.start()
            except Exception as error:  # the broker or the database is away, in whichever library's words
                _LOG.warning("service.waiting", service=self.service.name, reason=type(error).__name__, seconds=delay)
                await pause(stop, delay)
                delay = min(delay * 2, _LONGEST_PAUSE)
            else:
                self.started = True
                collect_seldom()
                _LOG.info("service.started", service=self.service.name)
                return


def use_reference(settings: Settings) -> None:
    """Lists and forms of the province over the shipped ones, all checked. Raises `ConfigurationError`."""
    try:
        lay_over(settings.reference_dir)
        check()
    except ReferenceDataError as error:
        raise ConfigurationError(f"VONGTAY_REFERENCE_DIR: {error}" if settings.reference_dir else str(error)) from None


def keys_of(settings: Settings) -> Keys:
    """The keys that the settings' files hold. Raises `ConfigurationError`."""
    master = _key_file(settings.master_key_file, "VONGTAY_MASTER_KEY_FILE")
    return Keys(master, PlatformKey(_key_file(settings.platform_key_file, "VONGTAY_PLATFORM_KEY_FILE")))


def directory_of(settings: Settings) -> Directory:
    """Who may enter: the users file, or the made-up people of a demo. Raises `ConfigurationError`, `DirectoryError`."""
    if settings.users_file is not None and settings.demo_users:
        raise ConfigurationError("VONGTAY_USERS_FILE and VONGTAY_DEMO_USERS exclude each other")
    if settings.demo_users:
        return demo_directory(Units.load().names())
    if settings.users_file is None:
        raise ConfigurationError("VONGTAY_USERS_FILE is missing: nobody could sign in")
    return Directory.load(settings.users_file)


def profile_of(keys: Keys) -> dict[str, str]:
    """What an agency needs to publish: the key to which it seals identity, and the pepper of its pseudonyms."""
    return {
        "public_key": base64.b64encode(keys.platform.public).decode(),
        "key_id": keys.platform.kid,
        "pepper": base64.b64encode(keys.agency_pepper).decode(),
    }


def _key_file(path: Path | None, name: str) -> bytes:
    if path is None:
        raise ConfigurationError(f"{name} is missing")
    try:
        key = base64.b64decode(path.read_text("ascii").strip(), validate=True)
    except OSError as error:
        raise ConfigurationError(f"{name}: the file cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(f"{name}: the file must hold {_KEY_BYTES} bytes in base64")
    return key


def _metrics_route(process: ServiceProcess) -> APIRouter:
    """`/metrics` for Prometheus: numbers with labels from fixed lists. The gateway does not pass it on."""
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    async def metrics() -> Response:
        status = await process.service.status()
        # Whoever is refused all requests for this is to be heard of, too.
        show_status({**status, "healthy": status["healthy"] and process.hears_endings})
        body, content_type = metrics_page()
        return Response(body, media_type=content_type)

    return router
