"""What operators read: one JSON object a line, and never what a record held."""

from __future__ import annotations

import json
import logging
import sys

from shared.telemetry.logs import LibraryLines


def test_what_a_library_warns_of_is_one_line_without_the_row_that_broke() -> None:
    try:
        raise ValueError("DETAIL: Key (name)=(Nguyễn Bí Mật) already exists.")
    except ValueError:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "Bí Mật", None, sys.exc_info())
    line = LibraryLines().format(record)
    said = json.loads(line)
    assert (said["event"], said["level"], said["reason"]) == ("uvicorn.error", "error", "ValueError")
    assert "Mật" not in json.dumps(said, ensure_ascii=False)
    assert "\n" not in line
