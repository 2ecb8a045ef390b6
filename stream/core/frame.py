"""What features are computed from: a batch of alerts with the states of their levels, and the priors of its model."""

from collections.abc import Mapping, Sequence
from functools import cache
from operator import attrgetter

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core import state
from stream.core.events import Raised
from stream.core.titles import SIDES, TITLE, encode_titles

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]  # 1 actionable, 0 noise
Mask = NDArray[np.bool_]
Known = Mapping[str, NDArray[np.bool_]]  # bool[N] by prior key

SMOOTHING = 5.0  # a level's rate is held to its parent's as by this many outcomes
WINDOWS = {"1d": 0, "7d": 1, "30d": 2, "ever": 3}
_BASE_LEVELS = ("team", "team_rule", "team_entity", "team_rule_entity")
_LN2 = float(np.log(2.0))
PRIOR_FIELDS = ("rule", "severity", "source", "entity")
_LABEL = "label."
_SIDES = frozenset(SIDES)


class Priors(Struct, frozen=True):
    """Rates learnt in training and shipped with the model: what repeats, but not by team.

    `tables` maps a key (`rule`, `severity`, `source`, `entity`, `label.<name>`) to the smoothed rate of each value;
    a value that training did not know has `global_rate`. The values of the key `title` are tokens (`titles.tokens_of`).
    """

    global_rate: float
    tables: dict[str, dict[str, float]]

    def encode(self, alerts: Sequence[Raised]) -> dict[str, Array]:
        """The rate of every key's value for each alert: float64[N] by key."""
        return self.encode_known(alerts)[0]

    def encode_known(self, alerts: Sequence[Raised]) -> tuple[dict[str, Array], Known]:
        """As `encode`, and by key whether training knew the value."""
        encoded: dict[str, Array] = {}
        known: dict[str, Mask] = {}
        for key, table in self.tables.items():
            if key == TITLE:
                sides, known[key] = encode_titles(table, [alert.title for alert in alerts], self.global_rate)
                encoded |= sides
                continue
            find = table.get
            rates = np.array([find(value, np.nan) for value in prior_values(key, alerts)], dtype=np.float64)
            known[key] = ~np.isnan(rates)
            encoded[key] = np.where(known[key], rates, self.global_rate)
        return encoded, known


def is_prior_key(key: str) -> bool:
    """Whether every alert can be asked for the key's value.

    >>> [is_prior_key(key) for key in ("rule", "label.env", "labels", "__class__")]
    [True, True, False, False]
    """
    return key in PRIOR_FIELDS or key == TITLE or key.startswith(_LABEL)


def prior_values(key: str, alerts: Sequence[Raised]) -> list[str]:
    """The value of a prior's key, other than `title`, in each alert; an absent one is the empty text."""
    if key.startswith(_LABEL):
        name = key.removeprefix(_LABEL)
        return [alert.labels.get(name, "") for alert in alerts]
    return [value or "" for value in map(attrgetter(key), alerts)]


class Inputs(Struct, frozen=True, eq=False):
    """What a model reads of N alerts: float32[N, F], and of each prior key whether training knew the alerts' value.

    `rule_shift`, float64[N], is by how many logits the rule's prior lies above the global rate; None without one.
    """

    matrix: Matrix
    known: Known
    rule_shift: Array | None = None

    def take(self, chosen: Sequence[int]) -> "Inputs":
        """Only those of the alerts with these indices."""
        known = {key: known[chosen] for key, known in self.known.items()}
        return Inputs(self.matrix[chosen], known, None if self.rule_shift is None else self.rule_shift[chosen])


class Decayed:
    """The part of a `Frame` that knows nothing of any model: levels, and their counts decayed to when they are read.

    Args:
        rows: float64[N, 1 + 19 L], as `Fold.rows` holds them: the alert's time, then its levels before it.
    """

    def __init__(self, rows: Array) -> None:
        count, levels = len(rows), rows.shape[1] // state.WIDTH
        if rows.shape[1] != 1 + state.WIDTH * levels:
            raise ValueError(f"rows are {rows.shape}, which is no time and whole levels")
        self.at: Array = rows[:, 0]
        self.levels = rows[:, 1:].reshape(count, levels, state.WIDTH)
        self.now = read_times(self.at, self.levels)
        factors = state.decay_factors(self.levels[:, :, state.LANDMARK], self.now[:, None])
        stored = self.levels[:, :, state.RAISED : state.RING].reshape(count, levels, 3, 4)
        counts = stored * factors[:, :, None, :]
        np.copyto(counts, 0.0, where=np.isnan(counts))  # an absent level holds nothing
        self.counts: Array = counts

    def take(self, chosen: NDArray[np.intp]) -> "Decayed":
        """Only the rows with these indices."""
        taken = Decayed.__new__(Decayed)
        taken.at, taken.now = self.at[chosen], self.now[chosen]
        taken.levels, taken.counts = self.levels[chosen], self.counts[chosen]
        return taken


