"""What is counted of every request that takes the long way."""

from __future__ import annotations

from prometheus_client import Counter

from db.metrics import MetricSpec

REQUESTS = MetricSpec(
    "ponte_api_requests_total", "requests that the memory did not answer", ("route", "status")
)

requests_total = Counter(REQUESTS.name, REQUESTS.meaning, REQUESTS.labels)
