"""How loops wait: for a time, or for word that there is something to do, and never past the moment they are stopped."""

from __future__ import annotations

import asyncio

# Between two pieces of long work, so many steps of whoever else waits for the process.
_TURNS = 5


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def either(wake: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Wait for `wake` or `stop`, but not longer than that."""
    waiting = [asyncio.ensure_future(wake.wait()), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def let_others_go() -> None:
    """Between two pieces of long work: let whoever waits for this process go on, several steps of theirs at once. With
    one step only, a request of twenty steps would wait for twenty pieces."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
