"""What a metric is called and means: each package lists its own, and the documents are compared with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from db.shown import show

Sample = tuple[Sequence[str], float | None]
"""Label values, and a number or None for one that is not known: that one is left out."""


@dataclass(frozen=True)
class MetricSpec:
    """One metric. A name that ends in `_total` counts and never falls."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self, samples: Iterable[Sample]) -> GaugeMetricFamily | CounterMetricFamily:
        """Return it with its present values."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        family = kind(self.name, self.meaning, labels=self.labels)
        for labels, value in samples:
            if value is not None:
                family.add_metric([show(label) for label in labels], value)
        return family

    def counter(self, registry: CollectorRegistry = REGISTRY) -> Counter:
        """Return what counts it up as things happen."""
        return Counter(self.name, self.meaning, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry = REGISTRY) -> Gauge:
        """Return what holds its present value."""
        return Gauge(self.name, self.meaning, self.labels, registry=registry)

    def histogram(self, buckets: Sequence[float], registry: CollectorRegistry = REGISTRY) -> Histogram:
        """Return what counts how long things took, by buckets."""
        return Histogram(self.name, self.meaning, self.labels, buckets=buckets, registry=registry)
