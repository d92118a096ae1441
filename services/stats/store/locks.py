"""What one replica at a time may do: the advisory locks of statistics' database, each number given once.

Locks are held to the end of the transaction, so whoever dies lets go of them; a turn that does several things one after
another holds its own over a connection (`Database.alone`).
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy.ext.asyncio import AsyncConnection


class Lock(IntEnum):
    """Who holds it. The numbers are ours alone in this database, and never given to another lock."""

    MERGES = 7_316_101  # shared by who links records, alone by who merges children
    ANNOUNCING = 7_316_102
    REBUILDING = 7_316_103
    # What an event moves in history depends on its neighbours, so one writes at a time. A rebuild has a lock of its
    # own: at its swap it writes while the live tables stand still.
    HISTORY = 7_316_104
    SNAPSHOT = 7_316_105
    SHADOW_HISTORY = 7_316_106
    CHECKING = 7_316_107
    THRESHOLDS = 7_316_108
    NUMBERS = 7_316_121  # of editions: they have no gaps
    PERIODS = 7_316_122
    RELEASES = 7_316_123  # what is released of a period is written down by one


async def wait_for(connection: AsyncConnection, lock: Lock, *, shared: bool = False) -> None:
    """Hold a lock to the end of the transaction, once whoever has it lets go. `shared`: with others who share it."""
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    await connection.exec_driver_sql(f"SELECT {how}({lock:d})")


async def is_mine(connection: AsyncConnection, lock: Lock) -> bool:
    """Hold a lock to the end of the transaction, unless another one has it. Out: whether it is held now."""
    row = await connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({lock:d})")
    return bool(row.scalar())
