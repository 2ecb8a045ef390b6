"""Priors: rates of what repeats, but not by team; in training each alert's are of what was known before it."""

from array import array
from collections import Counter

import numpy as np
from msgspec import Struct

from stream.core import limits
from stream.core.events import Raised
from stream.core.frame import PRIOR_FIELDS, Array, Priors, prior_values
from stream.lab.replaying import Replayed
from stream.lab.weights import OutcomeCounts, label_weights

LABEL_KEYS = 16
LABEL_SHARE = 0.01  # a label on fewer alerts of the training window has no table
LEAST_OUTCOMES = 5  # a value with fewer has the global rate
VALUES = 2_000  # of one key, those with the most outcomes
SMOOTHING = 10.0


class Learnt(Struct, frozen=True, eq=False):
    """What training knew.

    Attributes:
        encoded: float64[n] by key: the rate of each alert's value as known before it, for the first n alerts.
        global_rates: float64[n]: the global rate as known before each.
        priors: all of it as known at the end of the window, to be shipped.
    """

    encoded: dict[str, Array]
    global_rates: Array
    priors: Priors


def choose_keys(alerts: list[Raised]) -> list[str]:
    """The keys worth a table: those that have more than one value; labels only where they are common."""
    common = Counter(name for alert in alerts for name in alert.labels)
    least = max(LABEL_SHARE * len(alerts), 1.0)
    often = sorted((name for name, count in common.items() if count >= least), key=lambda name: (-common[name], name))
    keys = [*PRIOR_FIELDS, *sorted(f"label.{name}" for name in often[:LABEL_KEYS])]
    return [key for key in keys if key == "rule" or len(set(prior_values(key, alerts))) > 1]


def learn(replayed: Replayed, keys: list[str], steps: int, alerts: int) -> Learnt:
    """Learn over the first `steps` of the sequence, in which the first `alerts` alerts were raised."""
    values = [prior_values(key, replayed.alerts[:alerts]) for key in keys]
    tables: list[dict[str, OutcomeCounts]] = [{} for _ in keys]
    rates = [array("d") for _ in keys]
    global_rates = array("d")
    counts, outcomes = replayed.counts.tolist(), replayed.outcome.tolist()
    weights = label_weights(replayed)
    weighing = [1.0] * len(counts) if weights is None else weights.tolist()
    total = OutcomeCounts()
    for step in replayed.sequence[:steps].tolist():
        if step >= 0:
            overall = _global(total)
            global_rates.append(overall)
            for column, table, known in zip(values, tables, rates, strict=True):
                known.append(_rate(table.get(column[step]), overall))
        elif counts[~step]:
            outcome, weight = outcomes[~step], weighing[~step]
            total.add(outcome, weight)
            for column, table in zip(values, tables, strict=True):
                entry = table.get(column[~step])
                if entry is None:
                    entry = table[column[~step]] = OutcomeCounts()
                entry.add(outcome, weight)
    overall = _global(total)
    final = {key: _shipped(table, overall) for key, table in zip(keys, tables, strict=True)}
    encoded = {key: np.array(known) for key, known in zip(keys, rates, strict=True)}
    return Learnt(encoded, np.array(global_rates), Priors(overall, final))


def _shipped(table: dict[str, OutcomeCounts], overall: float) -> dict[str, float]:
    kept = [
        value for value, entry in table.items() if entry.outcomes >= LEAST_OUTCOMES and len(value) <= limits.NAME_LENGTH
    ]
    kept.sort(key=lambda value: (-table[value].outcomes, value))
    return {value: _rate(table[value], overall) for value in sorted(kept[:VALUES])}


def _rate(entry: OutcomeCounts | None, overall: float) -> float:
    if entry is None or entry.outcomes < LEAST_OUTCOMES:
        return overall
    return entry.smoothed(overall, SMOOTHING)


def _global(total: OutcomeCounts) -> float:
    return total.smoothed(0.5, 2.0)
