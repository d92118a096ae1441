"""Work for `shared.apart`: notes who it is, then ends as its orders say."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from shared.apart import do_orders, end_with_starter


async def _work(orders: dict[str, Any]) -> None:
    """`note`: the file it writes. `code`: with which it ends at once. `heeds`: whether it ends when it is told to."""
    end_with_starter()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set if orders["heeds"] else lambda: None)
    _write(Path(orders["note"]), str(os.getpid()))
    if orders["code"] is not None:
        sys.exit(orders["code"])
    await told.wait()
    _write(Path(orders["note"]), "in order")


def _write(note: Path, words: str) -> None:
    fresh = note.with_suffix(".new")
    fresh.write_text(words)
    fresh.replace(note)


if __name__ == "__main__":
    do_orders(_work)
