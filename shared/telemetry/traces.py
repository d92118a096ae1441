"""Traces: one from the agency's publish to the partner's webhook, through the outbox and Kafka (W3C `traceparent`).

Sent by OTLP where an endpoint is configured; on one machine also kept in a small file. Spans carry names of services
and event types only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from starlette.types import ASGIApp, Receive, Scope, Send

_MAX_FILE_BYTES = 20_000_000
_TRACER = trace.get_tracer("vongtay")


class FileExporter(SpanExporter):
    """Spans as JSON lines in a file of bounded size; the older half of what is kept lies in `<file>.1`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append spans."""
        lines = b"".join(orjson.dumps(_as_row(span), option=orjson.OPT_APPEND_NEWLINE) for span in spans)
        try:
            with self._path.open("ab") as file:
                file.write(lines)
                full = file.tell() > _MAX_FILE_BYTES
            if full:
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def setup_traces(service: str, endpoint: str | None, file: Path | None = None) -> None:
    """Make spans, and send them to `endpoint` and into `file`, if any: all, also of a trace that was begun where nobody
    is told. With neither, trace ids travel all the same, and a span is made only where whoever began the trace records
    it."""
    told = bool(endpoint) or file is not None
    provider = TracerProvider(
        sampler=ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON) if told else ParentBased(ALWAYS_OFF),
        resource=Resource.create({"service.name": f"vongtay-{service}"}),
    )
    if endpoint:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    if file is not None:
        provider.add_span_processor(BatchSpanProcessor(FileExporter(file), schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)


def continued_span(name: str, traceparent: str | None) -> AbstractContextManager[object]:
    """A span that goes on with a trace from elsewhere, or begins one where there is none."""
    context = extract({"traceparent": traceparent}) if traceparent else None
    return _TRACER.start_as_current_span(name, context=context, kind=trace.SpanKind.CONSUMER)


def current_traceparent() -> str | None:
    """The running span in W3C form; None where nothing is traced."""
    # An empty context holds no span; asked first, for looking for one costs twenty times as much.
    if not get_current() or not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


class TracedActs:
    """ASGI middleware: what a person or a program changes by a request belongs to one trace, begun here or by them."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request inside a span, if it may change anything."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        theirs = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        with continued_span(f"{self._service} {scope['method']}", theirs):
            await self._app(scope, receive, send)


def _as_row(span: ReadableSpan) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "trace": f"{context.trace_id:032x}" if context else None,
        "span": f"{context.span_id:016x}" if context else None,
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "start": span.start_time,
        "end": span.end_time,
    }
