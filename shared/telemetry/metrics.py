"""Metrics, with labels from fixed lists only: service, event type, outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

HANDLED = Counter("vongtay_events_total", "Events by what became of them", ["service", "type", "outcome"])
HANDLER_SECONDS = Histogram(
    "vongtay_handler_seconds",
    "Time of one batch from first decode to commit, seconds",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DEADLINE_DELAY = Histogram(
    "vongtay_deadline_delay_seconds",
    "From the moment at which a deadline or a task fell due to the commit of its event, seconds",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30, 300, 3600),
)
STUCK_CASES = Gauge("vongtay_stuck_cases", "Cases whose time cannot be told; it is tried again later")
FIGURES_DIFFER = Gauge("vongtay_figures_differ", "Figures that a comparison with what they are made of found wrong")
STATUS = {
    "lag": Gauge("vongtay_consumer_lag", "Records published and not yet taken over", ["service"]),
    "outbox": Gauge("vongtay_outbox_rows", "Rows waiting for the relay", ["service"]),
    "outbox_seconds": Gauge("vongtay_outbox_age_seconds", "Age of the oldest waiting row, seconds", ["service"]),
    "parked_keys": Gauge("vongtay_parked_keys", "Keys whose events wait for a repair", ["service"]),
    "dead_letters": Gauge("vongtay_dead_letters", "Dead letters that nobody has settled", ["service"]),
    "users_refused": Gauge("vongtay_users_file_refused", "1 while the users file cannot be used", ["service"]),
    "healthy": Gauge("vongtay_healthy", "1 while events flow", ["service"]),
}


def metrics_page() -> tuple[bytes, str]:
    """The Prometheus text and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST


def show_status(status: Mapping[str, Any]) -> None:
    """Take a service's state (`Service.status`) over into the gauges."""
    for name, gauge in STATUS.items():
        gauge.labels(status["service"]).set(float(status[name]))
