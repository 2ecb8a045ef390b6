"""The live comparison of champion and challenger, on alerts that both scored and whose outcome is known.

A promotion rests on it. It needs the outcomes topic and numpy, no library of the lab's. An alert is judged when
the latest decision seen lies at its raise + horizon + grace or later, whatever came of it, so that fast outcomes do not
run ahead of slow ones. Held-out alerts are judged: no rule touched them, and each stands for 1/(1 - p_act) alerts.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from stream.config import Settings
from stream.core import limits
from stream.core.events import seconds
from stream.core.frame import Array, Labels
from stream.core.kinds import CLOSED_BY_RULE, CORRECTION, PAUSED_BY_RULE, is_drill
from stream.core.problem import Problem
from stream.core.records import Outcome, decode_outcome
from stream.lab.judging import metrics
from stream.lab.judging.bootstrap import DAY, HOUR, LEAST_DAYS, Days, days_of, interval
from stream.lab.judging.report_schema import Interval
from stream.lab.weights import NO_CHANCES, Chances, effective_size, weighted_mean, weights_from

log = logging.getLogger(__name__)

SEED = 7
Mask = NDArray[np.bool_]
LeftOut = Literal[
    "another_problem",
    "not_by_both",
    "closed_by_rule",
    "paused_by_rule",
    "unknown_outcome",
    "flood",
    "visibility_only",
    "maintenance",
    "drill",
]


class PairedScores(Struct, frozen=True, eq=False):
    """N alerts with an outcome and two scores: raised at (seconds since 1970), 0 noise or 1 actionable, both scores.

    `weights` are how many alerts each stands for, float64[N]; None where each is 1.
    """

    at: Array
    y: Labels
    champion: Array
    challenger: Array
    weights: Array | None = None


class EdgeFigures(Struct, frozen=True):
    """One model's Brier score, and the shares of actionable at or above its likely_noise edge and of noise below it."""

    brier: float | None
    detection: float | None
    suppressed: float | None


class Comparison(Struct, frozen=True, kw_only=True):
    """A challenger beside its champion on the same matured alerts.

    Differences are challenger - champion, None where there is nothing to take them of. Their 95 % intervals are by a
    paired bootstrap over `blocks` of raising: days, or hours where there are fewer than ten days. `worse` says in what
    the challenger is surely worse: its whole interval is. In detection it is so only if it is surely below the target
    as well: who keeps what the problem asks for has merely another edge on the same curve, and suppresses more.

    Attributes:
        matured: alerts compared.
        effective: how many of equal weight would tell as much, where rules held some out.
        needed: how many there must be (`target.min_outcomes`).
        young: alerts scored by both that will count when their time has passed.
        left_out: outcomes that never count, by reason.
        label_rate: share of the compared alerts that were acted on.
        reached: the challenger's own detection.
        not_tested: in what it could not be tested whether the challenger is worse, and why.
    """

    champion: str
    challenger: str
    matured: int
    needed: int
    days: int
    blocks: Literal["days", "hours"]
    young: int = 0
    left_out: dict[LeftOut, int] = {}
    label_rate: float | None = None
    of_champion: EdgeFigures
    of_challenger: EdgeFigures
    brier: Interval | None
    detection: Interval | None
    suppressed: Interval | None
    reached: Interval | None
    worse: list[str]
    not_tested: list[str] = []
    effective: float | UnsetType = UNSET

    @property
    def fault(self) -> str | None:
        """Why the challenger may not be promoted, in one sentence; None if it may."""
        if self.matured < self.needed:
            return (
                f"{self.challenger} and {self.champion} both scored {self.matured:,} of {self.needed:,} alerts whose "
                "time has passed; wait, or lower target.min_outcomes in the problem file"
            )
        if self.brier is None or self.brier.low is None:
            return (
                f"the {self.matured:,} alerts that {self.challenger} and {self.champion} both scored were raised in "
                f"fewer than {LEAST_DAYS} hours, too few to say how sure a difference is; wait"
            )
        if self.worse:
            return f"{self.challenger} is surely worse than {self.champion}: {'; '.join(self.worse)}"
        if self.not_tested:
            return f"{self.challenger} was not tested beside {self.champion}: {'; '.join(self.not_tested)}; wait"
        return None


