"""Server processes of the local platform: started so that they die with us, and found again if they did not.

It must never signal a process that it has not recognised as one started for the same folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

_GUARD = Path(__file__).with_name("guard.py")
_T = TypeVar("_T")
# The kernel ties a child to the *thread* that started it. This one lives as long as the process.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vongtay-starter")


class ServerProcess:
    """One server's process.

    Args:
        pid_file: remembers the process for a later start, should this one die and the server live on.
        marker: text found in the server's command line and in no other process's: its own folder.
        log: where its output goes, appended.
    """

    def __init__(self, pid_file: Path, marker: str, log: Path) -> None:
        self._pid_file = pid_file
        self._marker = marker
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """Of the process, once it has ended."""
        return self._process.poll() if self._process is not None else None

    def start(self, command: Sequence[str], *, user: str = "", env: Mapping[str, str] | None = None) -> None:
        """Start it, once what an earlier start left behind has been ended."""
        self.end_leftover()
        _STARTER.submit(self._start, command, user, env).result()

    def _start(self, command: Sequence[str], user: str, env: Mapping[str, str] | None) -> None:
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), user, *command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd="/",
                start_new_session=True,  # Ctrl-C is ours to pass on, in our order
            )
        self._pid_file.write_text(json.dumps({"pid": self._process.pid}), "utf-8")

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> None:
        """End it in order; by force after `timeout` seconds."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._forget()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.stop(signal.SIGKILL)

    def end_leftover(self, timeout: float = 10.0) -> None:
        """End the process that an earlier run left behind, where the pid is still that process's."""
        try:
            pid = int(json.loads(self._pid_file.read_text("utf-8"))["pid"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        if self._marker in command_line(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + timeout
            while self._marker in command_line(pid) and time.monotonic() < end:
                time.sleep(0.05)
        self._pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 5) -> str:
        """The end of its log, for an error message's detail."""
        try:
            with self._log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - 4000))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _forget(self) -> None:
        self._process = None
        self._pid_file.unlink(missing_ok=True)


def command_line(pid: int) -> str:
    """A process's command line; empty where there is no such process, or it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        if sys.platform == "linux":
            return ""
    except PermissionError:
        return ""
    ps = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603


def in_own_loop(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end from blocking code, whether or not the caller has a loop of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
