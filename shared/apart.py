"""Long work in a process of its own, so that nobody's request waits for it.

It is told what it needs through its standard input, for an argument or a variable is seen by others, and it never lives
longer than whoever started it. It may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
import structlog

from shared.telemetry import setup_logs

_LOG = structlog.get_logger(__name__)


async def run_apart(module: str, orders: Mapping[str, Any], stop: asyncio.Event, *, grace: float = 0.0) -> int:
    """Run a module with orders until it ends, or until `stop`.

    In: `grace`: for so many seconds after `stop` it may put things in order, having been told by SIGTERM. Out: its exit
    code; 0 where it was stopped.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    stopped = asyncio.ensure_future(stop.wait())
    ended = asyncio.ensure_future(process.wait())
    try:
        await _tell(process, orders)
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if grace and not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait([ended], timeout=grace)
    finally:
        stopped.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await ended
    return 0 if stop.is_set() else process.returncode or 0


async def _tell(process: Process, orders: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    # One that died at once does not read what it is told; its exit code says the rest.
    with contextlib.suppress(ConnectionError):
        process.stdin.write(orjson.dumps(orders) + b"\n")
        await process.stdin.drain()


def do_orders(work: Callable[[dict[str, Any]], Coroutine[Any, Any, None]]) -> None:
    """In the other process: do what it was told. What breaks it is said by its type alone, for a traceback carries what
    a row held; and whoever started it says when it is to stop, not who presses Ctrl-C at the terminal of both."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setup_logs("warning")
    try:
        asyncio.run(work(orjson.loads(sys.stdin.buffer.readline())))
    except Exception as error:
        _LOG.error("apart.broke", reason=type(error).__name__)
        sys.exit(1)


def end_with_starter() -> None:
    """In the other process, within its loop: whoever started it holds its input open, and when that ends so does it, as
    if it were killed."""
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os.kill, os.getpid(), signal.SIGKILL)
