"""One event log of the simulated organisation, sorted by time, the same for the same seed.

What it holds, beside ordinary alerts: teams from readable to random, flood days, visibility-only reports, flapping,
slow and sudden drift, mended rules, hand-offs, late and missing actions, reopened alerts, retried webhooks, repeated
actions, and monitors that say when a condition ended. Each action says whether a person or automation did it, and
many say why.
"""

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal, NamedTuple, NotRequired, TypedDict

from numpy.random import Generator, default_rng

from stream.simulation.catalogue import DRIFTS, Drifts
from stream.simulation.firings import Firing, estate, firings
from stream.simulation.habits import Habits, Repeats
from stream.simulation.reactions import Action, Agent, Endings, Reactions, reason_of
from stream.simulation.span import Span

START = datetime(2026, 1, 1, tzinfo=UTC)
RETRIED = 0.004  # share of raised events that a webhook sends twice
REPEATED = 0.004  # share of acted events that come twice


class RaisedRecord(TypedDict):
    """A raised event: an alert fires."""

    type: Literal["raised"]
    at: str
    alert_id: str
    team: str
    rule: str
    entity: str
    severity: NotRequired[str]
    source: str
    title: str
    labels: dict[str, str]


class ActedRecord(TypedDict):
    """An acted event; `team` stays the owner when the alert was raised, also after a hand-off."""

    type: Literal["acted"]
    at: str
    alert_id: str
    team: str
    action_id: str
    kind: str
    actor: str
    agent: Agent
    reason: NotRequired[str]


Event = RaisedRecord | ActedRecord


class Truth(NamedTuple):
    """What only the simulation knows of an alert.

    `probability`: that its outcome is actionable, so within the horizon. `repeats`: how often the same team, rule and
    entity fired in the hour before. `flood`: a bug floods its rule at this time.
    """

    probability: float
    flood: bool
    visibility_only: bool
    repeats: int


def simulate(
    seed: int = 7, days: int = 60, start: datetime = START, scale: float = 1.0, drifts: Drifts = DRIFTS
) -> Iterator[Event]:
    """The event log, in order of time. `scale` multiplies the volume of all but the reports;
    `drifts` says what changes on the way (STEADY: nothing).

    At the defaults about 24,000 alerts and 75,000 events. Raises ValueError for a start without a time zone, less than
    one day, or a scale that is not above zero.
    """
    yield from simulate_with_truth(seed, days, start, scale, drifts)[0]


def simulate_with_truth(
    seed: int = 7, days: int = 60, start: datetime = START, scale: float = 1.0, drifts: Drifts = DRIFTS
) -> tuple[list[Event], dict[str, Truth]]:
    """The same log and, by alert_id, what no event says. For tests: a model must never see it."""
    if not scale > 0:
        raise ValueError(f"scale={scale}: give a number above zero")
    span = Span(start, days)
    layout, world, leanings, people, webhooks, monitors = default_rng(seed).spawn(6)
    entities = estate(layout)
    habits = Habits(leanings, span, entities, drifts)
    fired = firings(world, span, scale, entities, drifts.fixes)
    lived, truth = _live(people, span, habits, fired)
    log = [item for one in lived for item in one.log]
    ends = _ended(Endings(monitors), span, fired, lived)
    stamped = sorted((*log, *_sent_twice(webhooks, log), *ends), key=lambda item: item[0])
    return [event for _, event in stamped], truth


def write_events(path: Path | str, seed: int = 7, days: int = 60, start: datetime = START, scale: float = 1.0) -> int:
    """Write the log as JSON lines, compressed if the name ends in .gz; the same bytes for the same arguments.

    Returns the number of events.
    """
    path = Path(path)
    with path.open("wb") as file:
        if path.suffix != ".gz":
            return _write_lines(file, simulate(seed, days, start, scale))
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
            return _write_lines(packed, simulate(seed, days, start, scale))


Stamped = tuple[int, Event]  # milliseconds since the start, and the event


class _Lived(NamedTuple):
    """What an alert's log holds, and what was done to it."""

    alert_id: str
    log: list[Stamped]
    actions: list[Action]


def _live(rng: Generator, span: Span, habits: Habits, fired: Sequence[Firing]) -> tuple[list[_Lived], dict[str, Truth]]:
    """Let the teams see each alert in turn and do what they do."""
    repeats, reactions = Repeats(), Reactions(rng, span)
    lived: list[_Lived] = []
    truth: dict[str, Truth] = {}
    for number, firing in enumerate(fired, start=1):
        alert_id = f"SIM-{number:06d}"
        again = repeats.before(firing)
        probability = habits.probability(firing, again)
        acts = bool(rng.random() < probability)
        actions = reactions.to(firing, acts)
        log: list[Stamped] = [(_milliseconds(firing.at), _raised(span, firing, alert_id))]
        log += [_stamped(span, firing, alert_id, count, action) for count, action in enumerate(actions, start=1)]
        lived.append(_Lived(alert_id, log, actions))
        in_time = reactions.in_time(firing)
        truth[alert_id] = Truth(probability * in_time, firing.flood, firing.visibility_only, again)
    return lived, truth


def _ended(endings: Endings, span: Span, fired: Sequence[Firing], lived: Sequence[_Lived]) -> list[Stamped]:
    """What the monitors say, each firing before the next one of the same team, rule and entity."""
    following: dict[tuple[str, str, str], float] = {}
    next_at = []
    for firing in reversed(fired):
        key = (firing.team.name, firing.rule.name, firing.entity.name)
        next_at.append(following.get(key, math.inf))
        following[key] = firing.at
    found = []
    for firing, one, after in zip(fired, lived, reversed(next_at), strict=True):
        for action in endings.to(firing, one.actions, after - firing.at):
            found.append(_stamped(span, firing, one.alert_id, len(one.actions) + 1, action))
    return found


def _stamped(span: Span, firing: Firing, alert_id: str, count: int, action: Action) -> Stamped:
    return _milliseconds(firing.at + action.after), _acted(span, firing, alert_id, count, action)


def _sent_twice(rng: Generator, log: list[Stamped]) -> Iterator[Stamped]:
    """A few events once more, unchanged: retried webhooks and repeated actions."""
    for at, event in log:
        if rng.random() < (RETRIED if event["type"] == "raised" else REPEATED):
            yield at, event


def _raised(span: Span, firing: Firing, alert_id: str) -> RaisedRecord:
    event: RaisedRecord = {
        "type": "raised",
        "at": span.stamp(firing.at),
        "alert_id": alert_id,
        "team": firing.team.name,
        "rule": firing.rule.name,
        "entity": firing.entity.name,
        "source": firing.rule.source,
        "title": firing.title,
        "labels": {"env": firing.entity.env, "simulated": "true"},
    }
    if firing.severity is not None:
        event["severity"] = firing.severity
    return event


def _acted(span: Span, firing: Firing, alert_id: str, count: int, action: Action) -> ActedRecord:
    event: ActedRecord = {
        "type": "acted",
        "at": span.stamp(firing.at + action.after),
        "alert_id": alert_id,
        "team": firing.team.name,
        "action_id": f"{alert_id}-{count}",
        "kind": action.kind,
        "actor": action.actor,
        "agent": action.agent,
    }
    reason = reason_of(alert_id, action.kind, action.agent)
    if reason is not None:
        event["reason"] = reason
    return event


def _milliseconds(at: float) -> int:
    return round(at * 1000)


def _write_lines(file: IO[bytes] | gzip.GzipFile, events: Iterator[Event]) -> int:
    count = 0
    for event in events:
        file.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count
