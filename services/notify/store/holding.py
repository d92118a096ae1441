"""How long a transaction holds what it took, where its process does not go on: frozen, or on a machine that is lost, it
is not there to let go, and PostgreSQL hears of the loss of a network only after hours.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Far longer than any statement of ours takes to be followed by the next one, and than all of a step takes.
_SILENT, _WHOLE = "10s", "30s"


async def hold_briefly(connection: AsyncConnection) -> None:
    """What this transaction takes is free for others once nothing was said in it for some seconds, or it has lasted
    far too long: it is undone."""
    await connection.execute(
        text(
            """SELECT set_config('idle_in_transaction_session_timeout', :silent, true),
                      set_config('transaction_timeout', :whole, true)"""
        ),
        {"silent": _SILENT, "whole": _WHOLE},
    )
