"""What operators see: logs as JSON lines, metrics for Prometheus, traces for an OpenTelemetry collector.

No identity ever: log events carry ids, codes and exception types, and metric labels come from fixed lists.
"""

from shared.telemetry.logs import setup_logs
from shared.telemetry.metrics import (
    DEADLINE_DELAY,
    FIGURES_DIFFER,
    HANDLED,
    HANDLER_SECONDS,
    STUCK_CASES,
    metrics_page,
    show_status,
)
from shared.telemetry.traces import TracedActs, continued_span, current_traceparent, setup_traces

__all__ = [
    "DEADLINE_DELAY",
    "FIGURES_DIFFER",
    "HANDLED",
    "HANDLER_SECONDS",
    "STUCK_CASES",
    "TracedActs",
    "continued_span",
    "current_traceparent",
    "metrics_page",
    "setup_logs",
    "setup_traces",
    "show_status",
]
