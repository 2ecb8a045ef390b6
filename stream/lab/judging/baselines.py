"""The five baselines of the problem definition: the simplest scores that history gives at each raise.

Each knows only what was known at the raise. With g the global rate so far: `always_noise` says g for every alert;
`team_rate` and `rule_rate` (k + 10 g) / (n + 10) of k actionable among n outcomes; `team_rule_rate` likewise towards
team_rate; `last_outcome` of team and rule 0 or 1, g where there is none. Before any outcome g is 0.5. Where labels are
weighed, n is the effective number of outcomes, and k that times their weighted share of actionable.
"""

from array import array
from collections.abc import Mapping

import numpy as np

from stream.core.frame import Array
from stream.core.problem import BASELINES
from stream.lab.replaying import Replayed
from stream.lab.weights import OutcomeCounts, label_weights

SMOOTHING = 10.0
ALWAYS_NOISE = "always_noise"
ALWAYS_NOISE_MEANING = (
    "One rate for all (always_noise) gives every alert the share acted on until then: it tells no alert from another, "
    "and its AUC is near 0.5. It is what a score is worth that knows nothing of the alert."
)
_NONE = OutcomeCounts()  # never added to


def title_of(name: str) -> str:
    """A score's name for people: as it is, but for `always_noise`, whose name does not say what it is.

    >>> title_of("always_noise"), title_of("team_rate")
    ('one rate for all (always_noise)', 'team_rate')
    """
    return f"one rate for all ({name})" if name == ALWAYS_NOISE else name


class Baselines:
    """The outcomes known so far, counted. Excluded and flood alerts are left out by the caller."""

    def __init__(self) -> None:
        self._all = OutcomeCounts()
        self._teams: dict[str, OutcomeCounts] = {}
        self._rules: dict[str, OutcomeCounts] = {}
        self._team_rules: dict[tuple[str, str], OutcomeCounts] = {}
        self._last: dict[tuple[str, str], int] = {}

    def raised(self, team: str, rule: str) -> dict[str, float]:
        """Every baseline's score of an alert raised now."""
        overall = self._all.rate if self._all.outcomes else 0.5
        team_rate = self._teams.get(team, _NONE).smoothed(overall, SMOOTHING)
        last = self._last.get((team, rule))
        return {
            ALWAYS_NOISE: overall,
            "team_rate": team_rate,
            "rule_rate": self._rules.get(rule, _NONE).smoothed(overall, SMOOTHING),
            "team_rule_rate": self._team_rules.get((team, rule), _NONE).smoothed(team_rate, SMOOTHING),
            "last_outcome": overall if last is None else float(last),
        }

    def known(self, team: str, rule: str, outcome: int, weight: float = 1.0) -> None:
        """Count an outcome that has become known: 1 actionable, 0 noise."""
        self._all.add(outcome, weight)
        for counts in (
            self._teams.setdefault(team, OutcomeCounts()),
            self._rules.setdefault(rule, OutcomeCounts()),
            self._team_rules.setdefault((team, rule), OutcomeCounts()),
        ):
            counts.add(outcome, weight)
        self._last[team, rule] = outcome


def score_baselines(replayed: Replayed) -> Mapping[str, Array]:
    """Each baseline's score of every alert, float64[N] by name; NaN for excluded and flood alerts."""
    scores: dict[str, array[float]] = {name: array("d", [float("nan")]) * len(replayed.alerts) for name in BASELINES}
    knowing, alerts, counts, weights = Baselines(), replayed.alerts, replayed.counts, label_weights(replayed)
    for step in replayed.sequence:
        index = step if step >= 0 else ~step
        if not counts[index]:
            continue
        alert = alerts[index]
        if step < 0:
            weight = 1.0 if weights is None else float(weights[index])
            knowing.known(alert.team, alert.rule, int(replayed.outcome[index]), weight)
            continue
        for name, score in knowing.raised(alert.team, alert.rule).items():
            scores[name][index] = score
    return {name: np.frombuffer(values, dtype=np.float64) for name, values in scores.items()}
