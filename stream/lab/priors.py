"""Priors: rates of what repeats, but not by team; in training each alert's are of what was known before it."""

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from stream.core import limits
from stream.core.errors import LabError
from stream.core.events import Raised
from stream.core.features import Feature
from stream.core.frame import PRIOR_FIELDS, Array, Priors, is_prior_key, prior_values
from stream.core.titles import SIDES, TITLE, sides_of, tokens_of
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


def choose_keys(alerts: list[Raised], also: Sequence[str] = (), titles: bool = False) -> list[str]:
    """The keys worth a table: those that have more than one value; labels only where they are common.

    Args:
        alerts: of the training window.
        also: keys that get a table however rare they are.
        titles: whether the words of titles get one.

    Raises:
        LabError: no alert has a label of `also`, or a title where they are asked for.
    """
    common = Counter(name for alert in alerts for name in alert.labels)
    least = max(LABEL_SHARE * len(alerts), 1.0)
    often = sorted((name for name, count in common.items() if count >= least), key=lambda name: (-common[name], name))
    keys = [*PRIOR_FIELDS, *sorted(f"label.{name}" for name in often[:LABEL_KEYS])]
    chosen = [key for key in keys if key == "rule" or len(set(prior_values(key, alerts))) > 1]
    for key in also:
        if key.removeprefix("label.") not in common and key not in PRIOR_FIELDS:
            seen = ", ".join(often[:LABEL_KEYS]) or "none"
            raise LabError(f"no alert of the training window has the label of {key!r}; it has: {seen}")
    if titles and not any(alert.title for alert in alerts):
        raise LabError("no alert of the training window has a title", "train without --titles")
    chosen += [key for key in dict.fromkeys(also) if key not in chosen]
    return [*chosen, TITLE] if titles else chosen


def needed_keys(features: Sequence[Feature], alerts: list[Raised]) -> list[str]:
    """The prior keys that features need and that an alert has a value of."""
    needed = dict.fromkeys(key for feature in features for key in feature.needs if is_prior_key(key) and key != TITLE)
    return [key for key in needed if any(prior_values(key, alerts))]


def learn(replayed: Replayed, keys: list[str], steps: int, alerts: int) -> Learnt:
    """Learn over the first `steps` of the sequence, in which the first `alerts` alerts were raised."""
    titles = _Titles(replayed.alerts[:alerts]) if TITLE in keys else None
    keys = [key for key in keys if key != TITLE]
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
            if titles is not None:
                titles.raised(step, overall)
        elif counts[~step]:
            outcome, weight = outcomes[~step], weighing[~step]
            total.add(outcome, weight)
            for column, table in zip(values, tables, strict=True):
                entry = table.get(column[~step])
                if entry is None:
                    entry = table[column[~step]] = OutcomeCounts()
                entry.add(outcome, weight)
            if titles is not None:
                titles.known(~step, outcome, weight)
    overall = _global(total)
    final = {key: _shipped(table, overall) for key, table in zip(keys, tables, strict=True)}
    encoded = {key: np.array(known) for key, known in zip(keys, rates, strict=True)}
    if titles is not None:
        final[TITLE] = _shipped(titles.table, overall)
        encoded |= titles.encoded
    return Learnt(encoded, np.array(global_rates), Priors(overall, final))


class _Titles:
    """Outcomes by token of the alerts' titles, and what was known of each title at its raise."""

    def __init__(self, alerts: list[Raised]) -> None:
        self._tokens = [tokens_of(alert.title) for alert in alerts]
        self._sides = [array("d") for _ in SIDES]
        self.table: dict[str, OutcomeCounts] = {}

    @property
    def encoded(self) -> dict[str, Array]:
        """float64[n] by side."""
        return {side: np.array(rates) for side, rates in zip(SIDES, self._sides, strict=True)}

    def raised(self, alert: int, overall: float) -> None:
        """Note what is known of an alert's title now; a token with fewer than `LEAST_OUTCOMES` is not."""
        entries = [self.table.get(token) for token in self._tokens[alert]]
        rates = [_rate(entry, overall) for entry in entries if entry is not None and entry.outcomes >= LEAST_OUTCOMES]
        for column, rate in zip(self._sides, sides_of(rates or (overall,)), strict=True):
            column.append(rate)

    def known(self, alert: int, outcome: int, weight: float) -> None:
        """Count an outcome that has become known, with the weight of its label."""
        for token in self._tokens[alert]:
            self.table.setdefault(token, OutcomeCounts()).add(outcome, weight)


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
