"""What a rule does to an alert, and why: the first rule that matches, what keeps it from acting, what it does.

Everything a decision depends on is an argument: the scored alert, the rules, what their proofs allow, the brakes, what
was done to the same team before, and the time, which is the clock of the record's broker.
"""

from collections.abc import Mapping, MutableMapping

from msgspec import Struct

from stream.core import limits
from stream.core.events import Raised, moment, seconds, words_for
from stream.core.kinds import is_drill
from stream.core.ladder import Verdict
from stream.core.observations import HOUR, LABELS_CUT, hour_of
from stream.core.proof import draw
from stream.core.records import Decision, DecisionName, Enriched, Mode
from stream.core.rule_index import IndexedRule, RuleIndex
from stream.core.rules import MODES

OLDEST_SECONDS = 300.0  # an alert raised longer ago than this is never acted on
AHEAD_SECONDS = limits.SKEW_SECONDS  # it may be raised later than the clock by this much
_ARM_KEPT_HOURS = 50  # an episode ends 24 h after its first raise, and its alerts may come late


class Brakes(Struct, frozen=True):
    """What keeps rules from acting at the moment, each in words.

    Attributes:
        everything: of all rules, such as a pause of all by a person, or a history that is away.
        models: of alerts that a model scored, by its version, such as drift or age.
        teams: of a team's alerts.
    """

    everything: str | None = None
    models: Mapping[str, str] = {}
    teams: Mapping[str, str] = {}


class TeamActs(Struct, array_like=True):
    """What a rule did in one team: kept by the room, in the order of its records.

    Attributes:
        latest: the latest clock seen, seconds since 1970.
        hour, acts: how many alerts were acted on, or held out instead, in that UTC hour.
        episodes: the hour of the first raise of each episode of the last days, which its arm is drawn by.
    """

    latest: float = 0.0
    hour: int = 0
    acts: int = 0
    episodes: dict[str, int] = {}

    def first_hour(self, episode: str, hour: int) -> int:
        """The hour of an episode's first raise, if one of its alerts is raised in `hour`."""
        episodes = self.episodes
        if episode not in episodes:
            while episodes and (
                len(episodes) >= limits.RULE_EPISODES or episodes[next(iter(episodes))] < hour - _ARM_KEPT_HOURS
            ):
                del episodes[next(iter(episodes))]
            episodes[episode] = hour
        return episodes[episode]

    def count(self, at: float) -> None:
        """Count an alert that was acted on, or held out."""
        if hour_of(at) != self.hour:
            self.hour, self.acts = hour_of(at), 0
        self.acts += 1

    def counted(self, at: float) -> int:
        """How many were counted in the hour of a moment."""
        return self.acts if hour_of(at) == self.hour else 0


class Situation(Struct, frozen=True):
    """What decisions depend on beside the alert; one for a whole batch.

    Attributes:
        rules: all rules.
        verdicts: by rule name, what its proof allows; a rule that has none does nothing.
        ready: by rule name, the models that may act by it.
        brakes: what keeps rules from acting.
        salt: of the deployment, for the draws.
        oldest_seconds: see `OLDEST_SECONDS`.
    """

    rules: RuleIndex
    verdicts: Mapping[str, Verdict]
    ready: Mapping[str, frozenset[str]]
    brakes: Brakes
    salt: str
    oldest_seconds: float = OLDEST_SECONDS


def decide(enriched: Enriched, situation: Situation, acts: MutableMapping[str, TeamActs], now: float) -> Decision:
    """What becomes of a scored alert; `none` where no rule matches or the rule only scores.

    Args:
        enriched: the alert with its score.
        situation: rules, proofs and brakes.
        acts: what each rule did in the alert's team, by rule name; brought up to date.
        now: the clock, seconds since 1970.
    """
    alert, score = enriched.alert, enriched.score
    if score.probability is None:
        return _decision(
            enriched, None, "none", f"it is not scored: {(score.reason or 'no reason').replace('_', ' ')}", now
        )
    found = first_rule(situation.rules, alert, score.probability)
    if found is None:
        return _decision(enriched, None, "none", "no rule matches it", now)
    own = acts.setdefault(found.rule.name, TeamActs())
    backwards = now < own.latest
    own.latest = max(own.latest, now)
    verdict = situation.verdicts.get(found.rule.name)
    hour = own.first_hour(enriched.episode or f"alert:{alert.alert_id}", hour_of(seconds(alert.at)))
    if verdict is None or verdict.version != found.version:
        return _decision(enriched, found, "none", "this version of the rule is not loaded yet", now)
    if verdict.mode == "score" or found.rule.mode == "score":
        return _decision(enriched, found, "none", "the rule only scores", now, verdict)
    kept = _never(enriched, found, now, situation) or ("the clock went back" if backwards else None)
    if kept:
        return _decision(enriched, found, "blocked", kept, now, verdict)
    if verdict.mode == "shadow" or MODES.index(verdict.mode) > MODES.index(found.rule.mode):
        would: DecisionName = "would_close" if verdict.armed == "close" else "would_pause"
        return _decision(enriched, found, would, verdict.why, now, verdict)
    return _act(enriched, found, verdict, own, hour, now, situation)


