"""When the collector of cycles looks: seldom, and at rest, for our records and rows hold none."""

from __future__ import annotations

import asyncio
import gc
import time

from shared.messaging.waiting import let_others_go, pause

# A batch of events is some hundred thousand objects that their references let go of, and in a rush three are at hand.
# Looking through them for cycles held every request up for a tenth of a second and found nothing that was ours. Only
# where a process never rests so many may gather: some hundred megabytes.
_NEW_OBJECTS = 1_000_000
_LOOK_SECONDS = 20.0
_CALM_SECONDS = 0.002


def collect_seldom(*, keep: bool = True) -> None:
    """Let the collector come seldom. `keep`: what is loaded by now stays for as long as the process, so that it need
    never be looked at again."""
    if keep:
        gc.collect()
        gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


async def collect_at_rest(stop: asyncio.Event) -> None:
    """Run until `stop`: let the collector look at what is new whenever nobody else is at work in this process."""
    while not stop.is_set():
        await pause(stop, _LOOK_SECONDS)
        if await _is_calm():
            gc.collect(1)


async def _is_calm() -> bool:
    """Whether others, asked to go first, have next to nothing to do."""
    began = time.perf_counter()
    await let_others_go()
    return time.perf_counter() - began < _CALM_SECONDS
