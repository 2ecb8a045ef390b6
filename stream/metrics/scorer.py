"""The metrics: one typed catalogue. Base units; no label is per alert or unbounded."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from stream.core.records import FAILURES, OutcomeName, Reason
from stream.metrics.series import BatchHistogram, Grid, HistogramGrid

LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
STAGE_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
SCORE_EDGES = (
    0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
    0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0,
)  # fmt: skip
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000)


class Metrics:
    """All metrics of one process, on a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and say nothing that `process_start_time_seconds` does not

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
        self.kafka_up = gauge("kafka_up", "1 while Kafka answers, else 0")
        self.lag = gauge("lag_records", "Records that wait in a partition", "partition")
        self.held = gauge("held_actions", "Actions that wait for their alert", "partition")
        self.history_round_trips = counter("history_round_trips", "Round trips to Redis", "call")
        self.history_up = gauge("history_up", "1 while Redis answers, else 0")
        self.history_suspect = gauge(
            "history_suspect", "1 while a history of this worker is known to be wrong and waits for a rebuild, else 0"
        )
        self.clock_difference = gauge(
            "clock_difference_seconds",
            "How far this worker's clock is ahead of the broker's or Redis's",
        )
        self.fence_conflicts = counter("fence_conflicts", "Batches dropped because another worker had got there")
        self.ticks = counter("ticks", "Ticks written to quiet partitions")
        self.model_info = gauge("model_info", "1 for each model that is served", "model", "role")
        self.model_created = gauge("model_created_timestamp_seconds", "When a model was made", "model")
        self.model_loaded = gauge("model_loaded_timestamp_seconds", "When this worker loaded a model", "model")
        self.model_swaps = counter("model_swaps", "Times that other models were put into service")
        self.model_refused = counter("model_refused", "Models that were refused; the running one stayed")
        self.pointers_refused = gauge(
            "model_pointers_refused", "Pointers, of CHAMPION and CHALLENGER, that name what was refused, at this moment"
        )
        self.model_failures = counter(
            "model_failures", "Batches that a champion failed on; their alerts went out unscored", "model"
        )
        self.model_simulated = gauge(
            "model_simulated", "1 where a model made of simulated alerts scored alerts that are not, else 0", "model"
        )
        self.drift_uncounted = counter(
            "drift_uncounted_batches", "Times that what a model did with a batch could not be counted"
        )
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
        for family, values in (
            (self.events, ("raised", "acted", "tick")),
            (self.scored, ("likely_noise", "unsure", "likely_actionable")),
            (self.unscored, get_args(Reason)),
            (self.outcomes, get_args(OutcomeName)),
            (self.failed, FAILURES),
            (self.challenger_dropped, ("failed", "slow")),
        ):
            for value in values:  # a counter that begins above zero hides its first step from `increase`
                family.labels(value)
        self.progress_timestamp = gauge(
            "progress_timestamp_seconds", "When a batch was last finished, or nothing waited"
        )
        self.progress_timestamp.set_to_current_time()  # a worker that starts does not stand still since 1970
        self.history_time = gauge("history_time_seconds", "Event time to which a partition is folded", "partition")
        self.maturity = gauge("maturity_seconds", "From an alert's raise until it counts: horizon, grace, wait")
        self.drift = DriftMetrics(registry)
        self.quality = QualityMetrics(registry)


class DriftMetrics:
    """Features and scores of live alerts in the bins of each model's reference, and the reference beside them.

    Alerts of a flood, of maintenance and visibility-only ones are left out, as the reference leaves them out; so are
    drills.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Grid:
            return Grid("counter", f"noisegate_{name}", text, labels, registry)

        def gauge(name: str, text: str, *labels: str) -> Grid:
            return Grid("gauge", f"noisegate_{name}", text, labels, registry)

        self.observations = counter(
            "feature_observations",
            "Alerts by the reference's bin of a feature, or of the score",
            "model",
            "feature",
            "bin",
        )
        self.shares = gauge("feature_reference_share", "Share of the reference in a bin", "model", "feature", "bin")
        self.rows = gauge("reference_rows", "Alerts that the reference was made from", "model")
        self.label_rate = gauge("reference_label_rate", "Share of actionable alerts in training", "model")
        self.chance = gauge(
            "drift_chance",
            "Times 1/n + 1/m: the PSI that chance exceeds once in a hundred, in a window of 24 h and of 7 d",
            "model",
            "feature",
            "window",
        )
        self.info = gauge("feature_info", "1 for a watched feature", "model", "feature", "group", "watch")
        self.unwatched = gauge("features_unwatched", "Features that the reference can't be used for", "model", "reason")
        self.categories = counter(
            "category_observations", "Alerts by whether training knew the value of a key", "model", "key", "seen"
        )
        self.unseen = gauge("reference_unseen_share", "Share of unknown values in the reference", "model", "key")
        self.thresholds = gauge("model_threshold", "Where a model's bands begin", "model", "edge")
        self.scores = HistogramGrid("noisegate_scores", "Scores published", ("model", "role"), SCORE_EDGES, registry)
        self.below = counter("scores_below_sum", "Sum of the scores up to an edge", "model", "role", "le")
        self.expected_squared_error = counter(
            "scores_expected_squared_error", "Sum of p (1 - p): the squared error of calibrated scores", "model", "role"
        )
        self.team_alerts = counter("team_alerts", "Alerts that came, by group of teams", "group")

    @property
    def of_model(self) -> tuple[Grid, ...]:
        """Those that begin with the model alone."""
        return (
            self.observations, self.shares, self.rows, self.label_rate, self.chance, self.info, self.unwatched,
            self.categories, self.unseen, self.thresholds,
        )  # fmt: skip

    @property
    def of_role(self) -> tuple[Grid | HistogramGrid, ...]:
        """Those that begin with the model and its role."""
        return self.scores, self.below, self.expected_squared_error


class QualityMetrics:
    """What was said, against what came of it; an alert counts once, when its raise + horizon + grace has passed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Grid:
            return Grid("counter", f"noisegate_{name}", text, labels, registry)

        self.scores = HistogramGrid(
            "noisegate_quality_scores",
            "Scores of matured alerts, by what came of them and by the last outcome known when they were raised",
            ("model", "role", "part", "outcome", "last"),
            SCORE_EDGES,
            registry,
        )
        self.below = counter(
            "quality_scores_below_sum", "Sum of matured alerts' scores up to an edge", "model", "role", "part", "le"
        )
        self.squared_error = counter(
            "quality_squared_error", "Sum of (p - outcome)^2 of matured alerts", "model", "role", "part"
        )
        self.alerts = counter(
            "quality_alerts", "Matured alerts by group of teams", "model", "role", "group", "band", "outcome"
        )
        self.left_out = counter(
            "quality_left_out", "Matured alerts and corrections that are not judged, by why", "reason"
        )
        self.team_outcomes = counter("team_outcomes", "Outcomes known, by group of teams", "group", "outcome")

    @property
    def of_role(self) -> tuple[Grid | HistogramGrid, ...]:
        """Those that begin with the model and its role."""
        return self.scores, self.below, self.squared_error, self.alerts
