"""Structured logs: one JSON object a line, with the trace it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def setup_logs(level: str) -> None:
    """Send our logs to standard error as JSON; libraries' own chatter only from warnings on."""
    of_libraries = logging.StreamHandler(sys.stderr)
    of_libraries.setFormatter(LibraryLines())
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries])
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_trace,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class LibraryLines(logging.Formatter):
    """What a library warns of as one JSON line: who, how bad, and the type of what was raised.

    Its words and its traceback are left out: a database's error carries the values of the row.
    """

    def format(self, record: logging.LogRecord) -> str:
        """In: a library's record. Out: the line."""
        said = {"event": record.name, "level": record.levelname.lower()}
        if record.exc_info and record.exc_info[0]:
            said["reason"] = record.exc_info[0].__name__
        return json.dumps(said | {"timestamp": datetime.fromtimestamp(record.created, UTC).isoformat()})


def _with_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace"] = f"{span.trace_id:032x}"
    return event
