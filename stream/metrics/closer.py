"""The closer's metrics: what rules decide, how their proofs stand, what is suppressed, and what other systems take."""

from collections.abc import Iterable
from contextlib import suppress
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge

from stream.core.records import DecisionName, Mode, ProofState
from stream.metrics.catalogue import Catalogue, Label, counter, gauge, histogram
from stream.metrics.lane import LaneMetrics

DECISION_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60, 600)
TARGET_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BRAKES = ("paused", "drift", "old_model", "history", "standings")
ENDINGS = ("time", "severity", "flood", "ended", "undo")
RULE_NAMES = 200
"""So many rules have series of their own; all others share `other`."""
OTHER = "other"

RULE, TARGET = Label("rule"), Label("target")
DECISION, SUPPRESSED = Label("decision", get_args(DecisionName)), Label("decision", ("pause", "close"))
POSTED = Label("result", ("done", "again", "refused"))
STATE, MODE = Label("state", get_args(ProofState)), Label("mode", get_args(Mode))
BY, BRAKE = Label("by", ENDINGS), Label("brake", BRAKES)
RESULT = Label("result", ("done", "again", "refused", "held_back"))


class CloserMetrics(Catalogue):
    """Metrics of a closer. Of `rule` the first 200 names of the rule files are shown, all others are `other`.

    Who owns the ladders of the rules (one worker of a deployment) shows their proofs.
    """

    decisions = counter("decisions", "Decisions written, by rule and what was decided", RULE, DECISION)
    decision_seconds = histogram(
        "decision_seconds", "From an enriched record's timestamp to its decision published", DECISION_BUCKETS
    )
    rule_bound = gauge("rule_bound", "Upper confidence bound of the share acted on", RULE)
    rule_limit = gauge("rule_limit", "Share acted on that the rule's file allows", RULE)
    rule_observations = gauge("rule_observations", "Observations of the proof that stands", RULE)
    rule_observations_to_proof = gauge(
        "rule_observations_to_proof", "Observations until the rule is proven if none more is acted on", RULE
    )
    rule_holdout_share = gauge("rule_holdout_share", "Share of a team's hours that the rule leaves alone", RULE)
    rule_state = gauge("rule_state", "1 for the present state of the rule's proof, else 0", RULE, STATE)
    rule_mode = gauge("rule_mode", "1 for what the rule may do at most now, else 0", RULE, MODE)
    rule_holdout_observations = counter("rule_holdout_observations", "Observations of hours that were held out", RULE)
    rule_holdout_acted = counter("rule_holdout_acted", "Sum of the shares acted on of hours that were held out", RULE)
    rule_trips = counter("rule_trips", "Times that the rule fell back to shadow by itself", RULE)
    near_misses = counter(
        "near_misses", "Alerts acted on within 2 h after the rule suppressed one of the same team and entity", RULE
    )
    suppressed = gauge("suppressed", "Alerts of this worker's partitions that are paused or closed now", SUPPRESSED)
    suppressions_ended = counter("suppressions_ended", "Pauses and closures that ended, by why", SUPPRESSED, BY)
    rules_brake = gauge("rules_brake", "1 while this keeps rules from acting, else 0", BRAKE)
    rule_files_valid = gauge("rule_files_valid", "1 while the rules in use are those of the files, else 0")
    closers_differ = gauge("closers_differ", "1 while another closer acts by other rules or another salt, else 0")
    rules_loaded = gauge("rules_loaded", "Rules in use")
    outbox_entries = gauge("outbox_entries", "Rounds of decisions that are not published and done everywhere yet")
    outbox_oldest = gauge("outbox_oldest_seconds", "Age of the oldest of them; 0 where there is none")
    deeds = counter(
        "deeds",
        "Requests to targets; `again`: to be tried once more; `held_back`: rules may not do it any more",
        TARGET,
        RESULT,
    )
    target_seconds = histogram("target_seconds", "Time of a target's answer", TARGET_BUCKETS, TARGET)
    digests = counter("digests", "Posts of daily digests; `refused`: given up after a day", TARGET, POSTED)

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.lane = LaneMetrics(self.registry)
        self._names: frozenset[str] = frozenset()
        for gauge_, label in ((self.rules_brake, BRAKE), (self.suppressed, SUPPRESSED)):
            for value in label.values:
                gauge_.labels(value)
        for decision in SUPPRESSED.values:
            for by in ENDINGS:
                self.suppressions_ended.labels(decision, by)

    def keep_rules(self, names: Iterable[str]) -> None:
        """Show these rules, the first 200 of them and no longer the gauges of others."""
        kept = frozenset(list(dict.fromkeys(names))[:RULE_NAMES])
        gone, self._names = self._names - kept, kept
        for name in gone:
            self._forget(name)
        for name in kept:  # so that the first step of a counter is one
            for one in (self.near_misses, self.rule_trips, self.rule_holdout_observations, self.rule_holdout_acted):
                one.labels(name)

    def rule_label(self, name: str | None) -> str:
        """The label `rule` of a rule's name; of none it is empty."""
        return "" if not name else name if name in self._names else OTHER

    def _forget(self, name: str) -> None:
        for one in (
            self.rule_bound, self.rule_limit, self.rule_observations, self.rule_observations_to_proof,
            self.rule_holdout_share,
        ):  # fmt: skip
            _remove(one, name)
        for state in STATE.values:
            _remove(self.rule_state, name, state)
        for mode in MODE.values:
            _remove(self.rule_mode, name, mode)


def _remove(shown: Gauge, *labels: str) -> None:
    with suppress(KeyError):  # it was never shown
        shown.remove(*labels)
