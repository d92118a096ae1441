"""How the desk's acts run on many rows at once without knowing it: the store's functions ask what they are given.

Called with a connection they ask the database; called with a `ManyRows` in its place they leave the answer to it. What
a `ManyRows` does not know how to answer, it first writes out all it holds for, and then asks the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class ManyRows:
    """Stands in a connection's place: its methods are called as the store's functions are."""

    async def settle(self) -> AsyncConnection:
        """Write out what is held back and forget what was read. Out: the connection, for whoever asks it directly."""
        raise NotImplementedError

    async def execute(self, statement: Any, parameters: Any = None) -> Any:
        """As `AsyncConnection.execute`, for statements that nobody foresaw."""
        return await (await self.settle()).execute(statement, parameters)


def chunked(function: F) -> F:
    """Let a `ManyRows` answer a store function, which takes a connection first, by its method of the same name."""
    return chunked_as(function.__name__)(function)


def chunked_as(name: str) -> Callable[[F], F]:
    """The same by a method of another name, where the function's own says too little without its module."""

    def decorate(function: F) -> F:
        @wraps(function)
        async def choose(connection: AsyncConnection, *args: Any, **kwargs: Any) -> Any:
            if isinstance(connection, ManyRows):
                return await getattr(connection, name)(*args, **kwargs)
            return await function(connection, *args, **kwargs)

        return cast("F", choose)

    return decorate
