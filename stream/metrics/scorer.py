"""The scorer's metrics: what it folds, scores and serves, and the drift and quality of its models.

Names end in their base unit; no label is per alert or unbounded.
"""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry

from stream.core.kinds import ActedBy
from stream.core.records import OutcomeName, Reason
from stream.metrics.catalogue import (
    Catalogue,
    Label,
    batch_histogram,
    counter,
    counters,
    gauge,
    gauges,
    histogram,
    histograms,
)
from stream.metrics.lane import PARTITION, STAGE_BUCKETS, TOPIC, LaneMetrics
from stream.metrics.series import Grid, HistogramGrid

LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600)
SCORE_EDGES = (
    0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
    0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0,
)  # fmt: skip
LeftOut = Literal[
    "flood", "visibility_only", "maintenance", "unscored", "unknown_outcome", "paused_by_rule", "closed_by_rule",
    "correction", "no_such_model",
]  # fmt: skip
LEFT_OUT: tuple[LeftOut, ...] = get_args(LeftOut)
BANDS = ("likely_noise", "unsure", "likely_actionable")
PARTS, OUTCOMES, LASTS = ("open", "held_out"), ("actionable", "noise"), ("actionable", "noise", "none")

MODEL, ROLE = Label("model"), Label("role", ("champion", "challenger"))
SERVED_ROLE = Label("role", ("champion", "team", "challenger"))
FEATURE, BIN, KEY, GROUP, EDGE = map(Label, ("feature", "bin", "key", "group", "le"))
BAND, PART, LAST = Label("band", BANDS), Label("part", PARTS), Label("last", LASTS)
DECIDED, OUTCOME = Label("outcome", OUTCOMES), Label("outcome", get_args(OutcomeName))
AGENT = Label("agent", get_args(ActedBy))
TYPE, REASON = Label("type", ("raised", "acted", "tick")), Label("reason", get_args(Reason))
EFFECT = Label(
    "effect", ("non_deciding", "beyond_horizon", "before_raise", "after_decision", "late", "repeated", "held")
)
DROPPED, LEFT_OUT_REASON = Label("reason", ("failed", "slow")), Label("reason", LEFT_OUT)
FEATURE_GROUP, WATCH, WINDOW = Label("group"), Label("watch", ("ring", "show")), Label("window", ("24h", "7d"))
UNWATCHED = Label("reason", ("unreadable", "missing", "malformed", "bad_edges", "no_edges"))
SEEN, THRESHOLD = Label("seen", ("yes", "no")), Label("edge", ("likely_noise", "likely_actionable"))


class DriftMetrics(Catalogue):
    """Live alerts in the bins of each model's reference, and the reference beside them.

    Alerts in a flood or a maintenance window, visibility-only ones and drills are left out, as in the reference. The
    score is a feature called `score`. A feature whose `watch` is `show` is drawn and sets off no alert.
    """

    observations = counters("feature_observations", "Alerts in a bin of a feature or of the score", MODEL, FEATURE, BIN)
    shares = gauges("feature_reference_share", "Share of the model's reference in a bin", MODEL, FEATURE, BIN)
    rows = gauges("reference_rows", "Alerts that a model's reference was made from", MODEL)
    label_rate = gauges("reference_label_rate", "Share of actionable alerts in a model's training", MODEL)
    chance = gauges("drift_chance", "Times (1/n + 1/m): the PSI that chance stays below", MODEL, FEATURE, WINDOW)
    info = gauges("feature_info", "1 for each feature with a reference", MODEL, FEATURE, FEATURE_GROUP, WATCH)
    unwatched = gauges("features_unwatched", "Features whose reference can't be used", MODEL, UNWATCHED)
    categories = counters("category_observations", "Alerts by whether training knew a key's value", MODEL, KEY, SEEN)
    unseen = gauges("reference_unseen_share", "Share of the reference whose value of a key was unknown", MODEL, KEY)
    thresholds = gauges("model_threshold", "The probability at which a model's band ends or begins", MODEL, THRESHOLD)
    scores = histograms("scores", "Probabilities published", SCORE_EDGES, MODEL, ROLE)
    below = counters("scores_below_sum", "Sum of the published probabilities up to an edge", MODEL, ROLE, EDGE)
    expected_squared_error = counters(
        "scores_expected_squared_error", "Sum of p (1 - p) of published scores", MODEL, ROLE
    )
    team_alerts = counters("team_alerts", "Alerts raised, by group of teams (`team_groups`, else `other`)", GROUP)

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


