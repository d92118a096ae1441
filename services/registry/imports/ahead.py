"""A file read ahead of whoever takes it over: a short one in a thread, a long one in a process of its own.

Reading a row and working out what tells its child apart costs as much as taking it over; done beside it, both cores of
a small machine work. What comes is the same either way, in the file's order.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import pickle
from collections.abc import AsyncGenerator, Callable, Iterator
from copyreg import dispatch_table
from dataclasses import dataclass
from datetime import date
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, cast

from services.registry.domain.children import Known, Source, Statement, compose
from services.registry.domain.names import Name
from services.registry.domain.traits import TraitKeys, Traits, traits_of, with_keys
from services.registry.imports.reading import Line, open_lines
from services.registry.store.children import known_values
from services.registry.store.chunk_writing import Packed
from services.registry.store.imports import ImportRow
from shared.collecting import collect_seldom
from shared.files.tables import FileProblem
from shared.privacy import Keys, PlatformKey, Unreadable
from shared.reference.files import laid_over, lay_over
from shared.reference.trust import Trust, TrustOrders
from shared.reference.units import Units

T = TypeVar("T")
# A process takes a second to start: a file of so many bytes is worth it.
LONG = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """A row that is taken over: what it says, what tells that child apart, what is known of it if only this is said."""

    said: Statement
    wanted: Traits
    packed: Packed


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files.

    Args:
        folder: where they lie sealed. keys: to open them. units: the communes. today: whose order of trust holds.
        long: from how many bytes on a file is read in a process of its own.
    """

    folder: Path
    keys: Keys
    units: Units
    today: date
    long: int = LONG

    async def lines(self, row: ImportRow, size: int) -> AsyncGenerator[list[Line], None]:
        """The lines in chunks. Raises `FileProblem`, LookupError, `Unreadable`."""
        _, lines = await asyncio.to_thread(open_lines, row, self.folder, self.keys, self.units)
        async for chunk in _beside(lambda: list(islice(lines, size))):
            yield chunk

    async def told(self, row: ImportRow, size: int, passed: int = 0) -> AsyncGenerator[list[Told | None], None]:
        """The rows behind the first `passed` in chunks, None where one is refused. Raises as `lines`."""
        if row.size < self.long:
            rows = await asyncio.to_thread(self._rows, row, passed)
            async for chunk in _beside(lambda: list(islice(rows, size))):
                yield chunk
            return
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        secrets = (self.keys.master, self.keys.platform.private)
        process = context.Process(
            target=_read, args=(sender, row, self.folder, secrets, laid_over(), self.today, size, passed), daemon=True
        )
        process.start()
        sender.close()  # so that its end is seen when the process ends
        try:
            async for chunk in _beside(lambda: _received(receiver, row)):
                yield chunk
        finally:
            # Ended before the pipe is closed: whoever still waits at it sees its end.
            process.kill()
            await asyncio.to_thread(process.join)
            receiver.close()

    def _rows(self, row: ImportRow, passed: int) -> Iterator[Told | None]:
        _, lines = open_lines(row, self.folder, self.keys, self.units)
        trust = TrustOrders.load().on(self.today)
        return (_told(line, trust) for line in islice(lines, passed, None))


def _told(line: Line, trust: Trust) -> Told | None:
    said = line.said
    if said is None:
        return None
    known = compose([said], said.groups, trust=trust)
    return Told(said, with_keys(traits_of(said.description, said.unit, said.as_of)), Packed(known, known_values(known)))


async def _beside(read: Callable[[], list[T]]) -> AsyncGenerator[list[T], None]:
    """One chunk after the other; the next is read in a thread while the database is at the one before."""
    upcoming = asyncio.ensure_future(asyncio.to_thread(read))
    try:
        while chunk := await upcoming:
            upcoming = asyncio.ensure_future(asyncio.to_thread(read))
            yield chunk
    finally:
        # Whoever stops early is told nothing of what is wrong further down.
        upcoming.add_done_callback(lambda done: done.cancelled() or done.exception())


def _read(
    sender: Connection,
    row: ImportRow,
    folder: Path,
    secrets: tuple[bytes, bytes],
    reference: Path | None,
    today: date,
    size: int,
    passed: int,
) -> None:
    """The process. It ends when whoever started it does: nobody takes what it sends then."""
    collect_seldom(keep=False)
    lay_over(reference)
    keys = Keys(secrets[0], PlatformKey(secrets[1]))
    with contextlib.suppress(BrokenPipeError):
        try:
            rows = Reader(folder, keys, Units.load(), today)._rows(row, passed)
            while chunk := list(islice(rows, size)):
                sender.send_bytes(_packed(chunk))
            sender.send_bytes(_packed([]))
        except FileProblem as problem:
            sender.send_bytes(_packed((problem.rule, problem.message_vi, problem.message_en, problem.row)))
        except (LookupError, Unreadable):
            sender.send_bytes(_packed(None))


def _received(receiver: Connection, row: ImportRow) -> list[Told | None]:
    """What the process sends next. Raises what it met, and RuntimeError where it broke off."""
    try:
        found = pickle.loads(receiver.recv_bytes())  # noqa: S301 - from our own process
    except EOFError:
        raise RuntimeError("the process that reads the file broke off") from None
    if found is None:
        raise LookupError("the file is not here")
    if isinstance(found, tuple):
        raise FileProblem(Path(row.file_name), *found)
    return cast("list[Told | None]", found)


def _packed(value: object) -> bytes:
    out = io.BytesIO()
    pickler = pickle.Pickler(out, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _BY_FIELDS
    pickler.dump(value)
    return out.getvalue()


def _by_fields(made: Any) -> Callable[[Any], tuple[Any, tuple[Any, ...]]]:
    """How a frozen dataclass is made again from its fields: a third of the time that its own way takes."""
    fields = attrgetter(*made.__dataclass_fields__)
    return lambda value: (made, fields(value))


_BY_FIELDS: dict[type, Callable[[Any], Any]] = {
    **dispatch_table,
    **{made: _by_fields(made) for made in (Told, Packed, Statement, Known, Source, Traits, TraitKeys, Name)},
}
