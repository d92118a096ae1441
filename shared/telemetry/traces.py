"""Traces: one from the agency's publish to the partner's webhook, exported by OTLP where an endpoint is configured."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def setup_traces(service: str, endpoint: str | None) -> None:
    """Make spans (so that trace ids travel even unexported), and send them to `endpoint` if there is one."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"vongtay-{service}"}))
    if endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
