"""The five baselines of the problem definition: the simplest scores that history gives at each raise.

Each knows only what was known at the raise. With g the global rate so far: `always_noise` says g for every alert;
`team_rate` and `rule_rate` (k + 10 g) / (n + 10) of k actionable among n outcomes; `team_rule_rate` likewise towards
team_rate; `last_outcome` of team and rule 0 or 1, g where there is none. Before any outcome g is 0.5.
"""

from array import array
from collections.abc import Mapping

import numpy as np

from stream.core.frame import Array
from stream.core.problem import BASELINES
from stream.lab.replaying import Replayed

SMOOTHING = 10.0
ALWAYS_NOISE = "always_noise"
ALWAYS_NOISE_MEANING = (
    "One rate for all (always_noise) gives every alert the share acted on until then: it tells no alert from another, "
    "and its AUC is near 0.5. It is what a score is worth that knows nothing of the alert."
)
_NONE = (0, 0)


def title_of(name: str) -> str:
    """A score's name for people: as it is, but for `always_noise`, whose name does not say what it is.

    >>> title_of("always_noise"), title_of("team_rate")
    ('one rate for all (always_noise)', 'team_rate')
    """
    return f"one rate for all ({name})" if name == ALWAYS_NOISE else name


class Baselines:
    """The outcomes known so far, counted. Excluded and flood alerts are left out by the caller."""

    def __init__(self) -> None:
        self._all = _NONE
        self._teams: dict[str, tuple[int, int]] = {}
        self._rules: dict[str, tuple[int, int]] = {}
        self._team_rules: dict[tuple[str, str], tuple[int, int]] = {}
        self._last: dict[tuple[str, str], int] = {}

    def raised(self, team: str, rule: str) -> dict[str, float]:
        """Every baseline's score of an alert raised now."""
        count, acted = self._all
        overall = acted / count if count else 0.5
        team_rate = _smoothed(self._teams.get(team, _NONE), overall)
        last = self._last.get((team, rule))
        return {
            ALWAYS_NOISE: overall,
            "team_rate": team_rate,
            "rule_rate": _smoothed(self._rules.get(rule, _NONE), overall),
            "team_rule_rate": _smoothed(self._team_rules.get((team, rule), _NONE), team_rate),
            "last_outcome": overall if last is None else float(last),
        }

    def known(self, team: str, rule: str, outcome: int) -> None:
        """Count an outcome that has become known: 1 actionable, 0 noise."""
        self._all = _plus(self._all, outcome)
        self._teams[team] = _plus(self._teams.get(team, _NONE), outcome)
        self._rules[rule] = _plus(self._rules.get(rule, _NONE), outcome)
        self._team_rules[team, rule] = _plus(self._team_rules.get((team, rule), _NONE), outcome)
        self._last[team, rule] = outcome


def score_baselines(replayed: Replayed) -> Mapping[str, Array]:
    """Each baseline's score of every alert, float64[N] by name; NaN for excluded and flood alerts."""
    scores: dict[str, array[float]] = {name: array("d", [float("nan")]) * len(replayed.alerts) for name in BASELINES}
    knowing, alerts, counts = Baselines(), replayed.alerts, replayed.counts
    for step in replayed.sequence:
        index = step if step >= 0 else ~step
        if not counts[index]:
            continue
        alert = alerts[index]
        if step < 0:
            knowing.known(alert.team, alert.rule, int(replayed.outcome[index]))
            continue
        for name, score in knowing.raised(alert.team, alert.rule).items():
            scores[name][index] = score
    return {name: np.frombuffer(values, dtype=np.float64) for name, values in scores.items()}


def _smoothed(known: tuple[int, int], towards: float) -> float:
    count, acted = known
    return (acted + SMOOTHING * towards) / (count + SMOOTHING)


def _plus(known: tuple[int, int], outcome: int) -> tuple[int, int]:
    return known[0] + 1, known[1] + outcome
