"""The hops of a drill, found in what the topics show; no clock, no server."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from stream.core.errors import BadRecord, Fault
from stream.core.events import Acted, Raised, decode_event
from stream.core.kinds import DRILL_TEAM
from stream.core.records import Score, decode_decision, decode_enriched

LABEL, RUN_LABEL = "noisegate_drill", "noisegate_drill_run"
"""Labels of every drill: the mark, by which Alertmanager routes, and what tells one drill from another."""
RULE, ENTITY = "NoisegateDrill", "drill"
ACCEPTED, RAISED, SCORED, DECIDED = "accepted", "raised", "scored", "decided"
ANNOTATED, ENDED = "annotated", "ended"
MENDS = {
    RAISED: "see whether the room that took it writes to the Kafka and the topic of these settings, and its log",
    SCORED: "see whether a scorer runs (`noisegate run scorer`), its /readyz and its lag, and run `noisegate doctor`",
    DECIDED: "see whether the closer runs, and its log; without a rule for the drill's team use --no-decision",
    ANNOTATED: "see the relay's /readyz and log, and run `noisegate doctor`",
    ENDED: "see the log of the room that took it; the alert may still be open, and ends by itself at its horizon",
}
"""What to look at where a hop is missing."""
_UNSCORED = {
    "history_unavailable": Fault(
        "the alert was published unscored, as the scorer could not reach its history",
        "see whether Redis answers, with `noisegate doctor`",
    ),
    "model_failed": Fault(
        "the alert was published unscored, as the model failed on it",
        "see the scorer's log, and run `noisegate models rollback`",
    ),
}


class Hop(Struct, frozen=True):
    """One station that the alert was seen at.

    Attributes:
        name: such as `scored`.
        seconds: from the post until it was seen.
        where: topic, partition and offset, or an address.
        what: what was seen, for people.
    """

    name: str
    seconds: float
    where: str
    what: str = ""


class DrillTrace:
    """What was seen of one drill so far.

    Args:
        run: the value of its label `noisegate_drill_run`.
        awaited: names of hops, in their order.

    Attributes:
        alert_id: its id; None until the alert was seen.
        is_scored: whether it has a probability.
        end_fault: why its end was not taken.
    """

    def __init__(self, run: str, awaited: Sequence[str]) -> None:
        self._run, self.awaited = run, tuple(awaited)
        self._seen: dict[str, Hop] = {}
        self._by_id: dict[str, dict[str, Hop]] = {}
        self._unscored: str | None = None
        self.alert_id: str | None = None
        self.is_scored = False
        self.end_fault: Fault | None = None

    @property
    def hops(self) -> list[Hop]:
        """The hops that were seen, in the order in which they are awaited."""
        seen = {**self._by_id.get(self.alert_id or "", {}), **self._seen}
        return [seen[name] for name in self.awaited if name in seen]

    def saw(self, *names: str) -> bool:
        """Whether those of these hops that are awaited were seen."""
        return not set(names) & set(self.missing)

    @property
    def missing(self) -> list[str]:
        """Names of the awaited hops that were not seen."""
        seen = {hop.name for hop in self.hops}
        return [name for name in self.awaited if name not in seen]

    @property
    def faults(self) -> list[Fault]:
        """The first hop that is missing and what to look at, and why the end was not taken; empty where all is well."""
        first = next(iter(self.missing), None)
        found = []
        if first == SCORED and self._unscored is not None:
            found.append(_UNSCORED[self._unscored])
        elif first is not None and not (first == ENDED and self.end_fault):
            found.append(Fault(f"the hop `{first}` was not seen", MENDS.get(first)))
        return found + ([self.end_fault] if self.end_fault else [])

    def observe(self, hop: Hop) -> None:
        """Take a hop that no topic shows, or one once more: the first stands."""
        self._seen.setdefault(hop.name, hop)

    def observe_record(self, role: str, value: bytes, seconds: float, where: str) -> None:
        """Take a record of a topic, by its role; what is of no drill or of another is passed over."""
        try:
            if role == "events":
                self._observe_event(value, seconds, where)
            elif role == "enriched":
                self._observe_score(value, seconds, where)
            elif role == "decisions":
                decision = decode_decision(value)
                hop = Hop(DECIDED, seconds, where, f"{decision.decision}: {decision.why}")
                self._keep(decision.team, decision.alert_id, hop)
        except (BadRecord, msgspec.MsgspecError, UnicodeDecodeError):
            return

    def _observe_event(self, value: bytes, seconds: float, where: str) -> None:
        event = decode_event(value)
        if isinstance(event, Raised) and self._is_ours(event):
            self.alert_id = event.alert_id
            self.observe(Hop(RAISED, seconds, where, f"alert {event.alert_id}"))
        elif isinstance(event, Acted) and event.kind == ENDED:
            self._keep(event.team, event.alert_id, Hop(ENDED, seconds, where))

    def _observe_score(self, value: bytes, seconds: float, where: str) -> None:
        enriched = decode_enriched(value)
        if not self._is_ours(enriched.alert):
            return
        self.alert_id = enriched.alert.alert_id
        if enriched.score.reason in _UNSCORED:
            self._unscored = enriched.score.reason
            return
        self.is_scored |= enriched.score.probability is not None
        self.observe(Hop(SCORED, seconds, where, _score_text(enriched.score)))

    def _is_ours(self, alert: Raised) -> bool:
        return alert.team == DRILL_TEAM and alert.labels.get(RUN_LABEL) == self._run

    def _keep(self, team: str, alert_id: str, hop: Hop) -> None:
        """Keep a hop that names its alert by id alone: topics are read in any order."""
        if team == DRILL_TEAM:
            self._by_id.setdefault(alert_id, {}).setdefault(hop.name, hop)


def _score_text(score: Score) -> str:
    if score.probability is None:
        return "unscored: no model is served"
    return f"probability {score.probability:.2f}, evidence {score.evidence}, model {score.model}"
