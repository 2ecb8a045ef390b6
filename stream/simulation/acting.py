"""A rule that acts, people who may believe the score, and a model trained again every week on what they did.

A small organisation of its own, beside the one of `log`: what fires, and how probable it is that it needs somebody
(the need, which nobody sees). It is made a day at a time, in arrays. All that is drawn is drawn beforehand, so two runs
on the same alerts differ only in what rule and people do. An outcome is known on the next morning.
"""

import math
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.frame import SMOOTHING, Array, Labels, Matrix
from stream.core.proof import alpha_of, holdout_share, log_e, trip_step
from stream.core.scoring import Thresholds

TEAMS, RULES = 12, 10
PAIRS = TEAMS * RULES  # of a team and a rule
BEFORE_DAYS, ACTING_DAYS = 30, 90  # in shadow, then acting
DAYS = BEFORE_DAYS + ACTING_DAYS
TURNED_SHARE, TURN_LOGITS = 0.2, 3.0  # of the quiet pairs, and by how much they turn
TURN_DAYS = (BEFORE_DAYS + 10, BEFORE_DAYS + 60)  # each on a day of its own
STORMS_A_DAY, STORM_SIZES = 0.4, (20, 200)  # acted on whole or not at all
TRAINED_EVERY_DAYS = 7
MAX_PROBABILITY, RISK = 0.1, 0.05  # of the rule
PERSUADED_BELOW = 0.25  # who believes the score acts on nothing at 0, on what needs it from here on
FEATURES = ("severity", "team.rate_30d", "pair.rate_7d", "pair.rate_30d", "pair.rate_ever", "pair.decided_30d")
NONE, WEAK, SOME, STRONG = range(4)  # evidence
UNKNOWN = -1  # what became of an alert that was paused
_HALF_LIVES = np.array([7.0, 30.0, math.inf])
_DUE_DAYS = 2  # an hour is observed at its end + 24 h + horizon
_SECOND = 2  # the proof from the hold-out is the second start

Days = NDArray[np.int64]
Predict = Callable[[Matrix], Array]
Learn = Callable[[Matrix, Labels, Array], Predict]
"""A model of features, labels and each label's p_act (float64[n]), in order of time."""


class Policy(Struct, frozen=True, kw_only=True):
    """What rule and people do.

    Attributes:
        acts: the rule acts after the days in shadow.
        floor: the least share of a team's hours that it leaves alone; 0: there is no hold-out.
        steps: the share steps down to the floor as the proof allows; else it is the floor from the first day.
        belief: the share of looks that the score decides: a low one keeps people from what needs them.
        paused_is_noise: what was paused counts as an outcome of people, as where a closed ticket is a closed ticket.
    """

    acts: bool = True
    floor: float = 0.05
    steps: bool = True
    belief: float = 0.0
    paused_is_noise: bool = False


class Alerts(Struct, frozen=True, eq=False):
    """N alerts in order of days: who fires when, the hidden need, and all draws.

    Attributes:
        day, hour, team, pair: int64[N]; hours are of the whole span.
        severity: float64[N], known at the raise.
        need: float64[N], the probability that somebody must act.
        turned: bool[N], raised after its quiet pair began to need people.
        act_draw: float64[N], one for a whole storm: people act where it lies below their probability.
        arm_draw: float64[N], one for a team's hour: it is held out where it lies below the share.
    """

    day: Days
    hour: Days
    team: Days
    pair: Days
    severity: Array
    need: Array
    turned: NDArray[np.bool_]
    act_draw: Array
    arm_draw: Array


class Run(Struct, frozen=True, eq=False):
    """What came of the alerts.

    Attributes:
        features: float32[N, 6], as known at the raise.
        score: float64[N], NaN before the first training.
        evidence: int8[N], by the shipped thresholds.
        label: int8[N], 1 acted on, 0 not, -1 unknown.
        paused: bool[N], kept from people.
        p_act: float64[N], the chance that the rule acted.
        share: float64[days], held out on each day; 1 in shadow.
        tripped_day: when the hold-out would have tripped the rule, in days since it acts; nobody stops it here.
    """

    features: Matrix
    score: Array
    evidence: Labels
    label: Labels
    paused: NDArray[np.bool_]
    p_act: Array
    share: Array
    tripped_day: int | None


