"""Occlusion: how far each group of features moved one alert's score (Zeiler and Fergus, ECCV 2014).

A group is taken out, the alert is scored again, and the difference in log-odds is the group's push: above zero it made
the score higher. Features that say the same thing move together, since a model reads what one of them hides from the
others: all rates of the entity are one group, and features computed from several levels (`shifts`, `additive`,
`team_rule.shrunk`) are computed anew.

What takes a group's place is what the model reads where nothing is known of it: a level's rates are then its parent's,
and a prior is the global rate. Such alerts exist and were in training; an alert with the median of each feature does
not. Only counts of load and times since the last alert, which have no unknown, take their usual value (the median of
the model's reference), and the hour and the weekday a mean over all of them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stream.core.frame import WINDOWS, Array, Matrix, expit, logit, parent_of
from stream.core.records import Like, Push
from stream.core.records import Score as Record

Score = Callable[[Matrix], Array]
_HOURS, _WEEKDAYS = (0.0, 6.0, 12.0, 18.0), tuple(map(float, range(7)))
_RATE, _PRIOR = ".rate_ever", "prior."
_REPEAT = "hours_since_raised"
_LOAD = ("raised_1d", "raised_ratio", "open")
_UNKNOWN = ("last_1", "last_8", "hours_since_acted")
_COMPUTED = ("shifts", "additive", "team_rule.shrunk", "hour_sin", "hour_cos", "weekday")
APART = 0.25  # words and a score this far apart need a reason
LEAST = 0.1  # logits; a smaller push is not worth a word
COVERED: Mapping[str, frozenset[str]] = {
    "team": frozenset({"team"}),
    "team_rule": frozenset({"team", "rule"}),
    "team_entity": frozenset({"team", "entity"}),
    "team_rule_entity": frozenset({"team", "rule", "entity"}),
}
"""The groups that words of a level speak of already."""


class Occlusion:
    """The pushes of one model's features.

    Args:
        names: the model's features, in its order.
        usual: the median of features by name, where it is known.
        global_rate: the share of actionable alerts in training.

    Attributes:
        groups: the groups that the model has, such as `entity`, `recent`, `severity`, `hour`.
    """

    def __init__(self, names: Sequence[str], usual: Mapping[str, float], global_rate: float) -> None:
        self._columns = {name: column for column, name in enumerate(names)}
        self._usual = usual
        self._root = global_rate
        self._levels = [name.removesuffix(_RATE) for name in names if name.endswith(_RATE)]
        self._priors = [name for name in names if name.startswith(_PRIOR)]
        self._of_group: dict[str, list[str]] = {}
        for level in self._levels:
            self._of_group.setdefault(_group_of(level), []).append(level)
        for prior in self._priors:
            self._of_group.setdefault(prior.removeprefix(_PRIOR), [])
        self._usually = {
            group: [name for name in names if name.rpartition(".")[2] in suffixes and name in usual]
            for group, suffixes in (("repeat", (_REPEAT,)), ("load", _LOAD))
        }
        self._other = [name for name in names if not self._is_grouped(name) and name in usual]
        self.groups: tuple[str, ...] = (
            *self._of_group,
            *(["recent"] if self._levels else []),
            *(group for group, found in self._usually.items() if found),
            *(["hour"] if "hour_sin" in self._columns and "hour_cos" in self._columns else []),
            *(["weekday"] if "weekday" in self._columns else []),
            *self._other,
        )

    def pushes(self, matrix: Matrix, score: Score) -> Array:
        """The push of each group on each alert in logits: float64[N, G] of float32[N, F].

        `score` gives probabilities, float64[n] of float32[n, F].
        """
        variants = [self._without(group, matrix) for group in self.groups]
        scored = logit(score(np.concatenate([matrix, *(one for several in variants for one in several)])))
        logits = scored.reshape(-1, len(matrix))
        found = np.empty((len(matrix), len(self.groups)))
        first = 1
        for column, several in enumerate(variants):
            found[:, column] = logits[0] - logits[first : first + len(several)].mean(axis=0)
            first += len(several)
        return found

    def strongest(self, pushes: Array, upwards: bool, level: str | None = None) -> Push | None:
        """Of one alert's pushes, float64[G], the largest in a direction, of a group that words of `level` leave out."""
        covered = COVERED.get(level or "", frozenset())
        free = [
            (by if upwards else -by, group)
            for group, by in zip(self.groups, pushes.tolist(), strict=True)
            if group not in covered
        ]
        size, group = max(free, default=(0.0, ""))
        return Push(group, round(size if upwards else -size, 2)) if size >= LEAST else None

    def explain(
        self, matrix: Matrix, scores: Sequence[Record], likes: Sequence[Like | None], score: Score
    ) -> list[Push | None]:
        """Of each alert whose words and score lie more than 25 points apart: what pushed the score away from them.

        Args:
            matrix: what the model read, float32[N, F].
            scores: what it gave.
            likes: what the words count.
            score: the model, as in `pushes`.
        """
        found: list[Push | None] = [None] * len(scores)
        apart = [number for number, one in enumerate(scores) if contradicts(one, likes[number])]
        if apart:
            for number, pushes in zip(apart, self.pushes(matrix[apart], score), strict=True):
                like = likes[number]
                assert like is not None, "nothing contradicts no words"
                upwards = (scores[number].probability or 0.0) > like.acted / like.decided
                found[number] = self.strongest(pushes, upwards, like.level)
        return found

    def _is_grouped(self, name: str) -> bool:
        level, _, field = name.rpartition(".")
        known = level in self._levels and (field.startswith(("rate_", "decided_")) or field in _UNKNOWN)
        return known or field in (_REPEAT, *_LOAD) or name in _COMPUTED or name in self._priors

    def _without(self, group: str, matrix: Matrix) -> list[Matrix]:
        """The alerts without what a group says, in one matrix or, where it has no one place, in several."""
        if group == "hour":
            angles = [2.0 * np.pi * hour / 24.0 for hour in _HOURS]
            return [self._put(matrix, {"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)}) for angle in angles]
        if group == "weekday":
            return [self._put(matrix, {"weekday": day}) for day in _WEEKDAYS]
        if group in self._usually or group in self._other:
            return [self._put(matrix, {name: self._usual[name] for name in self._usually.get(group, [group])})]
        if group == "recent":
            return [self._without_recent(matrix)]
        changed = matrix.copy()
        for level in self._of_group[group]:
            self._forget(changed, level)
        self._set(changed, f"{_PRIOR}{group}", self._root)
        return [self._computed(changed, matrix, group == "rule")]

    def _without_recent(self, matrix: Matrix) -> Matrix:
        """As if each level had always been as over its whole history."""
        changed = matrix.copy()
        for level in self._levels:
            ever = self._get(changed, level + _RATE)
            for window in WINDOWS:
                self._set(changed, f"{level}.rate_{window}", ever)
            for field, value in (("last_1", np.round(ever)), ("last_8", ever)):
                known = self._get(changed, f"{level}.{field}")
                self._set(changed, f"{level}.{field}", np.where(np.isnan(known), np.nan, value))
        return changed

    def _forget(self, changed: Matrix, level: str) -> None:
        """Make a level one in which nothing has happened."""
        for window in WINDOWS:
            self._set(changed, f"{level}.rate_{window}", self._parent_rate(changed, level, window))
        self._set(changed, f"{level}.decided_30d", 0.0)
        for field in _UNKNOWN:
            self._set(changed, f"{level}.{field}", np.nan)

    def _computed(self, changed: Matrix, matrix: Matrix, no_rule: bool) -> Matrix:
        """Bring the features that are computed from several levels in line with what was changed."""
        before, after = self._additive(matrix), self._additive(changed)
        self._set(changed, "shifts", self._get(matrix, "shifts") + self._shifts(changed) - self._shifts(matrix))
        self._set(changed, "additive", self._get(matrix, "additive") + after - before)
        shrunk = self._get(matrix, "team_rule.shrunk")
        unlike = before - self._get(matrix, "team.rate_ever")
        held = (shrunk - self._get(matrix, "team_rule.rate_ever")) / np.where(np.abs(unlike) < 1e-3, np.inf, unlike)
        moved = after if no_rule else shrunk + np.clip(np.nan_to_num(held), 0.0, 1.0) * (after - before)
        self._set(changed, "team_rule.shrunk", moved)
        return changed

    def _additive(self, matrix: Matrix) -> Array:
        rule = self._get(matrix, f"{_PRIOR}rule")
        return expit(logit(self._get(matrix, "team.rate_ever")) + logit(rule) - logit(self._root))

    def _shifts(self, matrix: Matrix) -> Array:
        """What `Frame.shifts` adds up, as far as the model reads it."""
        total = np.zeros(len(matrix))
        for prior in self._priors:
            total += logit(self._get(matrix, prior)) - logit(self._root)
        for level in self._levels:
            total += logit(self._get(matrix, level + _RATE)) - logit(self._parent_rate(matrix, level, "ever"))
        return total

    def _parent_rate(self, matrix: Matrix, level: str, window: str) -> Array:
        """The rate that a level's is smoothed to; the global one where the model does not read it."""
        above = parent_of(level)
        rate = self._get(matrix, f"{above}.rate_{window}" if above else "")
        return np.where(np.isnan(rate), self._root, rate)

    def _put(self, matrix: Matrix, values: Mapping[str, float]) -> Matrix:
        changed = matrix.copy()
        for name, value in values.items():
            self._set(changed, name, value)
        return changed

    def _get(self, matrix: Matrix, name: str) -> Array:
        """A feature's values, NaN where the model does not read it."""
        column = self._columns.get(name)
        return np.full(len(matrix), np.nan) if column is None else matrix[:, column].astype(np.float64)

    def _set(self, matrix: Matrix, name: str, value: Array | float) -> None:
        column = self._columns.get(name)
        if column is not None:
            matrix[:, column] = value


def contradicts(score: Record, like: Like | None) -> bool:
    """Whether words with these counts, shown beside the score, would lie more than 25 points from it."""
    if like is None or score.probability is None or score.evidence == "none":
        return False
    return abs(score.probability - like.acted / like.decided) > APART


def _group_of(level: str) -> str:
    """The group of a level: what it adds to its parent."""
    if level in ("team_entity", "team_rule_entity"):
        return "entity"
    if level == "team_rule":
        return "rule"
    head, _, label = level.partition(".")
    return f"label.{label}" if label else head
