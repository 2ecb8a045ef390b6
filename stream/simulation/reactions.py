"""What people and machines do with an alert, and when: after log-normal delays, from minutes to more than a day.

An alert that is acted on ends in work after a log-normal delay, now and then beyond the horizon; one that is not is
dismissed, resolved, closed, or left until it expires. Before that somebody may hand it over, acknowledge or comment it.
A policy closes what nobody ended, and a monitor says when what it watches is well again: with the work, or by itself.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal
from zlib import crc32

from numpy.random import Generator

from stream.simulation.catalogue import TEAMS
from stream.simulation.firings import Firing
from stream.simulation.habits import ON_CALL
from stream.simulation.span import HOUR, Span

HORIZON = 24 * HOUR
SPREAD = 1.3  # sigma of the log of every delay
SHORTEST, LONGEST = 4.0, 3 * 24 * HOUR  # every delay is cut there
WORK = {"worked": 0.62, "remediated": 0.26, "escalated": 0.12}
NO_WORK = {"dismissed": 0.32, "resolved": 0.22, "closed": 0.10, "auto_closed": 0.18, "": 0.18}
NO_WORK_IN_FLOOD = {"dismissed": 0.03, "auto_closed": 0.57, "": 0.40}
NO_WORK_IGNORED = {"auto_closed": 0.45, "closed": 0.10, "": 0.45}
MEDIAN_MINUTES = {"dismissed": 20.0, "resolved": 90.0, "closed": 420.0, "auto_closed": 360.0}
WORK_MEDIAN_MINUTES, WORK_MEDIAN_MINUTES_ON_CALL = 40.0, 15.0
SLOWER_OUT_OF_HOURS = 4.0
ACKNOWLEDGED_IF_WORK, ACKNOWLEDGED_IF_NOT = 0.65, 0.30
COMMENTED, COMMENTED_AFTER_WORK = 0.10, 0.20
RESOLVED_AFTER_WORK = 0.75
REASONED = 0.6  # of what people do and a reason may be given for
REASONS = {
    "worked": ("fixed", "restarted, watching it", "rolled the change back", "gave it more room", "own change, undone"),
    "remediated": ("ran the runbook", "failed over", "restarted by hand"),
    "escalated": ("customers see it", "needs the platform team", "came back after the fix"),
    "dismissed": ("false alarm", "known issue", "duplicate", "benign", "own change"),
    "resolved": ("gone by itself", "fixed", "known issue"),
    "closed": ("no action needed", "stale"),
    "reassigned": ("not ours",),
    "commented": ("looking", "same as last night", "watching it"),
    "reopened": ("came back",),
}
REOPENED = 0.03  # of those that people dismissed, resolved or closed
PEOPLE_A_TEAM = 6
MACHINE, MONITOR = "machine", "monitor"
MONITORS = ("prometheus", "ping-check", "synthetics", "cloudwatch", "snmp")  # sources that say when a condition ended
ENDS_MEDIAN_MINUTES, ENDS_AFTER_WORK_MEDIAN_MINUTES = 25.0, 3.0
ENDS_LONGEST = 12 * HOUR  # what lasts longer is not told
Agent = Literal["person", "automation"]


@dataclass(frozen=True, slots=True)
class Action:
    """One action; `after` is in seconds since the raise."""

    after: float
    kind: str
    actor: str
    agent: Agent = "person"


def reason_of(alert_id: str, kind: str, agent: Agent) -> str | None:
    """Why somebody did this, in a few words; most people give no reason for an acknowledgement, some for the rest.

    It is a hash of the alert and the kind, so that a log has the same reasons whatever else is drawn.
    """
    reasons = REASONS.get(kind, ()) if agent == "person" else ()
    place = crc32(f"{alert_id}/{kind}".encode()) % 1_000 / 1_000 / REASONED
    return reasons[int(place * len(reasons))] if place < 1.0 and reasons else None


class Endings:
    """Draws when monitors say that a condition ended."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng

    def to(self, firing: Firing, actions: Sequence[Action], again: float) -> list[Action]:
        """The end of what fired, if its monitor tells one: soon after work, else by itself, and before it fires again.

        `again`: seconds until the same team, rule and entity fire next.
        """
        if firing.rule.source not in MONITORS:
            return []
        work = next((action.after for action in actions if action.kind in WORK), None)
        median = ENDS_MEDIAN_MINUTES if work is None else ENDS_AFTER_WORK_MEDIAN_MINUTES
        after = (work or 0.0) + 60.0 * median * math.exp(float(self._rng.standard_normal()))
        after = min(max(SHORTEST, after), again * float(self._rng.uniform(0.3, 0.9)))
        if after > ENDS_LONGEST:
            return []
        return [Action(after, "ended", _pseudonym(MONITOR, firing.rule.source), "automation")]