def compare_live(
    outcomes: Iterable[Outcome],
    champion: str,
    challenger: str,
    problem: Problem,
    edges: Mapping[str, float],
    chances: Chances = NO_CHANCES,
) -> Comparison:
    """The comparison of two versions on outcomes, in any order and with repetitions: neither changes a digit.

    An alert's first outcome stands. A correction replaces it; but as only alerts that a rule closed are ever corrected,
    and only if they were acted on, to judge by them would hold against the champion what its own scores had closed:
    they are left out, with all that a rule closed.

    `edges` has both versions' likely_noise edge, `chances` the p_act of what rules held out.
    """
    latest, left_out = -math.inf, Counter[LeftOut]()
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        latest = max(latest, seconds(outcome.decided_at))
        key = (outcome.team, outcome.alert_id)
        if key not in found or (outcome.by == CORRECTION and found[key].by != CORRECTION):
            found[key] = outcome
    rows: list[tuple[float, int, float, float, float]] = []
    young = 0
    for outcome in found.values():
        reason = _left_out(outcome, champion, challenger, problem)
        raised_at = seconds(outcome.raised_at)
        if reason is not None:
            left_out[reason] += 1
        elif raised_at + problem.due_seconds > latest:
            young += 1
        else:
            label = int(outcome.outcome == "actionable")
            p_act = chances.get((outcome.team, outcome.alert_id), 0.0)
            rows.append((raised_at, label, outcome.scores[champion], outcome.scores[challenger], p_act))
    columns = np.array(sorted(rows), dtype=np.float64).reshape(len(rows), 5).T
    pair = PairedScores(columns[0], columns[1].astype(np.int8), columns[2], columns[3], weights_from(columns[4]))
    compared = compare_scores(pair, champion, challenger, problem, edges)
    return msgspec.structs.replace(compared, young=young, left_out=dict(left_out))


def compare_scores(
    pair: PairedScores, champion: str, challenger: str, problem: Problem, edges: Mapping[str, float]
) -> Comparison:
    """The comparison of two versions on alerts that all count."""
    days = len(np.unique(np.floor(pair.at / DAY)))
    blocks: Literal["days", "hours"] = "days" if days >= LEAST_DAYS else "hours"
    counted = len(pair.at)
    w = pair.weights
    kept = [_kept(pair.y, p, edges[name], w) for p, name in ((pair.champion, champion), (pair.challenger, challenger))]
    brier = detection = suppressed = reached = None
    if counted:
        drawn = days_of(pair.at, SEED, seconds=DAY if blocks == "days" else HOUR, weights=w)
        loss = (pair.challenger - pair.y) ** 2 - (pair.champion - pair.y) ** 2
        brier = interval(weighted_mean(loss, w), drawn.mean(loss), drawn.enough)
        above = pair.champion >= edges[champion], pair.challenger >= edges[challenger]
        detection = _moved(above[0], above[1], pair.y == 1, drawn)
        suppressed = _moved(~above[0], ~above[1], pair.y == 0, drawn)
        reached = _moved(np.zeros_like(above[1]), above[1], pair.y == 1, drawn)
    return Comparison(
        champion=champion,
        challenger=challenger,
        matured=counted,
        needed=problem.target.min_outcomes,
        days=days,
        blocks=blocks,
        label_rate=weighted_mean(pair.y, w) if counted else None,
        of_champion=kept[0],
        of_challenger=kept[1],
        brier=brier,
        detection=detection,
        suppressed=suppressed,
        reached=reached,
        worse=_worse(brier, detection, reached, problem.target.detection),
        not_tested=list(_not_tested(brier, detection, counted, blocks)),
        effective=UNSET if w is None else effective_size(w),
    )


