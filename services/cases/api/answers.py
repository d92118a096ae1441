"""How refusals are answered to machines."""

from __future__ import annotations

from fastapi import HTTPException

from shared.contracts.errors import Rejected


def conflict(rejected: Rejected) -> Exception:
    """409 where somebody else was faster; else the refusal itself."""
    if any(violation.rule == "version-changed" for violation in rejected.violations):
        return HTTPException(409)
    return rejected
