"""The users file while a service runs: read again when it has changed, so that who comes, moves or leaves is known
within seconds and nothing has to be started again.

It must never leave a service without its people: a file that cannot be used leaves everything as it was, and is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from shared.identity.directory import Directory, DirectoryError

_LOG = structlog.get_logger(__name__)
LOOKS_SECONDS = 2.0
# Which file it is, when it was written, how long it is; None: there is none.
_Mark = tuple[int, int, int] | None


class UsersFile:
    """Keeps a directory as its file says.

    Args:
        path: of the file. directory: was read from it, and takes over what it says later.
    """

    def __init__(
        self, path: Path, directory: Directory, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._directory = directory
        self._clock = clock
        # Unlike any mark: what was written since the directory was read is seen at the first look.
        self._seen: _Mark | str = "never"
        self._refused: _Mark | str = "never"

    async def look(self) -> None:
        """Read the file if it is not the one of the last look."""
        mark = self._mark()
        if mark == self._seen:
            return
        try:
            # Elsewhere than in the loop: of a province's people it takes a moment.
            fresh = await asyncio.to_thread(Directory.load, self._path)
            if not fresh.people and not fresh.tokens:
                raise DirectoryError(f"The users file {self._path} has nobody in it")
        except DirectoryError as error:
            self._directory.refused_at = self._directory.refused_at or self._clock()
            if mark != self._refused:
                _LOG.error("users.refused", reason=str(error), kept=len(self._directory.people))
            self._refused = mark
            # One that could not be read (not ours yet, or too much is open at the moment) can be later, and looks as it
            # did: until then it is tried each time, or who has left would stay.
            self._seen = "unread" if isinstance(error.__cause__, OSError) else mark
            return
        if self._directory.take_over(fresh):
            _LOG.info("users.taken-over", people=len(fresh.people), machines=len(fresh.tokens))
        self._seen, self._refused = mark, "never"

    async def follow(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # whatever it is: who is not looked at any more would never leave
                _LOG.error("users.unread", reason=type(error).__name__)
            await asyncio.sleep(LOOKS_SECONDS)

    def _mark(self) -> _Mark:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@asynccontextmanager
async def followed(path: Path | None, directory: Directory) -> AsyncIterator[None]:
    """Keep a directory as its file says meanwhile; without a file it stays as it is."""
    if path is None:
        yield
        return
    following = asyncio.create_task(UsersFile(path, directory).follow())
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait((following,))
