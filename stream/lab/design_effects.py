"""Design effects: how much less n alerts say than n independent ones would, by feature, for a day and for a week.

Two reasons, which add up (docs/DRIFT.md): days and weeks differ from each other, bursts included, which the reference
part's own days and weeks show; and a level's state is one draw for all alerts of the same team, rule or entity, which
a month of reference is too short to see change.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core import drift
from stream.core.events import Raised
from stream.core.frame import Array, level_index
from stream.core.problem import DAY_SECONDS

WINDOWS_DAYS = (1, 7)
ROWS_LEAST = 20  # a block of fewer says nothing
_COMBINED = ("additive", "shifts")  # of several levels, the finest of them that all hold is team and rule

Ints = NDArray[np.int64]


class Effects(Struct, frozen=True):
    """Design effects, at least 1, of the index over a window of 24 h and of 7 d."""

    day: float = 1.0
    week: float = 1.0


def effects(bins: Ints, count: int, at: Array, within: Array | None = None) -> Effects:
    """The design effects of one feature.

    Args:
        bins: the bin of each of n alerts, of `count` bins.
        at: when each was raised, seconds since 1970.
        within: the day's and the week's effect of the feature's level (`level_effects`); None where it has none.

    >>> at = np.arange(384) * 3600.0
    >>> effects(np.arange(384) % 4, 4, at)
    Effects(day=1.0, week=1.0)
    >>> effects((at // 86_400).astype(np.int64) % 2, 2, at).day > 10
    True
    """
    if not len(bins):
        return Effects()
    days = _blocks(at)
    table = np.zeros((int(days.max()) + 1, count))
    np.add.at(table, (days, bins), 1.0)
    day = max(_between(table), 1.0)
    week = max(_between(_weeks(table)), day)
    more = within - 1.0 if within is not None else np.zeros(2)
    return Effects(float(day + more[0]), float(week + more[1]))


def level_effects(alerts: Sequence[Raised], at: Array, labels: Sequence[str]) -> dict[str, Array]:
    """By level, what stands in for n in a day and in a week if all alerts of one key agree, as float64[2].

    It is the sum of n_k² over n for the n_k alerts of each key (Kish 1965), the mean over blocks.
    """
    found = {}
    for level in level_index(tuple(labels)):
        numbers: dict[tuple[str | None, ...], int] = {}
        keys = np.array([numbers.setdefault(_key(level, alert), len(numbers)) for alert in alerts], dtype=np.int64)
        found[level] = np.array([_agreeing(keys, _blocks(at) // days) for days in WINDOWS_DAYS])
    return found


def level_of(feature: str, labels: Sequence[str]) -> str | None:
    """The level whose state a feature reads; None for what stands in the alert itself, time of day and the score.

    >>> level_of("team_rule_label.env.rate_30d", ["env"]), level_of("team.open", []), level_of("prior.rule", [])
    ('team_rule_label.env', 'team', None)
    """
    if feature in _COMBINED:
        return "team_rule"
    return next((level for level in level_index(tuple(labels)) if feature.rpartition(".")[0] == level), None)


def _blocks(at: Array) -> Ints:
    """The day of each alert, counted back from the latest, so that weeks end with the reference."""
    return np.asarray((at.max() - at) // DAY_SECONDS, dtype=np.int64)


def _weeks(table: Array) -> Array:
    """Whole weeks of a table of days."""
    whole = len(table) // 7 * 7
    return np.asarray(table[:whole].reshape(-1, 7, table.shape[1]).sum(axis=1))


def _between(table: Array) -> float:
    """The mean, over blocks, of a block's index against all others, in units of what chance gives. 1 for one block."""
    table = table[table.sum(axis=1) >= ROWS_LEAST]
    if len(table) < 2:
        return 1.0
    total, found = table.sum(axis=0), []
    for block in table:
        others = total - block
        n, m = float(block.sum()), float(others.sum())
        found.append(drift.psi(block, others / m, m) / ((1.0 / n + 1.0 / m) * (len(block) - 1)))
    return float(np.mean(found))


def _agreeing(keys: Ints, blocks: Ints) -> float:
    sizes = np.bincount(blocks)
    pairs, counts = np.unique(np.stack([blocks, keys]), axis=1, return_counts=True)
    squares = np.bincount(pairs[0], weights=counts.astype(np.float64) ** 2, minlength=len(sizes))
    enough = sizes >= ROWS_LEAST
    return float((squares[enough] / sizes[enough]).mean()) if enough.any() else 1.0


def _key(level: str, alert: Raised) -> tuple[str | None, ...]:
    """What an alert's state of a level is held by."""
    base, _, label = level.partition("_label.")
    key: list[str | None] = [alert.team]
    if "rule" in base:
        key.append(alert.rule)
    if "entity" in base:
        key.append(alert.entity)
    if label:
        key.append(alert.labels.get(label))
    return tuple(key)
