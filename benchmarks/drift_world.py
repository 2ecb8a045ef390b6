"""A simulated organisation as drift's counters see it: a reference as training makes it, then counts by hour.

The reference is made by the lab's own functions, from trees fitted as `lab train` fits them; canaries,
cross-validation, export and judging, which no bin depends on, are left out.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core import features
from stream.core.events import decode_event, seconds
from stream.core.features import Feature
from stream.core.frame import Array, Matrix
from stream.core.problem import Problem, parse_problem
from stream.dev.shipped import simulated_problem
from stream.eventlog import Line
from stream.lab.judging.baselines import score_baselines
from stream.lab.learning import calibration
from stream.lab.learning.fit import Fitted, fit_window
from stream.lab.matrix import known_matrix, training_matrix
from stream.lab.priors import Learnt, choose_keys, learn
from stream.lab.reference import bins_of, make_reference
from stream.lab.replaying import Replayed, replay
from stream.lab.split import Split, Window, split_at_time, trainable
from stream.lab.training import later_half, origin_of
from stream.models.reference import Reference, Spread
from stream.progress import no_progress
from stream.simulation import FLOODS, START, STEADY, Drifts, Event, simulate

DAY, HOUR = 86_400.0, 3_600.0
TRAINED_DAYS, WATCHED_DAYS = 60, 90
DAYS = TRAINED_DAYS + WATCHED_DAYS
CHANGE_DAY = 90  # when what is injected begins: 30 days after training
SCORE = "score"
_PIECE = 20_000

Keep = Callable[[Event, float], bool]  # whether an event of a day of the span stays


class Trained(Struct, frozen=True, eq=False):
    """What scoring and watching need."""

    learnt: Learnt
    fitted: Fitted
    chosen: list[Feature]
    reference: Reference


class Watched(Struct, frozen=True, eq=False):
    """n alerts in order of time, from a week before the training window's end on: what live counters would count.

    Attributes:
        hour: of each alert since the training window's end, from -168 on.
        matrix: float32[n, F].
        scores: float64[n].
    """

    hour: Array
    matrix: Matrix
    scores: Array

    def column(self, chosen: list[Feature], name: str) -> Array:
        """The values of a feature, or of the score."""
        names = [feature.name for feature in chosen]
        return self.scores if name == SCORE else self.matrix[:, names.index(name)].astype(np.float64)


def organisation(seed: int, drifts: Drifts = STEADY, keep: Keep | None = None) -> Replayed:
    """A log of 150 days, through the fold."""
    return replay(_lines(simulate(seed, DAYS, drifts=drifts), keep), problem())


def problem() -> Problem:
    """Of the simulated organisation."""
    return parse_problem(simulated_problem().read_text())


def thinned(since: float, until: float, source: str) -> Keep:
    """From day `since` to day `until` ever more alerts of all other sources are left out, in the end half of them."""
    return partial(_keep, since, until, source, {})


def train(replayed: Replayed, end: Split, seed: int) -> Trained:
    """Learn from the window before `end`, and make its reference."""
    learnt = learn(replayed, choose_keys(replayed.alerts[: end.alert]), end.step, end.alert)
    chosen = list(features.table(replayed.problem.history.labels, list(learnt.priors.tables)).values())
    matrix = training_matrix(replayed, learnt, chosen)
    window = Window(replayed, end, trainable(replayed, end), matrix, chosen)
    fitted = fit_window(window, score_baselines(replayed), seed, no_progress)
    later = later_half(replayed, end)
    seen = known_matrix(replayed, learnt.priors, chosen, later)
    names = [feature.name for feature in chosen]
    label_rate = float(replayed.outcome[: end.alert][window.usable].mean())
    origin = origin_of(replayed, end, later, learnt)
    watched = [feature.name for feature in chosen if feature.watch == "ring"]
    made = make_reference(seen, names, _scores(fitted, seen), label_rate, origin, watched)
    return Trained(learnt, fitted, chosen, msgspec.json.decode(made, type=Reference))


def split(replayed: Replayed) -> Split:
    """The end of the training window."""
    return split_at_time(replayed, START.timestamp() + TRAINED_DAYS * DAY)


def watch(replayed: Replayed, end: Split, trained: Trained) -> Watched:
    """All alerts that count, from a week before the end of training on."""
    indices = np.flatnonzero(replayed.counts & (replayed.at >= end.at - 7 * DAY))
    indices = indices[np.argsort(replayed.at[indices], kind="stable")]
    matrix = known_matrix(replayed, trained.learnt.priors, trained.chosen, indices)
    return Watched(np.floor((replayed.at[indices] - end.at) / HOUR), matrix, _scores(trained.fitted, matrix))


def ringing(trained: Trained) -> dict[str, Spread]:
    """The spreads that may ring: they have two bins at least."""
    named = {f.name: trained.reference.features[f.name] for f in trained.chosen if f.watch == "ring"}
    named[SCORE] = trained.reference.score
    return {name: spread for name, spread in named.items() if spread.edges}


def sums(values: Array, hour: Array, edges: list[float], hours: int, window: int) -> Array:
    """Counts by bin of the `window` hours up to the end of each hour from 0 on: float64[hours, B]."""
    within = hour < hours
    counts = np.zeros((hours + 168, len(edges) + 2))
    np.add.at(counts, (hour[within].astype(np.int64) + 168, bins_of(values[within], edges)), 1.0)
    total = np.vstack([np.zeros((1, counts.shape[1])), counts.cumsum(axis=0)])
    ends = np.arange(168, 168 + hours) + 1
    return np.asarray(total[ends] - total[ends - window])


def flooded(hours: int, window: int) -> NDArray[np.bool_]:
    """Which hours' windows hold a flood day: bool[hours]."""
    days = [int(flood.share * DAYS) - TRAINED_DAYS for flood in FLOODS]
    hour = np.arange(hours)
    return np.asarray(np.any([(hour >= day * 24) & (hour < day * 24 + 24 + window) for day in days], axis=0))


def _scores(fitted: Fitted, matrix: Matrix) -> Array:
    pieces = [matrix[start : start + _PIECE] for start in range(0, len(matrix), _PIECE)]
    return np.concatenate([calibration.apply(fitted.calibration, fitted.model.logits(piece)) for piece in pieces])


def _lines(events: Iterable[Event], keep: Keep | None) -> Iterator[Line]:
    start = START.timestamp()
    for record in events:
        value = msgspec.json.encode(record)
        event = decode_event(value)
        at = seconds(event.at)
        if keep is None or keep(record, (at - start) / DAY):
            yield Line(event, at, value)


def _keep(since: float, until: float, source: str, left_out: dict[str, bool], event: Event, day: float) -> bool:
    """An alert's events stay or go together; which, a hash of its id says."""
    if event["type"] == "raised" and event["alert_id"] not in left_out:
        gone = 0.5 * min(max((day - since) / max(until - since, 1e-9), 0.0), 1.0)
        chance = int.from_bytes(hashlib.sha256(event["alert_id"].encode()).digest()[:4]) / 2**32
        left_out[event["alert_id"]] = event["source"] != source and chance < gone
    return not left_out.get(event["alert_id"], False)
