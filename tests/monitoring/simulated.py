"""Three workers over nine days, as they would expose themselves: a small organisation that drifts in five ways.

`Worker` holds counters as /metrics names them; what is drawn is kept, so that a test can pool it. The same server takes
snapshots of the real registry: `PrometheusServer.backfill` asks only for texts and their times.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.monitoring.queries.quality import EDGES
from stream.monitoring.queries.service import DEFAULT_JOB
from tests.servers.prometheus import Exposed

START = 1_790_000_100.0  # a multiple of STEP
STEP = 900.0
DAYS = 9.0
HOUR, DAY = 3_600.0, 86_400.0
MODEL, CHALLENGER = "2026-09-01-aaaa", "2026-10-01-bbbb"
ROWS = 20_000
LABEL_RATE = 0.25
CHANCE = 1.5 * 27.7
"""Design effect 1.5, chi-squared with 10 degrees of freedom at 0.01 / 5."""
BINS = (*map(str, range(10)), "missing")
SHARES = np.array([0.098] * 10 + [0.02])
RESTART_DAY, JOIN_DAY, LEAVE_DAY = 5.0, 3.0, 8.0
SUDDEN_DAY, BROKEN_DAY, HABIT_DAY = 6.0, 6.5, 4.0
SLOW_FROM, SLOW_TO = 2.0, 9.0
QUIET = range(3, 4)  # the hour of each day in which nothing happens
WATCH = {"calm": "ring", "sudden": "ring", "slow": "ring", "broken": "ring", "habit": "ring", "hour_of_day": "show"}
LEAN = np.linspace(-1.0, 1.0, 10)

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def shares_of(feature: str, day: float) -> Values:
    """How a feature is spread on a day of the simulation."""
    lean = 0.0
    if feature == "sudden" and day >= SUDDEN_DAY:
        lean = 0.9
    elif feature == "slow":
        lean = 0.9 * min(max((day - SLOW_FROM) / (SLOW_TO - SLOW_FROM), 0.0), 1.0)
    elif feature == "habit" and day >= HABIT_DAY:
        lean = 0.7
    elif feature == "hour_of_day":
        lean = 0.95 * math.sin(2 * math.pi * day)
    elif feature == "broken" and day >= BROKEN_DAY:
        return np.array([0.0] * 10 + [1.0])
    spread = SHARES.copy()
    spread[:10] *= 1 + lean * LEAN
    return np.asarray(spread / spread.sum())


def cumulative(p: Values) -> list[tuple[str, int, float]]:
    """For every edge: the edge, how many p are not above it, and their sum."""
    ordered = np.sort(p)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    counts = np.searchsorted(ordered, [*map(float, EDGES), np.inf], side="right")
    return [(edge, int(n), float(sums[n])) for edge, n in zip((*EDGES, "+Inf"), counts, strict=True)]


@dataclass
class Worker:
    """One process: its counters since it started."""

    name: str
    rng: np.random.Generator
    counters: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Series are there at zero before anything is counted."""
        self.step(0.0, 0)

    def restart(self) -> None:
        """A new process under the old name: counters begin at zero."""
        self.counters = {}
        self.step(0.0, 0)

    def step(self, day: float, alerts: int) -> dict[str, Counts]:
        """So many alerts on that day; says what was observed of features."""
        observed = {feature: self.rng.multinomial(alerts, shares_of(feature, day)) for feature in WATCH}
        for feature, counts in observed.items():
            self._observe(feature, counts)
        for role, model, error in (("champion", MODEL, 0.0), ("challenger", CHALLENGER, 0.1)):
            p = self.rng.beta(0.6, 1.8, alerts)
            if role == "champion":
                tenths = np.minimum((p * 10).astype(int), 9)
                self._observe("score", np.append(np.bincount(tenths, minlength=10), 0))
            self._publish(model, role, p)
            self._mature(model, role, np.clip(p + error, 0, 1), p)
        self._habits(day, alerts)
        self._serve(alerts)
        return observed

    def expose(self, at: float) -> Exposed:
        """Its /metrics."""
        gauges = {**GAUGES, "noisegate_progress_timestamp_seconds": at - 2.0}
        gauges['noisegate_history_time_seconds{topic="alerts.events",partition="0"}'] = at - 60.0
        lines = [f"{name} {value}\n" for name, value in {**gauges, **self.counters}.items()]
        return Exposed(at, {"job": DEFAULT_JOB, "instance": f"{self.name}:9108"}, "up 1\n" + "".join(lines))

    def _add(self, name: str, amount: float) -> None:
        self.counters[f"noisegate_{name}"] = self.counters.get(f"noisegate_{name}", 0.0) + float(amount)

    def _observe(self, feature: str, counts: Counts) -> None:
        for name, count in zip(BINS, counts, strict=True):
            self._add(f'feature_observations_total{{model="{MODEL}",feature="{feature}",bin="{name}"}}', count)

    def _publish(self, model: str, role: str, p: Values) -> None:
        labels = f'model="{model}",role="{role}"'
        for edge, count, summed in cumulative(p):
            self._add(f'scores_bucket{{{labels},le="{edge}"}}', count)
            self._add(f'scores_below_sum_total{{{labels},le="{edge}"}}', summed)
        self._add(f"scores_expected_squared_error_total{{{labels}}}", (p * (1 - p)).sum())

    def _mature(self, model: str, role: str, said: Values, true: Values) -> None:
        acted = self.rng.random(len(said)) < true
        held_out = self.rng.random(len(said)) < 0.05
        agrees = self.rng.random(len(said)) < 0.7
        last = np.where(self.rng.random(len(said)) < 0.1, "none", np.where(agrees == acted, "actionable", "noise"))
        for part, mine in (("open", ~held_out), ("held_out", held_out)):
            labels = f'model="{model}",role="{role}",part="{part}"'
            for edge, _, summed in cumulative(said[mine]):
                self._add(f'quality_scores_below_sum_total{{{labels},le="{edge}"}}', summed)
            for outcome, came in (("actionable", acted), ("noise", ~acted)):
                for before in ("actionable", "noise", "none"):
                    for edge, count, _ in cumulative(said[mine & came & (last == before)]):
                        series = f'{labels},outcome="{outcome}",last="{before}",le="{edge}"'
                        self._add(f"quality_scores_bucket{{{series}}}", count)
            error = ((said - acted)[mine] ** 2).sum()
            self._add(f"quality_squared_error_total{{{labels}}}", error)
        bands = {"likely_noise": said < 0.05, "likely_actionable": said >= 0.5}
        bands["unsure"] = ~bands["likely_noise"] & ~bands["likely_actionable"]
        groups = np.where(self.rng.random(len(said)) < 0.8, "network", "other")
        for group in ("network", "other"):
            for band, inside in bands.items():
                for outcome, came in (("actionable", acted), ("noise", ~acted)):
                    count = (inside & came & (groups == group)).sum()
                    series = f'model="{model}",role="{role}",group="{group}",band="{band}",outcome="{outcome}"'
                    self._add(f"quality_alerts_total{{{series}}}", count)

    def _habits(self, day: float, alerts: int) -> None:
        rate = 0.6 if day >= HABIT_DAY else LABEL_RATE
        for group, part in (("network", 0.8), ("other", 0.2)):
            mine = round(part * alerts)
            acted = self.rng.binomial(mine, rate if group == "network" else LABEL_RATE)
            self._add(f'team_alerts_total{{group="{group}"}}', mine)
            for outcome, count in (("actionable", acted), ("noise", mine - acted)):
                self._add(f'team_outcomes_total{{group="{group}",outcome="{outcome}"}}', count)
        for seen, count in (("yes", round(0.97 * alerts)), ("no", alerts - round(0.97 * alerts))):
            self._add(f'category_observations_total{{model="{MODEL}",key="rule",seen="{seen}"}}', count)

    def _serve(self, alerts: int) -> None:
        self._add('events_total{type="raised"}', alerts)
        self._add('events_total{type="acted"}', alerts // 3)
        for band, part in (("likely_noise", 0.3), ("unsure", 0.5), ("likely_actionable", 0.2)):
            self._add(f'alerts_scored_total{{band="{band}"}}', round(part * alerts))
        self._add('alerts_unscored_total{reason="history_unavailable"}', alerts // 200)
        self._add('outcomes_total{outcome="noise"}', alerts * 0.75)
        self._add('records_failed_total{reason="not_json"}', alerts // 300)
        self._add('quality_left_out_total{reason="flood"}', alerts // 100)
        for le in ("0.1", "1.0", "10.0", "+Inf"):
            self._add(f'event_to_enriched_seconds_bucket{{le="{le}"}}', alerts if le != "0.1" else alerts * 0.9)
        self._add("event_to_enriched_seconds_count", alerts)
        for name in ('stage_seconds_{}{{stage="fold"}}', "batch_records_{}"):
            self._add(name.format("sum"), alerts * 0.01)
            self._add(name.format("count"), alerts / 20)
        self._add('history_round_trips_total{call="read"}', alerts / 10)
        for name in ("fence_conflicts_total", "model_swaps_total", "model_refused_total"):
            self._add(name, 0)
        self._add('challenger_dropped_total{reason="slow"}', 0)


def _gauges() -> dict[str, float]:
    told: dict[str, float] = {
        f'noisegate_reference_rows{{model="{MODEL}"}}': ROWS,
        f'noisegate_reference_label_rate{{model="{MODEL}"}}': LABEL_RATE,
        f'noisegate_reference_unseen_share{{model="{MODEL}",key="rule"}}': 0.02,
        f'noisegate_model_info{{model="{MODEL}",role="champion"}}': 1,
        f'noisegate_model_info{{model="{CHALLENGER}",role="challenger"}}': 1,
        f'noisegate_model_created_timestamp_seconds{{model="{MODEL}"}}': START - 10 * DAY,
        f'noisegate_features_unwatched{{model="{MODEL}",reason="one_edge"}}': 0,
        "noisegate_model_pointers_refused": 0,
        "noisegate_maturity_seconds": 90_000,
        "noisegate_bad_record_share": 0.001,
        'noisegate_lag_records{topic="alerts.events",partition="0"}': 12,
        'noisegate_held_actions{topic="alerts.events",partition="0"}': 1,
        "noisegate_history_up": 1,
        "noisegate_history_suspect": 0,
        "noisegate_kafka_up": 1,
        "noisegate_clock_difference_seconds": 0.0,
        "noisegate_model_store_up": 1,
    }
    for feature in (*WATCH, "score"):
        labels = f'model="{MODEL}",feature="{feature}"'
        told |= {f'noisegate_drift_chance{{{labels},window="{window}"}}': CHANCE for window in ("24h", "7d")}
        watch = WATCH.get(feature, "ring")
        told[f'noisegate_feature_info{{{labels},group="history",watch="{watch}"}}'] = 1
        for name, share in zip(BINS, SCORE_SHARES if feature == "score" else SHARES, strict=True):
            told[f'noisegate_feature_reference_share{{{labels},bin="{name}"}}'] = share
    return told


_p = np.random.default_rng(0).beta(0.6, 1.8, 200_000)
SCORE_SHARES = np.append(np.bincount(np.minimum((_p * 10).astype(int), 9), minlength=10) / len(_p), 0.0)
GAUGES = _gauges()


def times() -> Iterator[tuple[float, float]]:
    """Moments and the seconds since the one before: 15 minutes, in the last hour one."""
    fine = START + DAYS * DAY - HOUR
    yield from ((START + k * STEP, STEP) for k in range(round((fine - START) / STEP) + 1))
    yield from ((fine + k * 60.0, 60.0) for k in range(1, 61))


class Drawn(NamedTuple):
    """What one worker observed of a feature in one step."""

    at: float
    worker: str
    feature: str
    counts: Counts


@dataclass
class Organisation:
    """All workers, and everything they drew."""

    seed: int = 7
    drawn: list[Drawn] = field(default_factory=list)

    def run(self) -> Iterator[Exposed]:
        """Nine days: c joins on day 3, b starts anew on day 5, a leaves on day 8."""
        rng = np.random.default_rng(self.seed)
        workers = {name: Worker(name, rng) for name in "abc"}
        for at, wide in times():
            day = (at - START) / DAY
            for name, worker in workers.items():
                if (name == "c" and day < JOIN_DAY) or (name == "a" and day >= LEAVE_DAY):
                    continue
                if name == "b" and day == RESTART_DAY:
                    worker.restart()
                elif day and (name, day) != ("c", JOIN_DAY):
                    quiet = int(day * 24) % 24 in QUIET
                    mean = (12 + 6 * math.sin(2 * math.pi * day)) * wide / STEP
                    counts = worker.step(day, 0 if quiet else int(rng.poisson(mean)))
                    self.drawn += [Drawn(at, name, feature, each) for feature, each in counts.items()]
                yield worker.expose(at)

    def pooled(self, feature: str, since: float, until: float) -> Counts:
        """What all workers drew of a feature in (since, until]: raw, not as exposed."""
        mine = [each.counts for each in self.drawn if each.feature == feature and since < each.at <= until]
        return np.asarray(np.array(mine, dtype=np.int64).sum(axis=0))
