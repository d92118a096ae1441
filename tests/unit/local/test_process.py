"""Server processes die with whoever started them, are found again if they did not, and nobody else is ever harmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.process import ServerProcess, command_line


def _sleeper(folder: Path) -> list[str]:
    return [sys.executable, "-c", "import time; time.sleep(600)", str(folder)]


def _gone(pid: int, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not command_line(pid):
            return True
        time.sleep(0.02)
    return False


@pytest.fixture
def server(tmp_path: Path) -> ServerProcess:
    return ServerProcess(tmp_path / "server.pid", str(tmp_path), tmp_path / "server.log")


def test_it_starts_and_stops(server: ServerProcess, tmp_path: Path) -> None:
    server.start(_sleeper(tmp_path))
    pid = server.pid
    assert pid is not None
    assert json.loads((tmp_path / "server.pid").read_text()) == {"pid": pid}
    server.stop()
    assert server.pid is None
    assert _gone(pid)
    assert not (tmp_path / "server.pid").exists()


def test_it_is_ended_by_force_where_it_does_not_listen(server: ServerProcess, tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    server.start([sys.executable, "-c", deaf, str(tmp_path)])
    pid = server.pid
    assert pid is not None
    end = time.monotonic() + 60
    while (tmp_path / "server.log").read_text() != "deaf\n" and time.monotonic() < end:
        time.sleep(0.02)
    server.stop(timeout=0.1)
    assert _gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local.process import ServerProcess\n"
        "folder = Path(sys.argv[1]); server = ServerProcess(folder / 'pid', str(folder), folder / 'log')\n"
        "server.start([sys.executable, '-c', 'import time; time.sleep(600)', str(folder)])\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert command_line(pid)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _gone(pid)


def test_what_an_earlier_run_left_behind_is_ended(server: ServerProcess, tmp_path: Path) -> None:
    orphan = subprocess.Popen(_sleeper(tmp_path))
    try:
        (tmp_path / "server.pid").write_text(json.dumps({"pid": orphan.pid}))
        while str(tmp_path) not in command_line(orphan.pid):
            time.sleep(0.01)
        server.end_leftover()
        assert orphan.wait(5) == -signal.SIGKILL
    finally:
        orphan.kill()
        orphan.wait()


@pytest.mark.parametrize("content", ["{", "[]", '{"pid": "x"}', '{"pid": null}'])
def test_a_pid_file_that_says_nothing_is_passed_over(server: ServerProcess, tmp_path: Path, content: str) -> None:
    (tmp_path / "server.pid").write_text(content)
    server.end_leftover()
    server.start(_sleeper(tmp_path))
    assert server.pid is not None
    server.kill()


def test_a_stranger_with_the_remembered_pid_is_left_alone(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "server.pid").write_text(json.dumps({"pid": os.getpid()}))
    server.end_leftover()
    assert not (tmp_path / "server.pid").exists()
