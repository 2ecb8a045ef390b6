"""Random event logs for property tests, and a problem to fold them by."""

import random
from datetime import UTC, datetime, timedelta

from stream.core.events import Acted, Event, Raised
from stream.core.kinds import Agent
from stream.core.problem import Problem, parse_problem

START = datetime(2026, 3, 1, tzinfo=UTC)

PROBLEM: Problem = parse_problem(
    """
    name = "test"
    question = "Will they act?"
    [outcome]
    actionable = ["worked", "escalated@person"]
    noise = ["dismissed"]
    horizon_hours = 2
    grace_minutes = 5
    [exclude]
    visibility_only = [{ rule = "report/*" }]
    windows = [{ from = 2026-03-01T02:00:00Z, to = 2026-03-01T03:00:00Z, team = "team-1" }]
    [history]
    labels = ["env"]
    ledger_days = 1
    """
)
KINDS = [
    "worked", "dismissed", "escalated", "commented", "closed_by_rule", "paused_by_rule", "released_by_rule",
    "reopened", "held_out", "muted", "acknowledged",
]  # fmt: skip
AGENTS: list[Agent | None] = [None, "person", "automation"]


def random_log(seed: int, alerts: int = 60, teams: int = 4, late_seconds: float = 0.0) -> list[Event]:
    """Raises with actions, repeats, overtaking actions and unknown alerts; sorted by time, but for the lateness."""
    chance = random.Random(seed)
    timed: list[tuple[float, Event]] = []
    clock = 0.0
    for number in range(alerts):
        clock += chance.expovariate(1 / 600)
        team = f"team-{chance.randrange(teams)}"
        rule = chance.choice(["disk", "cpu", "report/daily"])
        labels = {"env": chance.choice(["prod", "dev"])} if chance.random() < 0.8 else {}
        raised = Raised(at(clock), f"A{number}", team, rule, f"db-{chance.randrange(3)}", labels=labels)
        timed.append((clock, raised))
        if chance.random() < 0.1:
            timed.append((clock + 1, raised))
        for turn in range(chance.randrange(4)):
            acted = clock + chance.expovariate(1 / 3600) - (60 if chance.random() < 0.1 else 0)
            kind, agent = chance.choice(KINDS), chance.choice(AGENTS)
            action = Acted(at(acted), f"A{number}", team, f"A{number}-{turn}", kind, agent=agent)
            timed.append((acted, action))
            if chance.random() < 0.1:
                timed.append((acted + 5, action))
        if chance.random() < 0.05:
            timed.append((clock, Acted(at(clock), f"X{number}", team, "x", "worked")))
    arrival = [(when + chance.random() * late_seconds, index) for index, (when, _) in enumerate(timed)]
    return [timed[index][1] for _, index in sorted(arrival)]


def at(offset_seconds: float) -> datetime:
    """A moment after the logs' start, in whole milliseconds."""
    return START + timedelta(milliseconds=round(offset_seconds * 1000))
