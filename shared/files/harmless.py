"""Cells that a spreadsheet must not run (OWASP, CSV injection): what begins like a formula is written as text."""

from __future__ import annotations

from datetime import datetime

from shared.files.problems import Cell

FORMULAS = frozenset("=+-@\t\r\n＝＋－＠")


def harmless(cell: Cell) -> str:
    """A cell as text that no spreadsheet takes for a formula; reading it again takes the sign away."""
    if cell is None:
        return ""
    text = cell.strftime("%d/%m/%Y") if isinstance(cell, datetime) else str(cell)
    return f"'{text}" if text[:1] in FORMULAS else text
