"""What rules would have done to the alerts of the past, and how long their proof would take from now on.

The past chose the rules, so it proves nothing: a rule that was written after a look at these alerts fits them, as any
rule would that was chosen so. Proof begins at a rule's first load.
"""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from stream.core.decisions import Brakes, Situation, TeamActs, decide
from stream.core.events import moment, seconds
from stream.core.kinds import is_drill
from stream.core.ladder import Verdict
from stream.core.observations import HOUR, PROOF, OpenHours, add_outcome, take_due
from stream.core.problem import DAY_SECONDS, Problem
from stream.core.proof import (
    LEAST_DAYS,
    TRIP_LEVEL,
    Tally,
    alpha_of,
    judge,
    more_needed,
    proof_words,
    total,
    trip_step,
)
from stream.core.records import Outcome, Proof
from stream.core.rule_index import IndexedRule, RuleIndex
from stream.core.tallies import matches
from stream.lab.rule_past import as_enriched

WARNING = "The past chose the rule and can't prove it: only what is raised after a rule's first load counts."
LISTED = 1_000  # alerts that people acted on, kept of each rule
TENFOLD = 10.0
_ACTS_AT_MOST = "the rule's limit"
_RUNS, _LONGEST, _ACTS = 1_000, 20_000, 300


class ActedOn(Struct, frozen=True):
    """An alert that the rule would have kept from people, and that people acted on."""

    alert_id: str
    team: str
    rule: str
    entity: str
    raised_at: datetime
    probability: float


class Week(Struct):
    """Seven days from a Monday on (UTC): alerts that the rule would have acted on, and what of them people acted on."""

    start: datetime
    would_act: int = 0
    judged: int = 0
    acted: int = 0


class RuleBacktest(Struct):
    """One rule in the past.

    Attributes:
        matched: alerts that met it first.
        would_act: of these, how many it would have acted on, had it been proven and armed, without a hold-out.
        blocked: why not the others, with their number.
        proof: of the observations, as if they counted; `words` is the same in a sentence.
        observations_per_day: hours of teams in which it matched, a day.
        acted_on: the alerts that people acted on among those it would have acted on, the first `LISTED`.
        acted: how many there are.
        weeks: the same by week.
    """

    name: str
    version: str
    owner: str
    limit: float
    matched: int
    would_act: int
    acted: int
    judged: int
    blocked: dict[str, int]
    proof: Proof
    words: str
    observations_per_day: float
    acted_on: list[ActedOn]
    weeks: list[Week]


class Backtest(Struct):
    """All rules in the past; `unmatched` alerts met none, `unscored` had no score."""

    first: datetime | None
    last: datetime | None
    alerts: int
    unmatched: int
    unscored: int
    rules: list[RuleBacktest]
    warning: str = WARNING


class Plan(Struct, frozen=True):
    """How long one rule would take, in days, at its past volume; None where that is beyond all waiting.

    Attributes:
        observations_per_day: hours of teams in which it matched, a day.
        proof_days: to the first proof in shadow, if nothing is acted on.
        median_days: to it in half of the cases, at the past share.
        second_days: to the second proof, from half of the hours, in half of the cases.
        notice_days: until the trip notices a risk of ten times the limit (at most 1), by hold-out share.
    """

    name: str
    limit: float
    observations_per_day: float
    past_share: float | None
    proof_days: float | None
    median_days: float | None
    second_days: float | None
    notice_days: dict[str, float | None]


class _Found(Struct):
    """What is gathered of one rule."""

    matched: int = 0
    would_act: int = 0
    judged: int = 0
    acted: int = 0
    blocked: Counter[str] = field(default_factory=Counter)
    acted_on: list[ActedOn] = field(default_factory=list)
    weeks: dict[int, Week] = field(default_factory=dict)
    hours: dict[str, OpenHours] = field(default_factory=dict)  # by team


def backtest(index: RuleIndex, outcomes: Iterable[Outcome], problem: Problem) -> Backtest:
    """What the rules would have done to alerts with these outcomes, in order of their raises.

    Each rule is taken as proven and armed to pause, without a hold-out. Drills are left out.
    """
    in_order = sorted((one for one in outcomes if not is_drill(one.team)), key=lambda one: one.raised_at)
    names = [one.rule.name for one in index.rules]
    models = frozenset(one.model for one in in_order if one.model is not None)
    situation = _all_armed(index, models)
    acts: dict[str, dict[str, TeamActs]] = {}
    found = {name: _Found() for name in names}
    counts: Counter[str] = Counter()
    for one in in_order:
        scored = as_enriched(one)
        decision = decide(scored, situation, acts.setdefault(one.team, {}), seconds(one.raised_at))
        if decision.by_rule is None:
            counts["unscored" if scored.score.probability is None else "unmatched"] += 1
            continue
        _note(found[decision.by_rule], one, decision.why if decision.decision == "blocked" else None)
        for rule, observed in matches(index, one):
            if PROOF in observed:
                add_outcome(
                    found[rule.rule.name].hours.setdefault(one.team, OpenHours()), one, [PROOF], bool(rule.labels)
                )
    first, last = (in_order[0].raised_at, in_order[-1].raised_at) if in_order else (None, None)
    ended = max((seconds(one.decided_at) for one in in_order), default=0.0)
    days = (ended - seconds(first)) / DAY_SECONDS if first else 0.0
    rules = [_result(one, found[one.rule.name], problem, ended, days) for one in index.rules]
    return Backtest(first, last, len(in_order), counts["unmatched"], counts["unscored"], rules)


