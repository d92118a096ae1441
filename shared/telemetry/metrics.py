"""Metrics, with labels from fixed lists only: service, event type, outcome."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

HANDLED = Counter("vongtay_events_total", "Events by what became of them", ["service", "type", "outcome"])
HANDLER_SECONDS = Histogram(
    "vongtay_handler_seconds",
    "Time of one batch from first decode to commit, seconds",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


def metrics_page() -> tuple[bytes, str]:
    """The Prometheus text and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