def _act(
    enriched: Enriched,
    found: IndexedRule,
    verdict: Verdict,
    own: TeamActs,
    hour: int,
    now: float,
    situation: Situation,
) -> Decision:
    """What a rule that is proven and armed does: pause, close, or leave alone for its proof."""
    kept = _brake(enriched, found, own, now, situation)
    if hour < verdict.regime_hour:
        kept = "its episode began before the rule was armed"
    if kept:
        return _decision(enriched, found, "blocked", kept, now, verdict)
    own.count(now)
    p_act = 1.0 - verdict.share
    if draw(situation.salt, found.rule.name, enriched.alert.team, hour) < verdict.share:
        why = f"held out: {verdict.share:.0%} of the hours are left alone".replace("%", " %")
        return _decision(enriched, found, "hold_out", why, now, verdict, p_act)
    rule = found.rule
    length = rule.pause_minutes * 60.0 if verdict.mode == "pause" else rule.close_hours * HOUR
    decision: DecisionName = "pause" if verdict.mode == "pause" else "close"
    return _decision(enriched, found, decision, verdict.why, now, verdict, p_act, now + length)


def first_rule(rules: RuleIndex, alert: Raised, probability: float) -> IndexedRule | None:
    """The rule that an alert of this probability meets first."""
    return rules.first(alert.team, alert.rule, alert.entity, alert.severity, alert.source, alert.labels, probability)


def never(enriched: Enriched, found: IndexedRule) -> str | None:
    """Why no rule may ever act on the alert, whatever the time; None where one may."""
    flags = enriched.flags
    if enriched.score.probability is None:
        return "it is not scored"
    if enriched.score.evidence == "none":
        return "there is not enough history"
    if "visibility_only" in flags:
        return "it is for reading only"
    if "flood" in flags:
        return "its rule is in a flood"
    if "maintenance" in flags:
        return "it was raised in a maintenance window"
    if found.labels and not LABELS_CUT.isdisjoint(flags):
        return "its labels were cut, and the rule names some"
    if "simulated" in flags:
        return "its model was made of simulated alerts"
    if is_drill(enriched.alert.team):
        return "it is a drill"
    severity = enriched.alert.severity
    if severity is not None and severity.casefold() in found.never_severity:
        return f"the rule never acts on severity {severity}"
    return None


def why_stopped(decision: Decision, situation: Situation, now: float) -> str | None:
    """Why the rule of a decision that pauses or closes may not do so any more; None where it may.

    Args:
        decision: made earlier, and not carried out yet.
        situation: rules and what their proofs allow now; brakes and models are left out.
        now: seconds since 1970.
    """
    name = decision.by_rule or ""
    found, verdict = situation.rules.named(name), situation.verdicts.get(name)
    if found is None or verdict is None:
        return f"rule {name} is in no rule file any more"
    if found.version != decision.rule_version or verdict.version != decision.rule_version:
        return f"rule {name} is another version now"
    if found.ends_at is not None and now >= found.ends_at:
        return f"rule {name} expired on {moment(found.ends_at):%F}"
    if MODES.index(found.rule.mode) < MODES.index(decision.decision):
        return f"rule {name} has mode = {found.rule.mode!r} now"
    if MODES.index(verdict.mode) < MODES.index(decision.decision):
        return f"rule {name} may not {decision.decision} any more: {verdict.why}"
    return None


def _never(enriched: Enriched, found: IndexedRule, now: float, situation: Situation) -> str | None:
    if why := never(enriched, found):
        return why
    at = seconds(enriched.alert.at)
    if now - at > situation.oldest_seconds:
        return f"it was raised {words_for(now - at)} ago, rules act within {words_for(situation.oldest_seconds)}"
    if at - now > AHEAD_SECONDS:
        return "it was raised later than now"
    if found.ends_at is not None and now >= found.ends_at:
        return f"the rule expired on {moment(found.ends_at):%F}"
    if found.hours is not None and not found.hours.cover(at):
        return "it was raised outside the rule's active hours"
    return None


def _brake(enriched: Enriched, found: IndexedRule, own: TeamActs, now: float, situation: Situation) -> str | None:
    """What keeps a rule that may act from acting now; the limit counts what is held out too, so that arms are alike."""
    brakes, model = situation.brakes, enriched.score.model
    if why := brakes.everything or brakes.teams.get(enriched.alert.team):
        return why
    if model is None:
        return "nobody knows which model scored it"
    if why := brakes.models.get(model):
        return why
    if model not in situation.ready.get(found.rule.name, ()):
        return f"model {model} has not enough observations of its own under this rule"
    if own.counted(now) >= found.rule.max_per_hour:
        return f"{found.rule.max_per_hour} alerts of the team were acted on in this hour, which is the rule's limit"
    return None


def _decision(
    enriched: Enriched,
    found: IndexedRule | None,
    decision: DecisionName,
    why: str,
    now: float,
    verdict: Verdict | None = None,
    p_act: float = 0.0,
    until: float | None = None,
) -> Decision:
    alert = enriched.alert
    mode: Mode | None = verdict.mode if verdict else None
    return Decision(
        alert_id=alert.alert_id,
        team=alert.team,
        rule=alert.rule,
        entity=alert.entity,
        episode=enriched.episode,
        raised_at=alert.at,
        decision=decision,
        by_rule=found.rule.name if found else None,
        rule_version=found.version if found else None,
        mode=mode,
        probability=enriched.score.probability,
        model=enriched.score.model,
        p_act=p_act,
        until=None if until is None else moment(until),
        proof=verdict.proof if verdict else None,
        why=why,
        decided_at=moment(now),
    )