class QualityMetrics(Catalogue):
    """What was published against what came of it; an alert counts once, when it has matured.

    An alert has matured when its raise + horizon + grace, and a short wait, have passed. `last` is the last outcome
    known at its raise; alerts that a rule held out are a `part` of their own.
    """

    scores = histograms(
        "quality_scores", "Probabilities of matured alerts", SCORE_EDGES, MODEL, ROLE, PART, DECIDED, LAST
    )
    below = counters("quality_scores_below_sum", "Sum of matured probabilities up to an edge", MODEL, ROLE, PART, EDGE)
    squared_error = counters("quality_squared_error", "Sum of (p - outcome)^2 of matured alerts", MODEL, ROLE, PART)
    alerts = counters("quality_alerts", "Matured alerts by group of teams", MODEL, ROLE, GROUP, BAND, DECIDED)
    left_out = counters("quality_left_out", "Matured alerts and corrections that are not judged", LEFT_OUT_REASON)
    team_outcomes = counters(
        "team_outcomes", "Outcomes decided, by group of teams, without what drift leaves out", GROUP, OUTCOME
    )

    @property
    def of_role(self) -> tuple[Grid | HistogramGrid, ...]:
        """Those that begin with the model and its role."""
        return self.scores, self.below, self.squared_error, self.alerts


class ScorerMetrics(Catalogue):
    """What a scorer folds, scores and serves; on one page with its lane, drift and quality."""

    events = counter("events", "Events folded, once their history is written", TYPE)
    acts = counter(
        "acts", "Acts of people and machines, drills aside; `unknown`: neither agent nor kind says who", AGENT
    )
    scored = counter("alerts_scored", "Alerts published with a probability", BAND)
    unscored = counter("alerts_unscored", "Alerts published without a probability", REASON)
    repeated = counter("alerts_repeated", "Alerts raised again: published with their first score and counted once")
    late = counter("alerts_late", "Alerts that came more than the grace behind their partition's time")
    outcomes = counter("outcomes", "Outcomes published", OUTCOME)
    actions = counter("actions", "Actions that decided nothing, by why", EFFECT)
    bad_share = gauge("bad_record_share", "Share of bad records among the last `bad_window`, unknown alerts aside")
    latency_seconds = batch_histogram(
        "event_to_enriched_seconds", "From an event's record timestamp to its enriched record", LATENCY_BUCKETS
    )
    held = gauge("held_actions", "Actions that wait for their alert", TOPIC, PARTITION)
    history_suspect = gauge("history_suspect", "1 while a history of this worker is wrong and waits for a rebuild")
    history_time = gauge(
        "history_time_seconds",
        "Event time to which a partition is folded; with ticks on, now while nothing is due in it",
        TOPIC,
        PARTITION,
    )
    maturity = gauge("maturity_seconds", "Longest time from a raise until quality counts it: horizon, grace, wait")
    clock_difference = gauge(
        "clock_difference_seconds",
        "How far this worker's clock is ahead of the broker's, or of Redis's where producers stamp records",
    )
    ticks = counter("ticks", "Ticks written to quiet partitions")
    model_info = gauge("model_info", "1 for each model in service; `team`: of some teams only", MODEL, SERVED_ROLE)
    model_created = gauge("model_created_timestamp_seconds", "When a model was made", MODEL)
    model_loaded = gauge("model_loaded_timestamp_seconds", "When this worker loaded a model", MODEL)
    model_swaps = counter("model_swaps", "Times that other champions, or other teams for them, were put in service")
    model_refused = counter("model_refused", "Distinct faults for which a pointer was not followed; what served stayed")
    pointers_refused = gauge("model_pointers_refused", "Pointers of CHAMPION and CHALLENGER that are not followed now")
    model_failures = counter("model_failures", "Batches that a champion failed on; their alerts went unscored", MODEL)
    model_simulated = gauge("model_simulated", "1 where a model of simulated alerts scored real ones, else 0", MODEL)
    model_store_up = gauge("model_store_up", "1 while the model store answers, else 0")
    drift_uncounted = counter("drift_uncounted_batches", "Batches whose drift could not be counted for a model")
    challenger_dropped = counter("challenger_dropped", "Challengers dropped because they failed or were slow", DROPPED)
    challenger_seconds = histogram("challenger_seconds", "Time of a challenger's scores of one batch", STAGE_BUCKETS)

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.lane = LaneMetrics(self.registry)
        self.drift = DriftMetrics(self.registry)
        self.quality = QualityMetrics(self.registry)
