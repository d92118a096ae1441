"""A durable queue on the agency's own disk: what is in it has not been answered yet, in the order it was put.

It must never forget an event before the platform has answered, nor be readable by other users of the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
import uuid
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
CREATE TABLE IF NOT EXISTS answers (
    run TEXT NOT NULL, row INTEGER NOT NULL, answer BLOB NOT NULL, at REAL NOT NULL, PRIMARY KEY (run, row)
) WITHOUT ROWID;
"""
# Added since the first edition: a spool that an older program left behind goes on working.
_LATER_COLUMNS = {"run": "TEXT", "digest": "BLOB"}
_UNCLAIMED_DAYS = 7
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event in the spool. `file`, `row` and `run` say where it came from, and in which publishing of the file."""

    position: int
    file: str | None
    row: int | None
    document: dict[str, Any]
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way into the spool. `digest` is what makes two events the same: source, id and content."""

    document: dict[str, Any]
    file: str | None = None
    row: int | None = None
    run: str | None = None
    digest: bytes | None = None


def new_run() -> str:
    """A name for one publishing of a file, which says which process does it."""
    return f"{os.getpid()}-{uuid.uuid4().hex}"


def is_running(run: str | None) -> bool:
    """Whether a publishing is still under way, in another process."""
    number = (run or "").split("-", 1)[0]
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class SpoolBusy(Exception):  # noqa: N818 - a state, not a failure
    """Another process sends from this spool now."""


class SpoolFull(Exception):  # noqa: N818 - a state of the disk
    """The disk has no room for more; what was put before is safe, what was being put now is not in the spool."""


class Spool:
    """The queue in one SQLite file (write-ahead log, every commit on disk before it counts)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Its owner's from the first moment on: it may hold what an agency has not sealed.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path = path
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA busy_timeout = 30000")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            there = {name for _, name, *_ in self._database.execute("PRAGMA table_info(waiting)")}
            for name, kind in _LATER_COLUMNS.items():
                if name not in there:
                    self._database.execute(f"ALTER TABLE waiting ADD COLUMN {name} {kind}")
            self._database.execute(
                "CREATE INDEX IF NOT EXISTS waiting_by_digest ON waiting (sector, digest) WHERE digest IS NOT NULL"
            )
            self._database.execute("DELETE FROM answers WHERE at < ?", (time.time() - _UNCLAIMED_DAYS * 86_400,))

    def close(self) -> None:
        """Close the file; what waits in it stays."""
        self._database.close()

    def put(self, sector: str, entries: Sequence[Entry]) -> None:
        """Add events at the end, all or none; on disk when it returns. Raises `SpoolFull`.

        An event that waits already is not added again. Where it waits from an earlier publishing that was cut short,
        the present one takes it over, and with it its answer.
        """
        with self._transaction():
            for entry in entries:
                if not self._waits(sector, entry):
                    self._database.execute(
                        "INSERT INTO waiting (sector, file, row, run, digest, document) VALUES (?, ?, ?, ?, ?, ?)",
                        (sector, entry.file, entry.row, entry.run, entry.digest, orjson.dumps(entry.document)),
                    )

    def _waits(self, sector: str, entry: Entry) -> bool:
        if entry.digest is None:
            return False
        same = self._database.execute(
            "SELECT position, run FROM waiting WHERE sector = ? AND digest = ? ORDER BY position",
            (sector, entry.digest),
        ).fetchall()
        if entry.run is None:
            return bool(same)
        # A file that says the same twice is answered for both rows; so is one that two processes publish at once.
        left = [position for position, run in same if run != entry.run and not is_running(run)]
        if not left:
            return False
        self._database.execute(
            "UPDATE waiting SET file = ?, row = ?, run = ? WHERE position = ?",
            (entry.file, entry.row, entry.run, left[0]),
        )
        return True

    def first(self, sector: str, count: int) -> list[Waiting]:
        """The oldest `count` events of a sector."""
        found = self._database.execute(
            "SELECT position, file, row, document, run FROM waiting WHERE sector = ? ORDER BY position LIMIT ?",
            (sector, count),
        )
        return [Waiting(position, file, row, orjson.loads(text), run) for position, file, row, text, run in found]

    def settle(self, positions: Sequence[int], answers: Sequence[tuple[str, int, object]] = ()) -> None:
        """Forget events that were answered; keep the answers (run, row, answer) for whoever published them."""
        now = time.time()
        with self._transaction():
            self._database.executemany("DELETE FROM waiting WHERE position = ?", [(place,) for place in positions])
            self._database.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
                [(run, row, orjson.dumps(answer), now) for run, row, answer in answers],
            )

    def take_answers(self, run: str) -> list[tuple[int, Any]]:
        """Answers (row, answer) that another process got for this publishing; each is given once."""
        if self._database.execute("SELECT 1 FROM answers WHERE run = ? LIMIT 1", (run,)).fetchone() is None:
            return []
        with self._transaction():
            found = self._database.execute("DELETE FROM answers WHERE run = ? RETURNING row, answer", (run,)).fetchall()
        return sorted((row, orjson.loads(text)) for row, text in found)

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
        """Only one process sends at a time, or order would be lost. Raises `SpoolBusy` at once.

        The lock is the operating system's: a process that is killed holds nothing.
        """
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
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except BaseException as error:
            if self._database.in_transaction:  # a full disk has rolled back by itself
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in _NO_ROOM:
                raise SpoolFull(str(self._path)) from None
            raise