def read_outcomes(settings: Settings, since: float | None = None) -> Iterator[Outcome]:
    """The outcomes on Kafka, each once, and its correction: all, or those written since about a time.

    `since` is wall-clock time, in seconds since 1970, held against the records' own timestamps, so that it serves a
    replay of old events as well. Clocks may differ by ten minutes.

    Raises:
        BrokerError: Kafka can't be reached or read, or the topic is missing.
    """
    from stream.core.once import Once
    from stream.kafka.reader import Reader

    once, unreadable = Once(), 0
    written = None if since is None else since - limits.SKEW_SECONDS
    with Reader(settings, [settings.topics.outcomes], since=written) as reader:
        for message in reader.read_all():
            if written is not None and message.timestamp()[1] / 1000.0 < written:
                continue
            try:
                outcome = decode_outcome(message.value() or b"")
            except (msgspec.DecodeError, ValueError, RecursionError):
                unreadable += 1
                continue
            if once.takes_outcome(outcome):
                yield outcome
    if unreadable:
        log.warning("%d records on %s are no outcomes and were passed over", unreadable, settings.topics.outcomes)


def _left_out(outcome: Outcome, champion: str, challenger: str, problem: Problem) -> LeftOut | None:
    if outcome.problem.rpartition("@")[2] != problem.digest:
        return "another_problem"
    if is_drill(outcome.team):
        return "drill"
    if champion not in outcome.scores or challenger not in outcome.scores:
        return "not_by_both"
    if outcome.by in (CORRECTION, CLOSED_BY_RULE):
        return "closed_by_rule"
    if outcome.by == PAUSED_BY_RULE:
        return "paused_by_rule"
    if "maintenance" in outcome.flags:
        return "maintenance"
    if outcome.outcome == "unknown":
        return "unknown_outcome"
    if "flood" in outcome.flags:
        return "flood"
    return "visibility_only" if "visibility_only" in outcome.flags else None


def _kept(y: Labels, p: Array, edge: float, w: Array | None) -> EdgeFigures:
    brier = metrics.brier(y, p, w) if len(y) else math.nan
    figures = brier, metrics.detected_from(y, p, edge, w), metrics.suppressed_below(y, p, edge, w)
    return EdgeFigures(*(value if math.isfinite(value) else None for value in figures))


def _moved(before: Mask, after: Mask, among: Mask, drawn: Days) -> Interval | None:
    """The change of a share, from `before` to `after` among some of the rows (all bool[N]); None without any."""
    if not among.any():
        return None
    w = None if drawn.weights is None else drawn.weights[among]
    value = weighted_mean(after[among], w) - weighted_mean(before[among], w)
    return interval(value, drawn.share(after, among) - drawn.share(before, among), drawn.enough)


def _not_tested(brier: Interval | None, detection: Interval | None, count: int, blocks: str) -> Iterator[str]:
    few = f"{count:,} alerts of fewer than {LEAST_DAYS} {blocks}"
    if brier is None or brier.low is None:
        yield f"Brier score ({few})"
    if detection is None:
        yield f"detection (none of the {count:,} alerts was acted on)"
    elif detection.low is None:
        yield f"detection ({few})"


def _worse(brier: Interval | None, detection: Interval | None, reached: Interval | None, target: float) -> list[str]:
    reasons = []
    if brier is not None and brier.low is not None and brier.high is not None and brier.low > 0.0:
        reasons.append(f"Brier score {brier.value:+.4f}, 95 % interval {brier.low:+.4f} to {brier.high:+.4f}")
    if detection is None or detection.low is None or detection.high is None or detection.high >= 0.0:
        return reasons
    if reached is not None and reached.high is not None and reached.high < target:
        bounds = f"95 % interval {detection.low:+.1%} to {detection.high:+.1%}"
        reasons.append(
            f"detection at its own likely_noise edge {detection.value:+.1%}, {bounds}, to {reached.value:.1%}, "
            f"surely below the target of {target:.0%}"
        )
    return reasons
