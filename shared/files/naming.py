"""Ids for rows that have none of their own: keyed digests, so that nobody can test guesses at a child against them.

Two children may look alike in every column of a form: the second such row of a file gets another id than the first.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3


class RowNames:
    """Names the rows of one file, in their order.

    What was seen lies in a temporary database on disk, so that memory stays the same however long the file is.
    """

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._seen: sqlite3.Connection | None = None

    def name(self, content: bytes) -> str:
        """In: a row in canonical form. Out: 32 hexadecimal digits, the same for the same row at its same turn."""
        turn = self._turn(content)
        said = content if turn == 1 else content + b"\n%d" % turn
        return hmac.new(self._pepper, said, hashlib.sha256).hexdigest()[:32]

    def _turn(self, content: bytes) -> int:
        if self._seen is None:
            self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._seen.execute("CREATE TABLE seen (row BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")
            self._seen.execute("BEGIN")
        found = self._seen.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1 RETURNING times",
            (hmac.digest(self._pepper, content, hashlib.sha256),),
        )
        return int(found.fetchone()[0])

    def close(self) -> None:
        """Forget what was seen."""
        if self._seen is not None:
            self._seen.close()
            self._seen = None
