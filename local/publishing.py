"""How the command line publishes: each sector with its own credentials, spool and order, all sectors at once."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TypeVar, cast

import aiohttp

from agency.profile import Profile, Refused, Unreachable
from agency.publisher import FileReport, HttpTransport, KafkaTransport, Outcome, Publisher, Transport, publish_file
from agency.spool import Spool, SpoolBusy, SpoolFull, Waiting
from local.cli.client import base_url
from local.cli.output import EXIT_DATA, EXIT_UNREACHABLE, EXIT_USE, CommandError
from local.simulation.traffic import Sent
from shared.contracts.vocabulary import Sector
from shared.files.mapping import Mapping, read
from shared.files.tables import FileProblem
from shared.settings import Settings

T = TypeVar("T")
_STDIN = Path("-")
_SEND_EVERY = 0.05


def publish_files(
    files: Sequence[Path],
    *,
    mapping: Path | None,
    via: str,
    spool: Path,
    patience: float,
    say: Callable[[str], None],
) -> list[FileReport]:
    """Publish files one after the other. Raises `CommandError`."""

    async def run() -> list[FileReport]:
        async with AsyncExitStack() as stack:
            queue = Spool(spool)
            stack.callback(queue.close)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            form = Mapping.load(mapping) if mapping else None
            reports = []
            for file in files:
                path = stack.enter_context(_piped()) if file == _STDIN else file
                # Whose file it is decides who publishes it; only then are its rows read.
                sector = read(path, pepper=b"", mapping=form).sector
                profile = await _profile(queue, sector, patience)
                transport: Transport = HttpTransport(session, profile)
                if via == "kafka":
                    transport = await stack.enter_async_context(KafkaTransport(Settings(), sector))
                say(f"Publishing {path.name}…")
                report = await publish_file(
                    path,
                    Publisher(profile, queue, transport),
                    pepper=profile.pepper,
                    mapping=form,
                    patience=patience,
                    on_progress=lambda rows, name=path.name: say(f"Publishing {name}: {rows:,} rows…"),  # type: ignore[misc]
                )
                reports.append(report)
            return reports

    return _run(run)


def publish_traffic(
    events: Sequence[Sent], *, rate: float, patience: float, say: Callable[[str], None]
) -> Counter[str]:
    """Publish simulated events, every sector in its own order, all at once. Returns how many got which answer."""
    outcomes: Counter[str] = Counter()
    began = time.monotonic()

    def answered(_waiting: Waiting, outcome: Outcome) -> None:
        outcomes[outcome.outcome] += 1
        if outcomes.total() % 50 == 0:
            say(f"Simulating: {outcomes.total():,} of {len(events):,} events, {time.monotonic() - began:.0f} s")

    async def sector_stream(sector: Sector, folder: Path, session: aiohttp.ClientSession) -> None:
        mine = [(number, sent.document) for number, sent in enumerate(events) if sent.sector == sector]
        queue = Spool(folder / f"{sector}.db")
        try:
            profile = await _profile(queue, sector, patience)
            publisher = Publisher(profile, queue, HttpTransport(session, profile))
            at = 0
            while at < len(mine):
                # Each event has its moment in the whole; what is due goes out together.
                due = len(mine)
                if rate:
                    passed = (time.monotonic() - began) * rate
                    due = next((place for place in range(at, len(mine)) if mine[place][0] > passed), len(mine))
                publisher.put([document for _, document in mine[at:due]])
                at = due
                left = await publisher.flush(answered, patience=patience)
                if left:
                    outcomes["waiting"] += left + len(mine) - at
                    return
                if rate:
                    await asyncio.sleep(_SEND_EVERY)
        finally:
            queue.close()

    async def run() -> Counter[str]:
        with tempfile.TemporaryDirectory(prefix="vongtay-simulate-") as folder:
            async with aiohttp.ClientSession() as session:
                sectors = sorted({sent.sector for sent in events})
                await asyncio.gather(*(sector_stream(sector, Path(folder), session) for sector in sectors))
        return outcomes

    return _run(run)


async def _profile(queue: Spool, sector: str, patience: float) -> Profile:
    """From the platform, or as it was known last time while the platform is away."""
    url = base_url()
    name = f"profile {url} {sector}"
    deadline = time.monotonic() + patience
    while True:
        try:
            profile = await Profile.fetch(url, token=os.environ.get("VONGTAY_TOKEN"), demo_sector=cast(Sector, sector))
        except Unreachable:
            kept = queue.recall(name)
            if kept is not None:
                return Profile.from_json(kept)
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Nothing answers at {url}, and its key is not known here yet. Is the platform running?",
                    EXIT_UNREACHABLE,
                ) from None
            await asyncio.sleep(0.5)
        else:
            if profile.sector != sector:
                raise CommandError(f"The token belongs to sector {profile.sector}, the file to {sector}.", EXIT_USE)
            queue.remember(name, profile.to_json())
            return profile


def _run(main: Callable[[], Coroutine[None, None, T]]) -> T:
    """Run to the end, with every failure in one sentence."""
    try:
        return asyncio.run(main())
    except FileProblem as problem:
        raise CommandError(str(problem), EXIT_DATA) from None
    except Refused:
        raise CommandError("The platform does not take this token for publishing.", EXIT_USE) from None
    except SpoolFull:
        raise CommandError("The disk of the spool is full; nothing was lost, make room and publish again.") from None
    except SpoolBusy:
        raise CommandError("Another process is publishing from this spool; wait for it to end.", EXIT_USE) from None


@contextmanager
def _piped() -> Iterator[Path]:
    """Standard input as a file: it is read twice, once to see whose it is."""
    with tempfile.NamedTemporaryFile(prefix="stdin-", suffix=".jsonl") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)
