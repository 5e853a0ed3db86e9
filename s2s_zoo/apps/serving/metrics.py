"""What the server counts, for Prometheus, and the headers that every answer has."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Receive, Scope, Send

LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # seconds
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


class Metrics:
    """The figures of one server, in a registry of its own.

    Args:
        queue_length: function without arguments, the number of sources that wait.
    """

    def __init__(self, queue_length: Callable[[], int]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "s2s_zoo_requests", "Requests answered", ["endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "s2s_zoo_request_seconds",
            "From the head of a request to the end of its answer",
            ["endpoint"],
            buckets=LATENCIES,
            registry=registry,
        )
        self.batch_size = Histogram(
            "s2s_zoo_batch_size", "Sources run at once", buckets=BATCHES, registry=registry
        )
        self.restarts = Counter(
            "s2s_zoo_model_restarts", "Losses of the thread of the model", registry=registry
        )
        length = Gauge("s2s_zoo_queue_length", "Sources that wait", registry=registry)
        length.set_function(queue_length)
        self.in_flight = Gauge(
            "s2s_zoo_requests_in_flight", "Requests not yet answered", registry=registry
        )

    def text(self) -> bytes:
        """Everything in the text format of Prometheus, bytes."""
        return generate_latest(self.registry)


class Observed:
    """An ASGI application with its requests counted and timed, and `HEADERS` in its answers.

    Args:
        app: an ASGI application.
        metrics: Metrics.
        endpoints: set of str, the paths that are counted by name.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: Collection[str]) -> None:
        self.app = app
        self.metrics = metrics
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        endpoint = scope["path"] if scope["path"] in self.endpoints else "other"

        async def observed(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", [])
                names = {name.lower() for name, _ in given}
                ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                extra = [(name, value) for name, value in ours if name not in names]
                message = {**message, "headers": [*given, *extra]}
            await send(message)

        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, observed)
            finally:
                self.metrics.requests.labels(endpoint, status).inc()
                self.metrics.seconds.labels(endpoint).observe(time.perf_counter() - start)