def _all_armed(index: RuleIndex, models: frozenset[str]) -> Situation:
    """The rules as if each were proven and armed to pause, without a hold-out."""
    placed = [one.placed._replace(rule=replace(one.rule, mode="pause")) for one in index.rules]
    proof = Proof(0, 0.0, None, 0.0, "proven")
    verdicts = {one.rule.name: Verdict(one.version, "pause", proof, "", 0.0, 0, "pause") for one in index.rules}
    return Situation(
        RuleIndex(placed), verdicts, dict.fromkeys(verdicts, models), Brakes(), "", oldest_seconds=math.inf
    )


def _note(found: _Found, outcome: Outcome, blocked: str | None) -> None:
    found.matched += 1
    if blocked is not None:
        found.blocked[_ACTS_AT_MOST if blocked.endswith(_ACTS_AT_MOST) else blocked] += 1
        return
    at = seconds(outcome.raised_at)
    monday = int((at / DAY_SECONDS + 3) // 7)
    week = found.weeks.setdefault(monday, Week(moment((monday * 7 - 3) * DAY_SECONDS)))
    judged, acted = outcome.outcome != "unknown", outcome.outcome == "actionable"
    for count in (found, week):
        count.would_act += 1
        count.judged += judged
        count.acted += acted
    if acted and len(found.acted_on) < LISTED:
        probability = outcome.scores.get(outcome.model or "", math.nan)
        named = (outcome.alert_id, outcome.team, outcome.rule, outcome.entity)
        found.acted_on.append(ActedOn(*named, outcome.raised_at, probability))


def _result(one: IndexedRule, found: _Found, problem: Problem, ended: float, days: float) -> RuleBacktest:
    tallies = []
    for hours in found.hours.values():
        tally = Tally()
        for observation in take_due(hours, ended, problem):
            tally.add(observation.acted, observation.hour)
        tallies.append(tally)
    tally, rule, alpha = total(tallies), one.rule, alpha_of(1)
    proof = judge(tally, rule.risk, alpha)
    observed_days = days - (HOUR + DAY_SECONDS + problem.due_seconds) / DAY_SECONDS
    return RuleBacktest(
        name=rule.name,
        version=one.version,
        owner=rule.owner,
        limit=rule.risk,
        matched=found.matched,
        would_act=found.would_act,
        acted=found.acted,
        judged=found.judged,
        blocked=dict(found.blocked.most_common()),
        proof=proof,
        words=proof_words(proof, alpha, len(tally.days)),
        observations_per_day=tally.observations / observed_days if observed_days > 0.0 else 0.0,
        acted_on=found.acted_on,
        weeks=[found.weeks[monday] for monday in sorted(found.weeks)],
    )


def plan(past: RuleBacktest, floor: float) -> Plan:
    """How long a rule's proofs would take at its past volume, and how soon its trip would notice a tenfold risk."""
    proof, rate = past.proof, past.observations_per_day
    share = proof.acted / proof.observations if proof.observations else None

    def days(observations: float | None, of_hours: float = 1.0) -> float | None:
        return None if observations is None or not rate else observations / (rate * of_hours)

    def proof_days(observations: float | None, of_hours: float = 1.0) -> float | None:
        found = days(observations, of_hours)
        return None if found is None else max(found, float(LEAST_DAYS))

    delay = trip_delay(past.limit, min(TENFOLD * past.limit, 1.0))
    shares = sorted({0.5, 0.2, 0.1, floor}, reverse=True)
    return Plan(
        name=past.name,
        limit=past.limit,
        observations_per_day=rate,
        past_share=share,
        proof_days=proof_days(more_needed(0, 0.0, past.limit, alpha_of(1))),
        median_days=proof_days(None if share is None else median_needed(share, past.limit, alpha_of(1))),
        second_days=proof_days(None if share is None else median_needed(share, past.limit, alpha_of(2)), 0.5),
        notice_days={f"{each:.0%}": days(delay, each) for each in shares if each >= floor},
    )


def median_needed(share: float, limit: float, alpha: float) -> float | None:
    """How many observations prove the limit in half of the cases if this share of them is acted on whole.

    None where fewer than half of 1,000 simulated rules are proven before they were acted on 300 times.
    """
    if share >= limit:
        return None
    rng = np.random.default_rng(7)
    at, needed, proven = np.zeros(_RUNS), 0, np.full(_RUNS, np.inf)
    for acted in range(_ACTS):
        needed += more_needed(max(needed, acted), float(acted), limit, alpha) or 0 if needed else 0
        needed = needed or more_needed(0, 0.0, limit, alpha) or 0
        following = at + (rng.geometric(share, _RUNS) if share else np.inf)
        here = np.isinf(proven) & (following > needed)
        proven[here] = np.maximum(at[here], needed)
        at = following
        if np.isfinite(proven).mean() > 0.5:
            return float(np.median(proven))
    return None


def trip_delay(limit: float, risk: float) -> float:
    """The mean number of observations until the trip, from its lowest level, at a risk: of 1,000 simulated rules."""
    rng = np.random.default_rng(7)
    level, length = np.zeros(_RUNS), np.full(_RUNS, _LONGEST)
    quiet, acted = (trip_step(0.0, x, limit) for x in (0.0, 1.0))
    for n in range(1, _LONGEST):
        level = (1.0 + level) * np.where(rng.random(_RUNS) < risk, acted, quiet)
        length[(level >= TRIP_LEVEL) & (length == _LONGEST)] = n
        if n % 16 == 0 and (length < _LONGEST).all():
            break
    return float(length.mean())
