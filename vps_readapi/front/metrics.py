"""What is counted of every request that takes the long way."""

from __future__ import annotations

from db.metrics import MetricSpec

REQUESTS = MetricSpec(
    "ponte_api_requests_total",
    "requests that took the long way, through the server's parser",
    ("route", "status"),
)

requests_total = REQUESTS.counter()
CONNECTIONS = MetricSpec(
    "ponte_api_connections_total",
    "connections that were taken, refused for want of room, or had to give way to another",
    ("how",),
)
connections_total = CONNECTIONS.counter()
