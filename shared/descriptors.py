"""How many files and connections a process may have open at once."""

from __future__ import annotations

import sys
from typing import Final

# Requests to slow endpoints alone are a thousand; systems commonly begin with 1024 of what they would allow.
_ENOUGH: Final = 65_536


def allow_many() -> None:
    """Let this process have as many open as it needs, within what the system allows it."""
    if sys.platform == "win32":
        return  # it knows no such limit
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
