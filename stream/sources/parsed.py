"""What a body says, before it is decided which alert it is about and which team owns it."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stream.core.errors import NoisegateError
from stream.core.kinds import Agent
from stream.sources.texts import as_json


class Named(Struct, frozen=True):
    """An alert that its source names by an id of its own, such as an incident number.

    `team` is given where the id is unique within its team only, as in our own form of events: it is the owner then, and
    nothing else decides it.
    """

    id: str
    team: str | None = None


class Firing(Struct, frozen=True):
    """An alert that its source knows by labels only. What fires again with the same labels is another alert.

    `starts_at` is the start that the source gives, in seconds since 1970.
    """

    labels: Mapping[str, str]
    starts_at: float


Subject = Named | Firing


class Description(Struct, frozen=True, kw_only=True):
    """What is said of an alert when it is raised; texts as sent, within the limits of `stream/core/limits.py`.

    Attributes:
        at: when it was raised, seconds since 1970.
        owners: who may own it, the likeliest first; each with where it was found, such as ("label:team", "payments").
        rule: the alerting rule; None where the body names none.
        entity: what it fired for; None where the body names nothing.
        cut: whether a text that people only read was cut, or labels were left out.
    """

    at: float
    owners: tuple[tuple[str, str], ...] = ()
    rule: str | None = None
    entity: str | None = None
    severity: str | None = None
    title: str | None = None
    labels: Mapping[str, str] = {}
    cut: bool = False


class Raise(Struct, frozen=True):
    """An alert was raised, or still fires.

    `source` is given where the body says which system raised it; else it is the source that the body came from.
    `first_hand`: it came from the monitor itself, not from an alert system that may know less.
    """

    subject: Subject
    alert: Description
    source: str | None = None
    first_hand: bool = False


class Act(Struct, frozen=True, kw_only=True):
    """Something was done to an alert, or its condition ended.

    Attributes:
        at: when, seconds since 1970.
        kind: one of `stream.core.kinds.KINDS`.
        ends: whether the firing that it is about is over, whatever its kind; one of kind `ended` always is.
        agent: who did it; None where the source does not say.
        agent_why: the line of the source's table that decided `agent`, for `noisegate intake explain`.
        actor: the person's id as the source has it; it becomes a pseudonym before anything is stored.
        action_id: the source's id of the act; None: made of kind, time and actor.
        alert: what the body says of the alert, which is raised first if it is not known yet.
        first_hand: of an end: whether the monitor itself said it, not only that nothing was heard of it.
    """

    subject: Subject
    at: float
    kind: str
    ends: bool = False
    agent: Agent | None = None
    agent_why: str = ""
    actor: str | None = None
    action_id: str | None = None
    reason: str | None = None
    until: float | None = None
    alert: Description | None = None
    first_hand: bool = False


class Refused(Struct, frozen=True):
    """A part of a body that can't be used; the rest of the body can.

    Attributes:
        where: its place, such as `alerts[0].labels.ports`.
        reason: a short name that is counted, such as `nul` or `future`.
        detail: one sentence with the value.
        value: the part, as JSON where it could be read, for alerts.failed.
    """

    where: str
    reason: str
    detail: str
    value: bytes


class Unusable(Exception):
    """A part of a body that can't be used.

    Attributes:
        where: the field, such as `alert.createdAt`.
        reason: a short name that is counted.
        detail: one sentence with the value.
    """

    def __init__(self, where: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.where, self.reason, self.detail = where, reason, detail

    def refused(self, value: Any) -> Refused:
        """The part as it is reported; `value` is what it was."""
        return Refused(self.where, self.reason, self.detail, as_json(value))


class Parsed(Struct):
    """Everything that one body says.

    Attributes:
        items: what happened, in order.
        refused: parts that can't be used.
        ignored: what needs nothing, such as a test or an event type that is not known, one short name each; counted.
        notes: sentences for people, such as that labels were left out.
        delivery: the sender's id of this delivery, by which a replay is known; None where it gives none.
    """

    items: list[Raise | Act]
    refused: list[Refused] = []
    ignored: list[str] = []
    notes: list[str] = []
    delivery: str | None = None


class BadRequest(NoisegateError):
    """A body that says nothing that can be used; one sentence with the field and the mend.

    Attributes:
        status: the HTTP status to answer.
        field: the field that is wrong, such as `alerts`; empty where it is the body as a whole.
    """

    def __init__(self, status: int, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.field = field
