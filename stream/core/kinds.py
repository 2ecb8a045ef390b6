"""The kinds of action that noisegate knows, who may have done them, and the words that outcomes carry beside them."""

import re
from collections.abc import Container
from typing import Literal

Agent = Literal["person", "automation"]
ActedBy = Literal["person", "automation", "unknown"]
PERSON, AUTOMATION = "person", "automation"

MUTED, REOPENED, RESUMED = "muted", "reopened", "resumed"
HELD_OUT, PAUSED_BY_RULE = "held_out", "paused_by_rule"
RELEASED_BY_RULE, CLOSED_BY_RULE = "released_by_rule", "closed_by_rule"
EXPIRY, CORRECTION, MAINTENANCE = "expiry", "correction", "maintenance"  # an outcome's `by` where no kind stands

KINDS: dict[str, str] = {
    "acknowledged": "somebody has seen it",
    "unacknowledged": "nobody has it any more: its acknowledgement was taken back, or its time ran out",
    "worked": "somebody worked on what it tells of",
    "remediated": "what it tells of was put right",
    "escalated": "it was passed on to others, such as the next level of on-call",
    "reassigned": "another team or person has it now",
    "dismissed": "somebody judged that it needs nothing",
    "resolved": "it was marked as resolved",
    "closed": "it was closed",
    "auto_closed": "a policy closed it, such as one for old alerts",
    "ended": "its monitor said that its condition ended",
    RESUMED: "it went on: an end that its monitor had not said was taken back",
    "merged": "it became part of another alert",
    "silenced": "somebody silenced it for a while",
    "snoozed": "somebody put it off until later",
    MUTED: "nobody was shown it: the alert system silenced, inhibited or routed it nowhere",
    "commented": "somebody wrote a note",
    "updated": "what is said of it changed, such as its priority",
    REOPENED: "it was opened again",
    HELD_OUT: "a rule left it alone, so that the rule can be judged",
    PAUSED_BY_RULE: "a rule keeps it from people for some minutes",
    RELEASED_BY_RULE: "a rule's pause or closure ended",
    CLOSED_BY_RULE: "a rule closed it",
}
"""What each kind says. `kind` is open text: others are taken too, and decide if the problem file lists them."""

RESERVED = frozenset({HELD_OUT, PAUSED_BY_RULE, RELEASED_BY_RULE, CLOSED_BY_RULE})  # written by noisegate alone
ENDED_BY_RULE = frozenset({PAUSED_BY_RULE, CLOSED_BY_RULE})  # kinds that end an alert's clock

BY_HAND = frozenset({"acknowledged", "worked", "remediated", "reassigned", "dismissed", "commented"})
BY_MACHINE = frozenset({"ended", "resumed", "auto_closed", MUTED, *RESERVED})
"""Kinds that say by themselves who did it, where an act has no agent."""

DRILL_TEAM = "noisegate-drill"
AGENT_ENDING = re.compile(r"@(person|automation)$")  # as a problem file narrows a kind; no event's kind may end so


def is_drill(team: str) -> bool:
    """Whether alerts of the team are drills: folded and scored like any, but in no figure, training or team metric."""
    return team == DRILL_TEAM


def acted_by(kind: str, agent: Agent | None, actionable: Container[str]) -> ActedBy:
    """Who did an act, as far as its agent says, or without one its kind; `actionable` are the problem's kinds.

    An act without an agent is a person's if the problem file lists its bare kind as acted on, or if nobody else does
    such a thing. Who resolved or closed something, nobody knows then.

    >>> acted_by("resolved", "person", ()), acted_by("worked", None, ()), acted_by("restarted", None, ["restarted"])
    ('person', 'person', 'person')
    >>> acted_by("ended", None, ()), acted_by("resolved", None, ["worked"])
    ('automation', 'unknown')
    """
    if agent is not None:
        return agent
    if kind in BY_MACHINE:
        return "automation"
    return "person" if kind in BY_HAND or kind in actionable else "unknown"


def split_kind(entry: str) -> tuple[str, Agent | None]:
    """The kind of a problem file's entry, and the agent that it is narrowed to.

    >>> split_kind("escalated@person"), split_kind("escalated")
    (('escalated', 'person'), ('escalated', None))
    """
    for agent in (PERSON, AUTOMATION):
        if entry.endswith(f"@{agent}"):
            return entry.removesuffix(f"@{agent}"), agent  # type: ignore[return-value]  # one of the two literals
    return entry, None
