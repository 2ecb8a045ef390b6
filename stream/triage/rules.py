"""The closer's rules as the page shows them, counted from their decisions. Pure.

Blind: a decision on an alert that the rule left alone counts once the alert's outcome is decided.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from stream.core.events import seconds
from stream.core.records import Decision, Proof
from stream.triage.episode import AlertState, EpisodeState

SHOWN_ALERTS = 50
_WORDS = {
    "would_pause": "would have paused {}",
    "would_close": "would have closed {}",
    "pause": "paused {}",
    "close": "closed {}",
    "release": "{} released",
    "hold_out": "{} held out",
    "blocked": "{} blocked",
}


class DecidedAlert(Struct, frozen=True):
    """One alert that a rule decided on."""

    team: str
    alert_id: str
    title: str
    at: float
    decision: str
    outcome: str
    why: str


class RuleView(Struct, kw_only=True):
    """One rule: the newest version, mode and proof that a decision named, and what it did.

    Attributes:
        matched: alerts that it decided on.
        judged: of these, those with an outcome on which it was not blocked.
        acted: of these, those that people acted on.
    """

    name: str
    version: str = ""
    mode: str = ""
    proof: Proof | None = None
    decided_at: float = 0.0
    decisions: Counter[str] = field(default_factory=Counter)
    matched: int = 0
    judged: int = 0
    acted: int = 0
    alerts: list[DecidedAlert] = field(default_factory=list)  # the newest first

    @property
    def decision_words(self) -> str:
        """How many alerts it decided on in which way.

        >>> RuleView(name="a", matched=44, decisions=Counter(would_pause=41, blocked=3)).decision_words
        'would have paused 41 of 44, 3 blocked'
        """
        counts = [(words, f"{self.decisions[name]:,}") for name, words in _WORDS.items() if self.decisions[name]]
        of = f" of {self.matched:,}"
        return ", ".join(words.format(count + of * (not at)) for at, (words, count) in enumerate(counts))

    @property
    def proof_words(self) -> str:
        """The state of its proof in one sentence."""
        proof = self.proof
        if proof is None:
            return "no proof so far"
        bound = "" if proof.bound is None else f", bound {100 * proof.bound:.1f} %"
        counted = f"{proof.observations} observations, {proof.acted:g} acted on"
        return f"{proof.state}: {counted}{bound}, limit {100 * proof.limit:g} %"


def rules_of(episodes: Iterable[EpisodeState]) -> list[RuleView]:
    """All rules that decided on alerts of the page, by name."""
    found: dict[str, RuleView] = {}
    for episode in episodes:
        for state in episode.firings.values():
            decided: dict[str, set[str]] = {}
            for decision in state.shown_decisions:
                if decision.by_rule:
                    _add(found.setdefault(decision.by_rule, RuleView(name=decision.by_rule)), state, decision)
                    decided.setdefault(decision.by_rule, set()).add(decision.decision)
            for name, decisions in decided.items():
                _count(found[name], state, decisions == {"blocked"})
    for rule in found.values():
        rule.alerts.sort(key=lambda one: -one.at)
        del rule.alerts[SHOWN_ALERTS:]
    return sorted(found.values(), key=lambda one: one.name)


def _add(rule: RuleView, state: AlertState, decision: Decision) -> None:
    at, outcome = seconds(decision.decided_at), state.outcome
    rule.decisions[decision.decision] += 1
    if at >= rule.decided_at:
        rule.decided_at = at
        rule.version, rule.mode = decision.rule_version or "", decision.mode or ""
        rule.proof = decision.proof or rule.proof
    alert = state.alert
    title = alert.title or alert.rule
    became = outcome.outcome if outcome is not None else "open"
    line = DecidedAlert(alert.team, alert.alert_id, title, at, decision.decision, became, decision.why)
    rule.alerts.append(line)


def _count(rule: RuleView, state: AlertState, blocked: bool) -> None:
    rule.matched += 1
    outcome = state.outcome
    if not blocked and outcome is not None and outcome.outcome != "unknown":
        rule.judged += 1
        rule.acted += outcome.outcome == "actionable"