class Reactions:
    """Draws the actions on one alert."""

    def __init__(self, rng: Generator, span: Span) -> None:
        self._rng = rng
        self._span = span

    def in_time(self, firing: Firing) -> float:
        """The probability that work, if there is any, comes within the horizon."""
        median = self._work_median(firing)
        return _share_below(HORIZON, median) / _share_below(LONGEST, median)

    def to(self, firing: Firing, acts: bool) -> list[Action]:
        """What happens to the alert, in order of time; nothing at all for some."""
        if firing.visibility_only:
            return []
        kind = self._pick(WORK if acts else self._ends(firing))
        if not kind:
            return self._left_alone(firing)
        end = self._delay(self._work_median(firing) if acts else MEDIAN_MINUTES[kind] * 60)
        owner = self._owner(firing)
        if kind == "auto_closed":
            last = Action(end, kind, _pseudonym(MACHINE, firing.rule.source), "automation")
        else:
            last = Action(end, kind, self._person(owner))
        return [*self._before(firing, owner, end, acts), last, *self._later(end, kind, last.actor)]

    def _owner(self, firing: Firing) -> str:
        """The team that ends it: its own, or another after a hand-over."""
        if firing.flood or self._rng.random() >= firing.team.handoff:
            return firing.team.name
        others = [team.name for team in TEAMS if team is not firing.team]
        return others[int(self._rng.integers(len(others)))]

    def _ends(self, firing: Firing) -> Mapping[str, float]:
        if firing.flood:
            return NO_WORK_IN_FLOOD
        return NO_WORK_IGNORED if firing.team.habit == "ignores" else NO_WORK

    def _before(self, firing: Firing, owner: str, end: float, acts: bool) -> list[Action]:
        """What precedes the end: a hand-over, an acknowledgement, a comment."""
        if firing.flood:
            return []
        steps = [("reassigned", firing.team.name)] if owner != firing.team.name else []
        if self._rng.random() < (ACKNOWLEDGED_IF_WORK if acts else ACKNOWLEDGED_IF_NOT):
            steps.append(("acknowledged", owner))
        if self._rng.random() < COMMENTED:
            steps.append(("commented", owner))
        times = sorted(end * float(self._rng.uniform(0.05, 0.95)) for _ in steps)
        return [Action(at, kind, self._person(team)) for at, (kind, team) in zip(times, steps, strict=True)]

    def _later(self, end: float, kind: str, actor: str) -> list[Action]:
        """What follows the end: notes and the closing after work; a few that are opened again, and then worked."""
        later = []
        if kind in WORK and self._rng.random() < COMMENTED_AFTER_WORK:
            later.append(Action(end + self._delay(10 * 60), "commented", actor))
        if kind in WORK and self._rng.random() < RESOLVED_AFTER_WORK:
            later.append(Action(end + self._delay(60 * 60), "resolved", actor))
        if kind in ("dismissed", "resolved", "closed") and self._rng.random() < REOPENED:
            again = end + self._delay(120 * 60)
            later += [Action(again, "reopened", actor), Action(again + self._delay(60 * 60), "worked", actor)]
        return sorted(later, key=lambda action: action.after)

    def _left_alone(self, firing: Firing) -> list[Action]:
        """Nobody ends it; a few still acknowledge it."""
        if firing.flood or self._rng.random() >= ACKNOWLEDGED_IF_NOT / 2:
            return []
        return [Action(self._delay(30 * 60), "acknowledged", self._person(firing.team.name))]

    def _work_median(self, firing: Firing) -> float:
        if firing.severity == ON_CALL:
            return WORK_MEDIAN_MINUTES_ON_CALL * 60
        slower = 1.0 if self._span.working(firing.at, firing.team.zone) else SLOWER_OUT_OF_HOURS
        return WORK_MEDIAN_MINUTES * 60 * slower

    def _delay(self, median: float) -> float:
        """Seconds: log-normal around the median, none longer than the longest."""
        delay = math.inf
        while delay > LONGEST:
            delay = median * math.exp(SPREAD * float(self._rng.standard_normal()))
        return max(SHORTEST, delay)

    def _person(self, team: str) -> str:
        return _pseudonym(team, str(self._rng.integers(PEOPLE_A_TEAM)))

    def _pick(self, shares: Mapping[str, float]) -> str:
        left = float(self._rng.random()) * sum(shares.values())
        for kind, share in shares.items():
            left -= share
            if left < 0:
                return kind
        return kind


def _share_below(delay: float, median: float) -> float:
    return NormalDist().cdf(math.log(delay / median) / SPREAD)


def _pseudonym(*who: str) -> str:
    return hashlib.sha256("/".join(("simulated", *who)).encode()).hexdigest()[:10]
