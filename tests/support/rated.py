"""The rows that forms 02, 03 and 06 rate, for tests that fill them in."""

from shared.reference.forms import Forms

RATED = Forms.load().form("02").rated
ROWS = tuple(row.code for row in RATED)
HARM_ROWS = tuple(row.code for row in RATED if row.half == "harm")