def make_alerts(seed: int, a_day: float = 240.0) -> Alerts:
    """The alerts of all days: three of four pairs are quiet, and a fifth of these turns while the rule acts."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, PAIRS, p=(0.75, 0.15, 0.10))
    leaning = rng.normal(np.array([-4.2, -1.5, 0.5])[kind], np.array([0.5, 0.5, 0.5])[kind])
    turns = (kind == 0) & (rng.random(PAIRS) < TURNED_SHARE)
    turn_day = np.where(turns, rng.integers(*TURN_DAYS, size=PAIRS), DAYS)
    volume = rng.gamma(2.0, 1.0, PAIRS)
    single = rng.poisson(a_day * volume / volume.sum(), (DAYS, PAIRS))
    day, pair = (np.repeat(part.ravel(), single.ravel()) for part in np.indices((DAYS, PAIRS)))
    hour, storm = day * 24 + rng.integers(24, size=len(day)), np.full(len(day), -1)
    storms = rng.integers(0, DAYS, rng.poisson(STORMS_A_DAY * DAYS))
    least, most = map(math.log, STORM_SIZES)
    sizes = np.exp(rng.uniform(least, most, len(storms))).astype(np.int64)
    day = np.concatenate([day, np.repeat(storms, sizes)])
    pair = np.concatenate([pair, np.repeat(rng.integers(PAIRS, size=len(storms)), sizes)])
    hour = np.concatenate([hour, np.repeat(storms * 24 + rng.integers(24, size=len(storms)), sizes)])
    storm = np.concatenate([storm, np.repeat(np.arange(len(storms)), sizes)])
    severity, act_draw = rng.normal(size=len(day)), rng.random(len(day))
    in_storm = storm >= 0
    of_storm = rng.normal(size=len(storms)), rng.random(len(storms))
    severity[in_storm], act_draw[in_storm] = (values[storm[in_storm]] for values in of_storm)
    turned = day >= turn_day[pair]
    logits = leaning[pair] + 0.8 * severity + TURN_LOGITS * turned
    arm_draw = rng.random((TEAMS, DAYS * 24))[pair // RULES, hour]
    order = np.argsort(hour, kind="stable")
    need = 1.0 / (1.0 + np.exp(-logits))
    columns = (day, hour, pair // RULES, pair, severity, need, turned, act_draw, arm_draw)
    return Alerts(*(np.asarray(column)[order] for column in columns))


def run(alerts: Alerts, policy: Policy, learn: Learn) -> Run:
    """The alerts under a policy; the model is trained when the days in shadow end, then every week."""
    return _Course(alerts, policy, learn).run()


class _History:
    """Decayed counts of outcomes known by the morning: float64[3, PAIRS] of decided and of acted on."""

    def __init__(self) -> None:
        self._decided, self._acted = np.zeros((3, PAIRS)), np.zeros((3, PAIRS))

    def features(self, pair: Days, severity: Array) -> tuple[Matrix, Labels]:
        """The features and the evidence of alerts of these pairs."""
        decided, acted = self._decided, self._acted
        by_team = [part.reshape(3, TEAMS, RULES).sum(axis=2) for part in (decided, acted)]
        every = [(part.sum(axis=1) + more)[:, None] for part, more in zip((acted, decided), (1.0, 2.0), strict=True)]
        team_rate = (by_team[1] + SMOOTHING * every[0] / every[1]) / (by_team[0] + SMOOTHING)
        rate = (acted + SMOOTHING * np.repeat(team_rate, RULES, axis=1)) / (decided + SMOOTHING)
        columns = (severity, team_rate[1, pair // RULES], *rate[:, pair], decided[1, pair])
        at = Thresholds()
        grade = (by_team[0][1, pair // RULES] >= at.weak).astype(np.int8)
        grade[decided[1, pair] >= at.some] = SOME
        grade[decided[1, pair] >= at.strong] = STRONG
        return np.column_stack(columns).astype(np.float32), grade

    def add(self, pair: Days, label: Labels) -> None:
        """A day's outcomes, and a day's decay; what was paused has none."""
        known = label != UNKNOWN
        decay = np.exp2(-1.0 / _HALF_LIVES)[:, None]
        self._decided = self._decided * decay + np.bincount(pair[known], minlength=PAIRS)
        self._acted = self._acted * decay + np.bincount(pair[label == 1], minlength=PAIRS)


class _HoldOut:
    """The share that the rule leaves alone, by the proof of what it left alone, as `core.ladder` steps it down."""

    def __init__(self, policy: Policy) -> None:
        floor = policy.floor
        self._floor, self._alpha = floor, alpha_of(_SECOND)
        self._waiting: list[Array] = []
        self._observations, self._acted, self._highest, self._level = 0, 0.0, -math.inf, 0.0
        self.share = max(0.5, floor) if floor and policy.steps else floor
        self.tripped = False

    def take(self, team: Days, hour: Days, pair: Days, label: Labels) -> None:
        """A day's held-out alerts; those of two days before are observed."""
        self._waiting.append(_observed(team, hour, pair, label))
        if not self._floor or len(self._waiting) <= _DUE_DAYS:
            return
        for acted in self._waiting.pop(0).tolist():
            self._observations, self._acted = self._observations + 1, self._acted + acted
            self._level = trip_step(self._level, acted, RISK)
            self.tripped = self.tripped or self._level >= 1_000.0
        found = log_e(self._observations, min(self._acted, self._observations), RISK) if self._observations else 0.0
        self._highest = max(self._highest, found + math.log(self._alpha))
        self.share = min(self.share, holdout_share(self._highest, self._floor))


