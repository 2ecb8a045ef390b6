"""What was decided about each thing that a body says, and the events that are made of it."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from stream.core.events import Acted, Raised, moment
from stream.sources.firings import FiringRecord
from stream.sources.options import SourceOptions
from stream.sources.owners import Owner
from stream.sources.parsed import Act, Description, Firing, Named, Raise, Refused

ENDED = "ended"


class Plan(NamedTuple):
    """One thing that a body says, with what is known of it before anything is remembered.

    `key` is None where nothing needs to be remembered; `own_id` is the id that it has by itself.
    """

    item: Raise | Act
    owner: Owner
    key: str | None
    fingerprint: str
    own_id: str

    @property
    def ends(self) -> bool:
        """Whether it ends a firing that is known by labels."""
        item = self.item
        return isinstance(item, Act) and (item.ends or item.kind == ENDED) and isinstance(item.subject, Firing)


class Outcome(NamedTuple):
    """The alert that something is about, as it is remembered; None where it is not known."""

    record: FiringRecord | None
    raise_published: bool = False
    end_published: bool = False
    late: bool = False
    resumption: int = 0
    is_new: bool = False
    fell_back: bool = False


class Decision(Struct, frozen=True):
    """One event, and why it is so.

    Attributes:
        event: the event.
        value: the event as JSON, which the scorer will take.
        duplicate: whether the broker has it already: nothing is to be published.
        team_why, id_why, agent_why: one phrase each.
        cut: whether a text was cut, or labels were left out.
        late: whether the firing has ended, and this copy of it comes late.
        resumption: the number of the firing's resumption that the broker does not have yet; 0: none.
    """

    event: Raised | Acted
    value: bytes
    duplicate: bool
    team_why: str
    id_why: str
    agent_why: str = ""
    cut: bool = False
    late: bool = False
    resumption: int = 0


class Pending(NamedTuple):
    """What is remembered as published once the broker has it; `stored` is what stood under the key before.

    `resumption` is the number of the resumption that is published, or of the one before the end that is.
    """

    key: str
    alert_id: str
    ended: bool
    stored: bytes = b""
    resumption: int = 0


class Resolution(Struct):
    """Everything that was decided about one body.

    Attributes:
        decisions: the events in order.
        refused: parts that can't be used.
        ignored: what needs nothing, one short name each.
        notes: sentences for people.
        pending: what `Resolver.confirm` marks as published.
        fallbacks: how many ids and owners were decided without memory.
        away: why, in one sentence; empty where there was memory.
        default_teams: how many alerts are owned by the default team.
    """

    decisions: list[Decision]
    refused: list[Refused] = []
    ignored: list[str] = []
    notes: list[str] = []
    pending: list[Pending] = []
    fallbacks: int = 0
    away: str = ""
    default_teams: int = 0


class EventMaker:
    """Makes the events of one source.

    Args:
        source: its name.
        options: of the source.
        pseudonym: makes a pseudonym of a person's id.
    """

    def __init__(self, source: str, options: SourceOptions, pseudonym: Callable[[str], str]) -> None:
        self._source, self._options, self._pseudonym = source, options, pseudonym

    def raised(self, plan: Plan, outcome: Outcome) -> Raised:
        """The alert as it was first raised: at the firing's first start, of its first owner."""
        record, alert = outcome.record, plan.item.alert
        assert record is not None
        assert alert is not None
        source = plan.item.source if isinstance(plan.item, Raise) else None
        is_own_form = isinstance(plan.item.subject, Named) and plan.item.subject.team is not None
        return Raised(
            at=moment(record.first_start),
            alert_id=record.alert_id,
            team=record.team,
            rule=alert.rule or self._options.default_rule,
            entity=alert.entity or self._options.default_entity,
            severity=alert.severity,
            source=source if is_own_form else source or self._source,
            title=alert.title,
            labels=dict(alert.labels),
            cut=alert.cut or None,
        )

    def acted(self, plan: Plan, outcome: Outcome) -> Acted:
        """The act, on the alert that it is about and for the team that owns it."""
        item, record = plan.item, outcome.record
        assert isinstance(item, Act)
        assert record is not None
        at = record.ended_at if plan.ends and record.ended_at is not None else item.at
        return Acted(
            at=moment(at),
            alert_id=record.alert_id,
            team=record.team,
            action_id=item.action_id or _action_id(plan, record, item),
            kind=item.kind,
            actor=self._pseudonym(item.actor) if item.actor else None,
            agent=item.agent,
            reason=item.reason,
            until=moment(item.until) if item.until is not None else None,
        )

    def decision(self, plan: Plan, outcome: Outcome, event: Raised | Acted, value: bytes, duplicate: bool) -> Decision:
        """The decision about an event."""
        alert: Description | None = plan.item.alert
        return Decision(
            event,
            value,
            duplicate,
            self._team_why(plan, outcome),
            _id_why(plan, outcome),
            plan.item.agent_why if isinstance(plan.item, Act) and isinstance(event, Acted) else "",
            bool(alert and alert.cut and isinstance(event, Raised)),
            outcome.late,
            outcome.resumption,
        )

    @staticmethod
    def _team_why(plan: Plan, outcome: Outcome) -> str:
        assert outcome.record is not None
        if outcome.record.team != plan.owner.team or (plan.item.alert is None and plan.key is not None):
            return "the owner of its first event"
        return plan.owner.why


def numbered_id(alert_id: str, kind: str, resumptions: int) -> str:
    """The id of an act that a firing has once, or once more after each resumption.

    >>> numbered_id("A1", "ended", 0), numbered_id("A1", "ended", 2)
    ('A1-ended', 'A1-ended-2')
    """
    return f"{alert_id}-{kind}-{resumptions}" if resumptions else f"{alert_id}-{kind}"


def _action_id(plan: Plan, record: FiringRecord, item: Act) -> str:
    if plan.ends:
        return numbered_id(record.alert_id, ENDED, record.resumptions)
    text = f"{record.alert_id}\0{item.kind}\0{round(item.at * 1_000_000)}\0{item.actor or ''}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _id_why(plan: Plan, outcome: Outcome) -> str:
    record = outcome.record
    assert record is not None
    if isinstance(plan.item.subject, Named):
        return "the source's own id"
    first = moment(record.first_start).isoformat().replace("+00:00", "Z")
    made = f"made of source, fingerprint {plan.fingerprint} and the first start {first}"
    if outcome.fell_back:
        return f"{made}, without memory of earlier starts"
    if outcome.late:
        return f"{made}; the firing has ended, this copy is late"
    return made if record.alert_id == plan.own_id else f"{made}; this start belongs to it"
