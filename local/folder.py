"""The folder in which the local platform keeps everything: its lock, its secrets, its ports.

Two platforms must never share a folder; a secret must never be readable by other users of the machine or be replaced.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Self

from shared.contracts.vocabulary import SECTORS

_SECRET_MODE = 0o600
_KEY_BYTES = 32
_LEAST_FREE_BYTES = 512 * 1024 * 1024


class PlatformError(Exception):
    """Why the local platform cannot start or go on, in one sentence. `str()` is the English one.

    Args:
        message_vi: the sentence in Vietnamese. message_en: the same in English.
    """

    def __init__(self, message_vi: str, message_en: str) -> None:
        super().__init__(message_en)
        self.message_vi = message_vi
        self.message_en = message_en


class DataFolder:
    """A data folder, held by this process from `open` to `close` (also a context manager).

    Args:
        path: made where it is missing.
        least_free: free bytes below which it refuses to start.
    """

    def __init__(self, path: Path, *, least_free: int = _LEAST_FREE_BYTES) -> None:
        self.path = Path(path).expanduser().absolute()
        self._least_free = least_free
        self._lock: IO[str] | None = None

    def open(self) -> Self:
        """Take the folder. Raises `PlatformError`: not writable, full, or in use by another process."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self.path)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(b"\0" * 4096)
                probe.flush()
        except OSError as error:
            self.close()
            raise _unusable(self.path, error) from None
        except PlatformError:
            self.close()
            raise
        free = _free_bytes(self.path)
        if free < self._least_free:
            self.close()
            needed, left = self._least_free // 2**20, free // 2**20
            raise PlatformError(
                f"Thư mục dữ liệu {self.path} chỉ còn {left} MiB trống, cần ít nhất {needed} MiB.",
                f"The data folder {self.path} has only {left} MiB free; at least {needed} MiB are needed.",
            )
        return self

    def close(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def secrets(self) -> Secrets:
        """The folder's secrets; made once, at the first call. Raises `PlatformError` where they cannot be read."""
        return Secrets(self.path)

    def ports(self, names: Iterable[str]) -> dict[str, int]:
        """A port for each name, the same as last time wherever that is still free. Raises `PlatformError`."""
        file = self.path / "ports.json"
        kept = _read_json(file, {})
        chosen: dict[str, int] = {}
        for name in names:
            port = kept.get(name)
            if not isinstance(port, int) or port in chosen.values() or not port_is_free(port):
                port = free_port(avoid=chosen.values())
            chosen[name] = port
        write_private(file, json.dumps({**kept, **chosen}, indent=1))
        return chosen


class Secrets:
    """Secrets made up once per data folder and kept in it, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "secrets.json"
        self._folder = folder
        self._values: dict[str, str] = _read_json(self._file, {})
        if not all(isinstance(value, str) for value in self._values.values()):
            raise _damaged(self._file)
        if self._file.exists():
            self._file.chmod(_SECRET_MODE)

    @property
    def session_secret(self) -> str:
        """Signs sign-ins and form tokens."""
        return self._get("session_secret", lambda: secrets.token_urlsafe(48))

    @property
    def master_key_file(self) -> Path:
        """File holding the key that wraps every child's key: 32 bytes in base64."""
        return self._key_file("master.key")

    @property
    def platform_key_file(self) -> Path:
        """File holding the private key to which agencies seal: 32 bytes in base64."""
        return self._key_file("platform.key")

    @property
    def pepper(self) -> str:
        """What keeps pseudonyms made from rows unguessable."""
        return self._get("pepper", lambda: secrets.token_urlsafe(32))

    def password(self, user: str) -> str:
        """The password of a broker or database user of this folder."""
        return self._get(f"password.{user}", lambda: secrets.token_urlsafe(24))

    def agency_passwords(self) -> dict[str, str]:
        """Each sector's password for publishing."""
        return {sector: self.password(f"agency-{sector}") for sector in SECTORS}

    def _get(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._values:
            self._values[name] = make()
            write_private(self._file, json.dumps(self._values, indent=1))
        return self._values[name]

    def _key_file(self, name: str) -> Path:
        file = self._folder / "keys" / name
        if not file.exists():
            # A key that got lost must not be replaced in silence: what it sealed could never be read again.
            if self._values.get(f"made.{name}"):
                raise PlatformError(
                    f"Thiếu tệp khóa {file}; hãy khôi phục từ bản sao lưu, vì dữ liệu đã niêm phong cần đúng khóa này.",
                    f"The key file {file} is missing; restore it from a backup, since sealed data needs this very key.",
                )
            file.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(file, base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n")
            self._get(f"made.{name}", lambda: "yes")
        return file


def write_private(file: Path, content: str) -> None:
    """Write a file that only its owner may read, whole or not at all. Raises `PlatformError`."""
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, _SECRET_MODE)
            os.replace(temporary, file)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise _unusable(file.parent, error) from None


def port_is_free(port: int) -> bool:
    """Whether this machine's own address could be listened on at a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port(avoid: Iterable[int] = ()) -> int:
    """A port of this machine's own address that nobody listens on now."""
    taken = set(avoid)
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _take_lock(folder: Path) -> IO[str]:
    # The lock is the kernel's, and ends with its holder however that dies; the pid inside is for people.
    lock = open(folder / "vongtay.lock", "a+", encoding="utf-8")  # noqa: SIM115 - held until close()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip() or "?"
        lock.close()
        raise PlatformError(
            f"Thư mục dữ liệu {folder} đang được một tiến trình khác sử dụng (pid {pid}).",
            f"The data folder {folder} is in use by another process (pid {pid}).",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _unusable(folder: Path, error: OSError) -> PlatformError:
    reason = error.strerror or type(error).__name__
    return PlatformError(
        f"Không ghi được vào thư mục dữ liệu {folder}: {reason}.",
        f"The data folder {folder} cannot be written to: {reason}.",
    )


def _damaged(file: Path) -> PlatformError:
    return PlatformError(
        f"Tệp {file} bị hỏng; hãy khôi phục từ bản sao lưu.",
        f"The file {file} is damaged; restore it from a backup.",
    )


def _read_json(file: Path, default: dict[str, Any]) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return default
    except OSError as error:
        raise _unusable(file.parent, error) from None
    except ValueError:
        raise _damaged(file) from None
    if not isinstance(content, dict):
        raise _damaged(file)
    return content