def _observed(team: Days, hour: Days, pair: Days, label: Labels) -> Array:
    """The share of each team's hour's episodes (a pair's alerts of the hour) of which any was acted on."""
    if not len(hour):
        return np.empty(0)
    episodes, which = np.unique(hour * PAIRS + pair, return_inverse=True)
    acted = np.zeros(len(episodes))
    np.maximum.at(acted, which, label.astype(np.float64))
    _, of = np.unique(episodes // RULES, return_inverse=True)  # an hour and a team: pairs of a team follow each other
    return np.asarray(np.bincount(of, weights=acted) / np.bincount(of))


class _Course:
    """One run, a day at a time."""

    def __init__(self, alerts: Alerts, policy: Policy, learn: Learn) -> None:
        count = len(alerts.day)
        self._alerts, self._policy, self._learn = alerts, policy, learn
        self._history, self._hold_out = _History(), _HoldOut(policy)
        self._features = np.empty((count, len(FEATURES)), dtype=np.float32)
        self._score, self._p_act = np.full(count, np.nan), np.zeros(count)
        self._evidence, self._label = np.zeros(count, dtype=np.int8), np.zeros(count, dtype=np.int8)
        self._paused = np.zeros(count, dtype=np.bool_)
        self._predict: Predict | None = None

    def run(self) -> Run:
        """All days."""
        edges = np.searchsorted(self._alerts.day, np.arange(DAYS + 1))
        share, tripped_day = np.ones(DAYS), None
        for day in range(DAYS):
            if day >= BEFORE_DAYS and (day - BEFORE_DAYS) % TRAINED_EVERY_DAYS == 0:
                known = np.flatnonzero(self._label[: edges[day]] != UNKNOWN)
                self._predict = self._learn(self._features[known], self._label[known], self._p_act[known])
            acting = self._policy.acts and day >= BEFORE_DAYS
            share[day] = self._hold_out.share if acting else 1.0
            self._live(slice(int(edges[day]), int(edges[day + 1])), acting)
            if tripped_day is None and self._hold_out.tripped:
                tripped_day = day - BEFORE_DAYS
        columns = (self._features, self._score, self._evidence, self._label, self._paused, self._p_act)
        return Run(*columns, share, tripped_day)

    def _live(self, rows: slice, acting: bool) -> None:
        alerts = self._alerts
        pair, team, hour = alerts.pair[rows], alerts.team[rows], alerts.hour[rows]
        features, evidence = self._history.features(pair, alerts.severity[rows])
        score = self._predict(features) if self._predict else np.full(len(pair), np.nan)
        matched = (score < MAX_PROBABILITY) & (evidence > NONE) & acting
        held_out = matched & (alerts.arm_draw[rows] < self._hold_out.share)
        looked = 1.0 - self._policy.belief * (1.0 - np.minimum(np.nan_to_num(score, nan=1.0) / PERSUADED_BELOW, 1.0))
        label = (alerts.act_draw[rows] < alerts.need[rows] * looked).astype(np.int8)
        paused = matched & ~held_out
        label[paused] = 0 if self._policy.paused_is_noise else UNKNOWN
        self._paused[rows] = paused
        self._p_act[rows] = np.where(matched, 1.0 - self._hold_out.share, 0.0)
        self._features[rows], self._evidence[rows] = features, evidence
        self._score[rows], self._label[rows] = score, label
        self._history.add(pair, label)
        if acting:
            self._hold_out.take(team[held_out], hour[held_out], pair[held_out], label[held_out])
