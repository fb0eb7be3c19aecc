"""What Prometheus reads at /metrics: requests by route, and jobs by status."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "skyloom_http_requests_total",
            "Requests that were answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "skyloom_http_seconds",
            "Seconds to the first byte of the answer",
            ["route"],
            registry=self.registry,
        )
        self.ordered = Counter(
            "skyloom_videos_ordered_total",
            "Videos that were ordered, retries not counted apart",
            ["operation"],
            registry=self.registry,
        )
        self.restarts = Counter(
            "skyloom_worker_restarts_total",
            "Times that the worker of this server was started again",
            registry=self.registry,
        )
        self.open = Gauge(
            "skyloom_http_open_requests", "Requests under way", registry=self.registry
        )

    def watch(self, counts: Callable[[], Mapping[str, int]], workers: Callable[[], int]) -> None:
        """Ask for the state of jobs and workers whenever the figures are read."""

        class Jobs:
            def collect(self) -> Iterator[Any]:
                jobs = GaugeMetricFamily("skyloom_jobs", "Jobs by status", labels=["status"])
                for status, count in counts().items():
                    jobs.add_metric([status], count)
                yield jobs
                yield GaugeMetricFamily("skyloom_workers", "Workers at work", value=workers())

        self.registry.register(Jobs())

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)
