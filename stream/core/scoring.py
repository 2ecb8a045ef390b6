"""From a probability and a row of history to what people are told: band, evidence, why."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from msgspec import Struct

from stream.core import state
from stream.core.events import moment
from stream.core.frame import WINDOWS, Array, Decayed, read_times
from stream.core.levels import TEAM, TEAM_RULE
from stream.core.records import Band, Evidence, Like, Push, Score, Why, Whys
from stream.core.text import display_text

EVIDENCE: tuple[Evidence, ...] = ("none", "weak", "some", "strong")
_SHOWN = 8
_LAST = [[[ring >> bit & 1 for bit in range(count)] for ring in range(256)] for count in range(_SHOWN + 1)]
"""The last outcomes, newest first, by how many there are and the ring's low byte; shared, never changed."""
_COUNTS = {
    "team_rule": "acted on {acted} of the last {decided} like this",
    "team_rule_entity": "acted on {acted} of the last {decided} like this on this entity",
    "team_entity": "acted on {acted} of the last {decided} on this entity",
    "team": "the team acted on {acted} of its last {decided}",
}
_PUSHES = {
    "entity": "on this entity",
    "rule": "for this rule",
    "team": "by this team",
    "recent": "lately",
    "repeat": "so soon after the last",
    "pause": "so long after the last",
    "load": "with so much going on",
    "hour": "at this hour",
    "weekday": "on this day of the week",
    "severity": "at this severity",
    "source": "from this source",
}
_MUCH = 1.5  # logits: from an even chance to 82 %
_NAME_LENGTH = 60


class Thresholds(Struct, frozen=True):
    """Where bands and evidence begin; a model's manifest carries its own.

    `some` and `strong` are outcomes known of team and rule, `weak` of the team, at a half-life of 30 d. Below all of
    them people are shown "not enough history". So they are for teams that are `unreadable`: there was history enough
    when the model was made, and its scores did not tell their alerts apart.
    """

    likely_noise: float = 0.1
    likely_actionable: float = 0.5
    weak: float = 20.0
    some: float = 5.0
    strong: float = 30.0
    unreadable: tuple[str, ...] = ()


def band_of(probability: float, thresholds: Thresholds) -> Band:
    """The band of a probability.

    >>> band_of(0.07, Thresholds())
    'likely_noise'
    """
    if probability < thresholds.likely_noise:
        return "likely_noise"
    return "likely_actionable" if probability >= thresholds.likely_actionable else "unsure"


def outcomes_known(rows: Array | Decayed) -> Array:
    """Outcomes known of the team, and of team and rule, at a half-life of 30 d: float64[N, 2] of the fold's rows."""
    if isinstance(rows, Decayed):
        return rows.counts[:, (TEAM, TEAM_RULE), 1, WINDOWS["30d"]]
    levels = rows[:, 1:].reshape(len(rows), rows.shape[1] // state.WIDTH, state.WIDTH)
    at = read_times(rows[:, 0], levels)[:, None]
    levels = levels[:, (TEAM, TEAM_RULE)]
    factors = state.decay_factors(levels[:, :, state.LANDMARK], at)
    return np.asarray(np.nan_to_num(levels[:, :, state.DECIDED + 2] * factors[:, :, 2]))


def evidence_of(rows: Array | Decayed, teams: Sequence[str], thresholds: Thresholds) -> list[Evidence]:
    """How much history each of the fold's rows holds, its team beside it (see `Thresholds`)."""
    known = outcomes_known(rows)
    grade = (known[:, 0] >= thresholds.weak).astype(int)
    grade[known[:, 1] >= thresholds.some] = 2
    grade[known[:, 1] >= thresholds.strong] = 3
    if thresholds.unreadable:
        unreadable = frozenset(thresholds.unreadable)
        grade[[team in unreadable for team in teams]] = 0
    return [EVIDENCE[index] for index in grade.tolist()]


def whys_of(rows: Array, likes: Sequence[Like | None] = (), pushes: Sequence[Push | None] = ()) -> list[Whys]:
    """The history of each of the fold's rows, with what its words count and what pushed its score, where known."""
    pairs = zip_longest(_whys(rows, TEAM_RULE), _whys(rows, TEAM), likes, pushes)
    return [Whys(*parts) for parts in pairs]


def history_words(score: Score, why: Whys | None) -> str:
    """The history behind a score in words a person can check, or why there are none.

    >>> team = Why(50, 5, [0], None)
    >>> score = Score(probability=0.07, band="likely_noise", model="m", evidence="strong", reason=None)
    >>> history_words(score, Whys(Why(42, 1, [0], None), team))
    'acted on 1 of the last 42 like this'
    >>> history_words(score, Whys(Why(0, 0, [], None), team))
    'new here; the team acted on 5 of its last 50'
    >>> history_words(score, Whys(Why(96, 62, [0], None), team, Like("team_rule_entity", 16, 2)))
    'acted on 2 of the last 16 like this on this entity'
    >>> history_words(score, Whys(Why(96, 62, [0], None), team, Like("team_rule", 96, 62), Push("hour", -2.1)))
    'acted on 62 of the last 96 like this; much less at this hour'
    """
    if score.reason is not None:
        return score.reason.replace("_", " ")
    if score.evidence == "none" or why is None:
        return "not enough history"
    words = _count_words(why)
    return words if why.push is None else f"{words}; {push_words(why.push)}"


def push_words(push: Push) -> str:
    """The strongest push on a score in words.

    >>> push_words(Push("entity", -0.7)), push_words(Push("label.env", 0.4))
    ('less on this entity', 'more with this env')
    """
    direction = ("much " if abs(push.by) >= _MUCH else "") + ("more" if push.by > 0.0 else "less")
    name = display_text(push.group.removeprefix("label."), _NAME_LENGTH)
    return f"{direction} {_PUSHES.get(push.group, f'with this {name}')}"


def counts_in_words(why: Whys) -> Like:
    """The past alerts that `history_words` counts.

    >>> counts_in_words(Whys(Why(0, 0, [], None), Why(50, 5, [0], None)))
    Like(level='team', decided=50, acted=5)
    >>> counts_in_words(Whys(Why(9, 0, [0], None), Why(50, 5, [0], None)))
    Like(level='team_rule', decided=9, acted=0)
    """
    if why.like is not None:
        return why.like
    known, team = why.team_rule, why.team
    return Like("team_rule", known.decided, known.acted) if known.decided else Like("team", team.decided, team.acted)


def _count_words(why: Whys) -> str:
    like = counts_in_words(why)
    if not why.team_rule.decided and like.level == "team":
        return f"new here; the team acted on {like.acted} of its last {like.decided}"
    return _COUNTS[like.level].format(acted=like.acted, decided=like.decided)


def _whys(rows: Array, level: int) -> list[Why]:
    start = 1 + state.WIDTH * level
    columns = [start + field for field in (state.DECIDED + 3, state.ACTED + 3, state.RING, state.LAST_ACTED)]
    decided, acted, ring = rows[:, columns[:3]].astype(np.int64).T
    last = zip(np.minimum(decided, _SHOWN).tolist(), (ring & 255).tolist(), strict=True)
    parts = zip(decided.tolist(), acted.tolist(), last, rows[:, columns[3]].tolist(), strict=True)
    return [
        Why(count, meant, _LAST[shown][bits], None if at == state.NEVER else moment(at))
        for count, meant, (shown, bits), at in parts
    ]
