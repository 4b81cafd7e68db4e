"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from api.jobs import State
from validator import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Whoever calls may invent methods; a label must not grow with them.
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Every figure of one service; labels have few values, whatever callers send."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("http_requests", "Requests answered.", "method", "route", "status")
        self.seconds = Histogram(
            "outreach_http_request_seconds",
            "From the headers to the end of the answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.under_way = self._gauge("http_requests_under_way", "Requests not yet answered.")
        self.validations = self._gauge("validations_under_way", "Calls of /validate not yet answered.")
        self.verdicts = self._counter("verdicts", "Verdicts given by /validate.", "verdict")
        self.late = self._counter("verdicts_late", "Addresses of /validate that were not known in time.")
        self.outbox_waiting = self._gauge("outbox_waiting", "Messages to Telegram that wait.")
        self.outbox_oldest = self._gauge("outbox_oldest_seconds", "Age of the oldest of them.")
        self.outbox_refused = self._gauge("outbox_refused", "Messages that Telegram refused in 30 days.")
        self.jobs = self._gauge("jobs", "Jobs by state, of the latest 100 of each key.", "state")
        self.jobs_left = self._gauge("jobs_addresses_left", "Addresses without a verdict in jobs not over.")
        for status in Status:
            self.verdicts.labels(status.value)
        for state in State:
            self.jobs.labels(state.value)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"outreach_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"outreach_{name}", about, labels, registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests.labels(method if method in METHODS else "OTHER", route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def jobs_now(self, states: Mapping[str, int], left: int) -> None:
        """Show how many jobs there are of each state, and the addresses they still have to do."""
        for state in State:
            self.jobs.labels(state.value).set(states.get(state.value, 0))
        self.jobs_left.set(left)

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self.registry)
