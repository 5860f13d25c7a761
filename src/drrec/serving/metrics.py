"""What is counted, for Prometheus."""

from __future__ import annotations

import os

import prometheus_client as prometheus
from prometheus_client import multiprocess

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names the folder through which several workers count together."""


class Metrics:
    """Counters of a worker; `text` is of all workers."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        where = self.registry
        self.requests = prometheus.Counter(
            "drrec_requests", "Requests answered.", ("method", "route", "status"), registry=where
        )
        self.seconds = prometheus.Histogram(
            "drrec_request_seconds",
            "Seconds from the head of a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=where,
        )
        self.in_flight = prometheus.Gauge(
            "drrec_requests_in_flight",
            "Requests that are accepted and not answered.",
            multiprocess_mode="livesum",
            registry=where,
        )
        self.refused = prometheus.Counter(
            "drrec_refused", "Requests refused before they were read.", ("reason",), registry=where
        )
        self.feedback = prometheus.Counter(
            "drrec_feedback", "Feedback events stored.", ("kind",), registry=where
        )
        self.recommended = prometheus.Counter(
            "drrec_lists", "Lists of recommendations.", ("model",), registry=where
        )
        self.batch_size = prometheus.Histogram(
            "drrec_batch_size", "Queries in one call of a model.", buckets=_SIZES, registry=where
        )
        self.waiting = prometheus.Gauge(
            "drrec_store_waiting",
            "Records that are not on disk yet.",
            multiprocess_mode="livesum",
            registry=where,
        )

    def text(self) -> bytes:
        """Everything, in Prometheus' text form."""
        if SHARED not in os.environ:
            return prometheus.generate_latest(self.registry)
        together = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return prometheus.generate_latest(together)


CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
