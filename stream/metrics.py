"""The metrics: one typed catalogue. Base units; no label is per alert or unbounded."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
STAGE_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000)


class BatchHistogram(Collector):
    """A histogram that takes many observations at once, without labels."""

    def __init__(self, name: str, text: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._text = name, text
        self._edges = np.array(buckets, dtype=np.float64)
        self._counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        registry.register(self)

    def observe_many(self, values: NDArray[np.float64]) -> None:
        """Count every value into its bucket."""
        self._counts += np.bincount(np.searchsorted(self._edges, values), minlength=len(self._counts))
        self._sum += float(values.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram in Prometheus' terms."""
        totals = np.cumsum(self._counts).tolist()
        names = [*(str(float(edge)) for edge in self._edges), "+Inf"]
        buckets = list(zip(names, (float(total) for total in totals), strict=True))
        family = HistogramMetricFamily(self._name, self._text)
        family.add_metric([], buckets=buckets, sum_value=self._sum)
        yield family


class Metrics:
    """All metrics of one process, on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"noisegate_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"noisegate_{name}", text, labels, registry=registry)

        self.events = counter("events", "Events folded, after their history was written", "type")
        self.scored = counter("alerts_scored", "Alerts published with a probability", "band")
        self.unscored = counter("alerts_unscored", "Alerts published without a probability", "reason")
        self.repeated = counter(
            "alerts_repeated", "Alerts raised again: published with their first score, counted once"
        )
        self.outcomes = counter("outcomes", "Outcomes published", "outcome")
        self.actions = counter("actions", "Actions that decided nothing, by why", "effect")
        self.failed = counter("records_failed", "Records sent to the topic of failed records", "reason")
        self.late = counter("alerts_late", "Alerts later than the grace")
        self.bad_share = gauge(
            "bad_record_share", "Share of bad records among the last ones; unknown alerts do not count"
        )
        self.batch_records = Histogram(
            "noisegate_batch_records", "Records of one batch", buckets=BATCH_BUCKETS, registry=registry
        )
        self.stage_seconds = Histogram(
            "noisegate_stage_seconds",
            "Time of one batch in a stage",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self.latency_seconds = BatchHistogram(
            "noisegate_event_to_enriched_seconds",
            "From the raised event's Kafka record timestamp to the publication of its enriched record",
            LATENCY_BUCKETS,
            registry,
        )
        self.lag = gauge("lag_records", "Records that wait in a partition", "partition")
        self.held = gauge("held_actions", "Actions that wait for their alert", "partition")
        self.history_round_trips = counter("history_round_trips", "Round trips to Redis", "call")
        self.history_up = gauge("history_up", "1 while Redis answers, else 0")
        self.fence_conflicts = counter("fence_conflicts", "Batches dropped because another worker had got there")
        self.ticks = counter("ticks", "Ticks written to quiet partitions")
        self.model_info = gauge("model_info", "1 for each model that is served", "model", "role")
        self.model_created = gauge("model_created_timestamp_seconds", "When a model was made", "model")
        self.model_loaded = gauge("model_loaded_timestamp_seconds", "When this worker loaded a model", "model")
        self.model_swaps = counter("model_swaps", "Times that other models were put into service")
        self.model_refused = counter("model_refused", "Models that were refused; the running one stayed")
        self.model_store_up = gauge("model_store_up", "1 while the model store answers, else 0")
        self.challenger_dropped = counter(
            "challenger_dropped", "Challengers dropped, by why: failed or slow; alerts went on without", "reason"
        )
        self.challenger_seconds = Histogram(
            "noisegate_challenger_seconds",
            "Time of a challenger's scores of one batch, beside the champion's",
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        for reason in ("failed", "slow"):
            self.challenger_dropped.labels(reason)
        self.progress_timestamp = gauge(
            "progress_timestamp_seconds", "When a batch was last finished, or nothing waited"
        )
