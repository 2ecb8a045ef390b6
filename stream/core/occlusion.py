"""Occlusion: how far each group of features moved one alert's score (Zeiler and Fergus, ECCV 2014).

A group is taken out, the alert is scored again, and the difference in log-odds is the group's push: above zero it made
the score higher. Features that say the same thing move together, since a model reads what one of them hides from the
others: all rates of the entity are one group, and features computed from several levels (`shifts`, `additive`,
`team_rule.shrunk`) are computed anew.

What takes a group's place is what the model reads where nothing is known of it: a level's rates are then its parent's,
and a prior is the global rate. Such alerts exist and were in training; an alert with the median of each feature does
not. Only load, the weekday and the time since the last alert, which are always known, take their usual value (the
median of the model's reference), and the hour a mean over the day.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from stream.core.features import TITLE_FEATURES
from stream.core.frame import WINDOWS, Array, Matrix, expit, logit, parent_of
from stream.core.records import Like, Push
from stream.core.records import Score as Record
from stream.core.titles import TITLE

Score = Callable[[Matrix], Array]
_HOURS = (0.0, 8.0, 16.0)
_RATE, _PRIOR = ".rate_ever", "prior."
_USUAL_GROUPS: Mapping[str, tuple[str, ...]] = {
    "repeat": ("hours_since_raised",),
    "load": ("raised_1d", "raised_ratio", "open"),
    "weekday": ("weekday",),
}
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
        self._priors = [name for name in names if name.startswith(_PRIOR) and name not in TITLE_FEATURES]
        self._levels_of: dict[str, list[str]] = {}
        for level in self._levels:
            self._levels_of.setdefault(_group_of(level), []).append(level)
        for prior in self._priors:
            self._levels_of.setdefault(prior.removeprefix(_PRIOR), [])
        if any(name in TITLE_FEATURES for name in names):
            self._levels_of[TITLE] = []
        usually = {
            group: [name for name in names if name.rpartition(".")[2] in suffixes and name in usual]
            for group, suffixes in _USUAL_GROUPS.items()
        }
        others = {name: [name] for name in names if not self._is_grouped(name) and name in usual}
        self._usually = {group: found for group, found in (usually | others).items() if found}
        self._with_hour = "hour_sin" in self._columns and "hour_cos" in self._columns
        recent, hour = ["recent"] if self._levels else [], ["hour"] if self._with_hour else []
        self.groups: tuple[str, ...] = (*self._levels_of, *recent, *self._usually, *hour)

    def pushes(self, matrix: Matrix, score: Score) -> Array:
        """The push of each group on each alert in logits: float64[N, G] of float32[N, F].

        `score` gives probabilities, float64[n] of float32[n, F].
        """
        alerts, singles = len(matrix), len(self.groups) - self._with_hour
        variants = np.repeat(matrix[None], 1 + singles + len(_HOURS) * self._with_hour, axis=0)
        for number, group in enumerate(self.groups[:singles], start=1):
            self._take_out(group, variants[number])
        for number, hour in enumerate(_HOURS if self._with_hour else (), start=1 + singles):
            self._set_hour(variants[number], hour)
        rule = 1 + self.groups.index("rule") if "rule" in self.groups else None
        self._recompute(variants, rule)
        logits = logit(score(variants.reshape(-1, matrix.shape[1]))).reshape(-1, alerts)
        without = logits[1 : 1 + singles]
        if self._with_hour:
            without = np.vstack([without, logits[1 + singles :].mean(axis=0)])
        return np.asarray((logits[0] - without).T)

    def without(self, matrix: Matrix, groups: Collection[str], score: Score) -> Array:
        """The score of each alert with groups taken out together, but for the rule: float64[N] of float32[N, F]."""
        hours = _HOURS if "hour" in groups and self._with_hour else (None,)
        logits = []
        for hour in hours:
            variants = np.repeat(matrix[None], 2, axis=0)
            for group in self.groups:
                if group in groups and group not in ("hour", "rule"):
                    self._take_out(group, variants[1])
            if hour is not None:
                self._set_hour(variants[1], hour)
            self._recompute(variants, None)
            logits.append(logit(score(variants[1])))
        return expit(np.mean(logits, axis=0))

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

    def ranked(self, alert: Matrix, score: Score) -> list[Push]:
        """All pushes on one alert, float32[F], the strongest first; those that are not worth a word are left out."""
        (ranking,) = self.rankings(alert[None], score)
        return ranking

    def rankings(self, matrix: Matrix, score: Score) -> list[list[Push]]:
        """As `ranked`, of each of many alerts, float32[N, F]."""
        return [
            sorted(
                (
                    self._named(Push(group, round(by, 2)), alert)
                    for group, by in zip(self.groups, row, strict=True)
                    if abs(by) >= LEAST
                ),
                key=lambda push: -abs(push.by),
            )
            for row, alert in zip(self.pushes(matrix, score).tolist(), matrix, strict=True)
        ]

    def explain(
        self,
        matrix: Matrix,
        scores: Sequence[Record],
        likes: Sequence[Like | None],
        score: Score,
        most: int | None = None,
    ) -> list[Push | None]:
        """Of each alert whose words and score lie more than 25 points apart: what pushed the score away from them.

        Args:
            matrix: what the model read, float32[N, F].
            scores: what it gave.
            likes: what the words count.
            score: the model, as in `pushes`.
            most: so many of them are looked at, the first ones; None: all.
        """
        found: list[Push | None] = [None] * len(scores)
        apart = [number for number, pair in enumerate(zip(scores, likes, strict=True)) if contradicts(*pair)][:most]
        if apart:
            for number, pushes in zip(apart, self.pushes(matrix[apart], score), strict=True):
                like = likes[number]
                assert like is not None, "nothing contradicts no words"
                upwards = (scores[number].probability or 0.0) > like.acted / like.decided
                push = self.strongest(pushes, upwards, like.level)
                found[number] = self._named(push, matrix[number]) if push is not None else None
        return found

    def _named(self, push: Push, alert: Matrix) -> Push:
        """The push; that of the time since the last alert is `repeat` where it is short, `pause` where it is long."""
        if push.group != "repeat":
            return push
        longer = [alert[self._columns[name]] - self._usual[name] for name in self._usually["repeat"]]
        return Push("pause", push.by) if np.nansum(longer) > 0.0 else push

    def _is_grouped(self, name: str) -> bool:
        level, _, field = name.rpartition(".")
        known = level in self._levels and (field.startswith(("rate_", "decided_")) or field in _UNKNOWN)
        grouped = any(field in suffixes for suffixes in _USUAL_GROUPS.values())
        return known or grouped or name in _COMPUTED or name.startswith(_PRIOR)

    def _take_out(self, group: str, changed: Matrix) -> None:
        """Change alerts in place to what they are without a group."""
        if group in self._usually:
            for name in self._usually[group]:
                self._set(changed, name, self._usual[name])
        elif group == "recent":
            self._take_out_recent(changed)
        else:
            for level in self._levels_of[group]:
                self._forget(changed, level)
            for name in TITLE_FEATURES if group == TITLE else (f"{_PRIOR}{group}",):
                self._set(changed, name, self._root)

    def _take_out_recent(self, changed: Matrix) -> None:
        """As if each level had always been as over its whole history."""
        for level in self._levels:
            ever = self._get(changed, level + _RATE)
            for window in WINDOWS:
                self._set(changed, f"{level}.rate_{window}", ever)
            for field, value in (("last_1", np.round(ever)), ("last_8", ever)):
                known = self._get(changed, f"{level}.{field}")
                self._set(changed, f"{level}.{field}", np.where(np.isnan(known), np.nan, value))

    def _forget(self, changed: Matrix, level: str) -> None:
        """Make a level one in which nothing has happened."""
        for window in WINDOWS:
            self._set(changed, f"{level}.rate_{window}", self._parent_rate(changed, level, window))
        self._set(changed, f"{level}.decided_30d", 0.0)
        for field in _UNKNOWN:
            self._set(changed, f"{level}.{field}", np.nan)

    def _set_hour(self, matrix: Matrix, hour: float) -> None:
        self._set(matrix, "hour_sin", np.sin(2.0 * np.pi * hour / 24.0))
        self._set(matrix, "hour_cos", np.cos(2.0 * np.pi * hour / 24.0))

    def _recompute(self, variants: Matrix, without_rule: int | None) -> None:
        """Bring the features that are computed from several levels in line with what was changed; the first was not.

        `without_rule` is the variant from which the rule is taken out.
        """
        if not any(name in self._columns for name in _COMPUTED[:3]):
            return
        additive, shifts = self._additive(variants), self._shifts(variants)
        before, shrunk = additive[0], self._get(variants, "team_rule.shrunk")
        by = np.nan_to_num(additive - before)  # a model that reads few features can't tell: then nothing moves
        unlike = before - self._get(variants, "team.rate_ever")[0]
        held = (shrunk[0] - self._get(variants, "team_rule.rate_ever")[0]) / np.where(
            np.abs(unlike) < 1e-3, np.inf, unlike
        )
        moved = shrunk + np.clip(np.nan_to_num(held), 0.0, 1.0) * by
        if without_rule is not None:  # no outcome of the rule: nothing but `additive`, where it is known
            alone = additive[without_rule]
            moved[without_rule] = np.where(np.isnan(alone), moved[without_rule], alone)
        self._set(variants, "shifts", self._get(variants, "shifts") + shifts - shifts[0])
        self._set(variants, "additive", self._get(variants, "additive") + by)
        self._set(variants, "team_rule.shrunk", moved)

    def _additive(self, matrix: Matrix) -> Array:
        rule = self._get(matrix, f"{_PRIOR}rule")
        return expit(logit(self._get(matrix, "team.rate_ever")) + logit(rule) - logit(self._root))

    def _shifts(self, matrix: Matrix) -> Array:
        """What `Frame.shifts` adds up, as far as the model reads it."""
        total = np.zeros(matrix.shape[:-1])
        for prior in self._priors:
            total += logit(self._get(matrix, prior)) - logit(self._root)
        for level in self._levels:
            total += logit(self._get(matrix, level + _RATE)) - logit(self._parent_rate(matrix, level, "ever"))
        return total

    def _parent_rate(self, matrix: Matrix, level: str, window: str) -> Array:
        """The rate that a level's is smoothed to; the global one where the model does not read it."""
        name = f"{parent_of(level)}.rate_{window}"
        return self._get(matrix, name) if name in self._columns else np.full(matrix.shape[:-1], self._root)

    def _get(self, matrix: Matrix, name: str) -> Array:
        """A feature's values, float64[...] of float32[..., F]; NaN where the model does not read it."""
        column = self._columns.get(name)
        return np.full(matrix.shape[:-1], np.nan) if column is None else matrix[..., column].astype(np.float64)

    def _set(self, matrix: Matrix, name: str, value: Array | float) -> None:
        column = self._columns.get(name)
        if column is not None:
            matrix[..., column] = value


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