class Frame:
    """A batch of N alerts with L levels, ready for feature definitions.

    Args:
        decayed: the alerts' history; the frames of several models share one.
        encoded: float64[N] a prior key.
        global_rate: the share of actionable alerts in training, the root of all smoothing (in training itself
            float64[N], as known before each alert).
        labels: the problem's history labels, in its order.
    """

    def __init__(
        self, decayed: Decayed, encoded: Mapping[str, Array], global_rate: float | Array, labels: Sequence[str]
    ) -> None:
        self.at, self.now = decayed.at, decayed.now
        self.levels, self.counts = decayed.levels, decayed.counts
        self.index = level_index(tuple(labels))
        self.encoded = encoded
        self.global_rate = global_rate
        self._rates: dict[tuple[str, str], Array] = {}

    def raised(self, level: str, window: str) -> Array:
        """Decayed count of raises."""
        return self.counts[:, self.index[level], 0, WINDOWS[window]]

    def decided(self, level: str, window: str) -> Array:
        """Decayed count of outcomes."""
        return self.counts[:, self.index[level], 1, WINDOWS[window]]

    def acted(self, level: str, window: str) -> Array:
        """Decayed count of actionable outcomes."""
        return self.counts[:, self.index[level], 2, WINDOWS[window]]

    def rate(self, level: str, window: str) -> Array:
        """Smoothed rate: (acted + 5 parent) / (decided + 5), the parent's rate in the same window."""
        known = self._rates.get((level, window))
        if known is None:
            above = parent_of(level)
            parent = self.rate(above, window) if above else self.global_rate
            decided, acted = self.decided(level, window), self.acted(level, window)
            known = self._rates[level, window] = (acted + SMOOTHING * parent) / (decided + SMOOTHING)
        return known

    def field(self, level: str, field: int) -> Array:
        """A field of the level's state as it stands; NaN where the level is absent."""
        return self.levels[:, self.index[level], field]

    def hours_since(self, level: str, field: int) -> Array:
        """Hours from a time in the level's state to the alert; NaN where there is none."""
        then = self.field(level, field)
        return np.where(np.isfinite(then), (self.now - np.where(np.isfinite(then), then, 0.0)) / 3600.0, np.nan)

    def last(self, level: str, count: int) -> Array:
        """Share of actionable among the last outcomes, at most `count` of them; NaN where there is none."""
        decided = np.minimum(self.decided(level, "ever"), count)
        ring = np.nan_to_num(self.field(level, state.RING)).astype(np.uint64) & np.uint64((1 << count) - 1)
        return np.where(decided > 0, np.bitwise_count(ring) / np.maximum(decided, 1.0), np.nan)

    def prior(self, key: str) -> Array:
        """The rate that training learnt for the value of a key."""
        return self.encoded[key]

    def additive(self) -> Array:
        """Rate of team and rule if their shifts of the logit simply add up."""
        root = logit(self.global_rate)
        return expit(logit(self.rate("team", "ever")) + logit(self.prior("rule")) - root)

    def shifts(self) -> Array:
        """Logit of the global rate plus the shifts of every prior but titles and of every level against its parent."""
        total = np.full(len(self.at), logit(self.global_rate))
        for key in sorted(self.encoded.keys() - _SIDES):
            total = total + logit(self.prior(key)) - logit(self.global_rate)
        for level in self.index:
            above = parent_of(level)
            total = total + logit(self.rate(level, "ever"))
            total = total - (logit(self.rate(above, "ever")) if above else logit(self.global_rate))
        return total


def read_times(at: Array, levels: Array) -> Array:
    """When each alert's levels are read: float64[N], at the raise, or for a late alert at its levels' latest time."""
    touched = np.fmax(levels[:, :, state.LAST_RAISED], levels[:, :, state.LAST_DECIDED])
    latest: Array = np.fmax(at, np.fmax.reduce(touched, axis=1))
    return latest


def parent_of(level: str) -> str | None:
    """The level that a level's rate is smoothed towards; None for team, whose parent is the global rate."""
    if level == "team":
        return None
    if level == "team_rule_entity" or level.startswith("team_rule_label."):
        return "team_rule"
    return "team"


@cache
def level_index(labels: tuple[str, ...]) -> dict[str, int]:
    """The levels' names, in the order of a row."""
    names = [*_BASE_LEVELS]
    for label in labels:
        names += [f"team_label.{label}", f"team_rule_label.{label}"]
    return {name: index for index, name in enumerate(names)}


def logit(rate: Array | float) -> Array:
    """The log-odds of a rate, which is kept 1e-4 away from 0 and 1."""
    clipped = np.minimum(np.maximum(rate, 1e-4), 1.0 - 1e-4)  # np.clip takes 6 µs more, and this is called often
    shifted: Array = np.log(clipped) - np.log1p(-clipped)
    return shifted


def expit(log_odds: Array) -> Array:
    """The rate of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))
