"""Publishes events of one sector: from the spool, in order, until each is answered.

An event leaves the spool only with the platform's answer; sending twice is harmless, because the platform recognises
source, id and content.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from agency.profile import Profile, Unreachable
from agency.sealing import content_digest, sealed
from agency.spool import Entry, Spool, SpoolBusy, Waiting, new_run
from agency.transports import HttpTransport, KafkaTransport, Outcome, Transport
from shared.files.mapping import Item, Mapping, check, read

__all__ = [
    "FileReport",
    "HttpTransport",
    "KafkaTransport",
    "Outcome",
    "Publisher",
    "Transport",
    "publish_file",
]

BATCH = 200
_PUT_BATCH = 1000
_LONGEST_PAUSE = 30.0
_LOCK_PAUSE = 0.1


class Publisher:
    """Puts events into the spool and sends from it.

    Args:
        profile: whose events they are. spool: where they wait. transport: how they travel.
    """

    def __init__(self, profile: Profile, spool: Spool, transport: Transport) -> None:
        self._profile = profile
        self._spool = spool
        self._transport = transport

    def put(
        self,
        documents: Sequence[dict[str, Any]],
        file: str | None = None,
        rows: Sequence[int] = (),
        run: str | None = None,
    ) -> None:
        """Take events over, identity sealed to the platform; they are safe on this disk when it returns.

        Args:
            file, rows: where they come from. run: which publishing of the file, so that answers find their way back.

        Raises: `SpoolFull`; then none of them was taken over.
        """
        numbers: Sequence[int | None] = rows or [None] * len(documents)
        profile = self._profile
        entries = [
            Entry(
                _traced(sealed(document, profile.public_key, profile.key_id)),
                file,
                row,
                run,
                content_digest(document, profile.pepper),
            )
            for document, row in zip(documents, numbers, strict=True)
        ]
        self._spool.put(profile.sector, entries)

    async def flush(
        self, answered: Callable[[Waiting, Outcome], None], *, patience: float = 30.0, run: str | None = None
    ) -> int:
        """Send until the spool is empty, waiting out failures of up to `patience` seconds without any progress.

        Args:
            answered: told of each answer. run: which publishing it is told of; None: all.

        Returns how many still wait. Raises `Refused`; `SpoolBusy` where another process sends for longer than that.
        """
        async with self._sending(patience):
            await self._send_all(answered, patience, run)
        if run is not None:
            for row, (outcome, violations) in self._spool.take_answers(run):
                waiting = Waiting(0, None, row, {}, run)
                answered(waiting, Outcome(outcome, tuple(violations)))
        return self._spool.count(self._profile.sector)

    @asynccontextmanager
    async def _sending(self, patience: float) -> AsyncIterator[None]:
        deadline = time.monotonic() + patience
        while True:
            lock = self._spool.sending()
            try:
                lock.__enter__()
            except SpoolBusy:
                if time.monotonic() + _LOCK_PAUSE > deadline:
                    raise
                await asyncio.sleep(_LOCK_PAUSE)
                continue
            break
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    async def _send_all(self, answered: Callable[[Waiting, Outcome], None], patience: float, run: str | None) -> None:
        delay, deadline = 0.2, time.monotonic() + patience
        doubtful: set[int] = set()
        while batch := self._spool.first(self._profile.sector, BATCH):
            try:
                outcomes = await self._transport.send([waiting.document for waiting in batch])
            except Unreachable as error:
                if error.perhaps_taken:
                    doubtful |= {waiting.position for waiting in batch}
                pause = delay * random.uniform(0.7, 1.3) if error.retry_after is None else error.retry_after  # noqa: S311 - keeps senders apart
                if time.monotonic() + pause > deadline:
                    return
                await asyncio.sleep(pause)
                delay = min(delay * 2, _LONGEST_PAUSE)
                continue
            delay, deadline = 0.2, time.monotonic() + patience
            pairs = [
                (waiting, _undoubted(outcome) if waiting.position in doubtful else outcome)
                for waiting, outcome in zip(batch, outcomes, strict=True)
            ]
            self._spool.settle([waiting.position for waiting in batch], _for_others(pairs, run))
            for waiting, outcome in pairs:
                if run is None or waiting.run == run:
                    answered(waiting, outcome)
            doubtful -= {waiting.position for waiting in batch}


def _undoubted(outcome: Outcome) -> Outcome:
    """Sent before without hearing the answer: a duplicate is then most likely our own first sending."""
    return replace(outcome, outcome="accepted") if outcome.outcome == "duplicate" else outcome


def _for_others(pairs: Sequence[tuple[Waiting, Outcome]], run: str | None) -> list[tuple[str, int, object]]:
    """Answers to rows that another process publishes from the same spool."""
    return [
        (waiting.run, waiting.row, (outcome.outcome, outcome.violations))
        for waiting, outcome in pairs
        if waiting.run is not None and waiting.row is not None and run is not None and waiting.run != run
    ]


@dataclass(slots=True)
class FileReport:
    """What became of one file. `rejected` names rows as a person sees them in the file."""

    file: str
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    corrections: int = 0
    sent: int = 0
    waiting: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def answered(self, row: int, outcome: Outcome) -> None:
        """Count one answer."""
        match outcome.outcome:
            case "accepted" | "parked":  # parked: taken over for good, handled as soon as its turn comes
                self.accepted += 1
            case "duplicate":
                self.duplicates += 1
            case "corrected":
                self.corrections += 1
            case "sent":
                self.sent += 1
            case _:
                self.reject(row, outcome.violations)

    def reject(self, row: int, violations: Sequence[dict[str, str]]) -> None:
        """Count one rejection, under the first rule it broke."""
        first = violations[0] if violations else {"field": "", "rule": "rejected", "message_vi": "", "message_en": ""}
        self.rejected.append({"row": row, **first})

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        report = {
            "file": self.file,
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "corrections": self.corrections,
            "rejected": sorted(self.rejected, key=lambda item: item["row"]),
        }
        return report | {name: value for name, value in (("sent", self.sent), ("waiting", self.waiting)) if value}


async def publish_file(
    path: Path,
    publisher: Publisher,
    *,
    pepper: bytes,
    mapping: Mapping | None = None,
    now: datetime | None = None,
    patience: float = 30.0,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> FileReport:
    """Publish one file; its rows are first safe in the spool, then sent in order.

    A file that cannot be read to its end is not sent at all.

    Raises `FileProblem`, `Refused`, `SpoolBusy`, `SpoolFull`.
    """
    report = FileReport(path.name)
    run = new_run()
    items = read(path, pepper=pepper, mapping=mapping, now=now).items
    await asyncio.to_thread(check, path, mapping)
    expected = 0

    def answered(waiting: Waiting, outcome: Outcome) -> None:
        nonlocal expected
        if waiting.row is not None:
            expected -= 1
            report.answered(waiting.row, outcome)
            on_progress(report.rows)

    while batch := list(islice(items, _PUT_BATCH)):
        report.rows += len(batch)
        for item in batch:
            if item.event is None:
                report.reject(item.row, [violation.as_dict() for violation in item.violations])
        good: list[Item] = [item for item in batch if item.event is not None]
        publisher.put([item.event for item in good if item.event], path.name, [item.row for item in good], run)
        expected += len(good)
        await publisher.flush(answered, patience=patience, run=run)
        report.waiting = expected
    return report


def _traced(document: dict[str, Any]) -> dict[str, Any]:
    """The event as the beginning of a trace (W3C Trace Context), unless its sender already traces it."""
    return {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01", **document}
