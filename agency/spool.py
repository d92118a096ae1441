"""A durable queue on the agency's own disk: what is in it has not been answered yet, in the order it was put.

It must never forget an event before the platform has answered, nor be readable by other users of the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_TABLES = """
CREATE TABLE IF NOT EXISTS waiting (
    position INTEGER PRIMARY KEY AUTOINCREMENT, sector TEXT NOT NULL, file TEXT, row INTEGER, document BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_by_sector ON waiting (sector, position);
CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event in the spool. `file` and `row` say where it came from, if from a file."""

    position: int
    file: str | None
    row: int | None
    document: dict[str, Any]


class SpoolBusy(Exception):  # noqa: N818 - a state, not a failure
    """Another process sends from this spool now."""


class Spool:
    """The queue in one SQLite file (write-ahead log, every commit on disk before it counts)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Its owner's from the first moment on: it may hold what an agency has not sealed.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path = path
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Close the file; what waits in it stays."""
        self._database.close()

    def put(self, sector: str, events: Sequence[tuple[dict[str, Any], str | None, int | None]]) -> None:
        """Add events (document, file, row) at the end, all or none; on disk when it returns."""
        rows = [(sector, file, row, orjson.dumps(document)) for document, file, row in events]
        with self._transaction():
            self._database.executemany("INSERT INTO waiting (sector, file, row, document) VALUES (?, ?, ?, ?)", rows)

    def first(self, sector: str, count: int) -> list[Waiting]:
        """The oldest `count` events of a sector."""
        found = self._database.execute(
            "SELECT position, file, row, document FROM waiting WHERE sector = ? ORDER BY position LIMIT ?",
            (sector, count),
        )
        return [Waiting(position, file, row, orjson.loads(text)) for position, file, row, text in found]

    def settle(self, positions: Sequence[int]) -> None:
        """Forget events that were answered."""
        with self._transaction():
            self._database.executemany("DELETE FROM waiting WHERE position = ?", [(place,) for place in positions])

    def count(self, sector: str | None = None) -> int:
        """How many events wait, of one sector or of all."""
        where, values = ("WHERE sector = ?", (sector,)) if sector else ("", ())
        return int(self._database.execute(f"SELECT count(*) FROM waiting {where}", values).fetchone()[0])

    def remember(self, name: str, value: bytes) -> None:
        """Keep something small, like the platform's profile."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", (name, value))

    def recall(self, name: str) -> bytes | None:
        """What `remember` kept."""
        row = self._database.execute("SELECT value FROM known WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Only one process sends at a time, or order would be lost. Raises `SpoolBusy`."""
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SpoolBusy(str(self._path)) from None
            yield
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
