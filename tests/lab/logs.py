"""Small event logs for tests: teams and rules with rates of their own, actions after minutes, noise by expiry."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from stream.core.events import Acted, Event, Raised, encode_event, seconds
from stream.core.problem import Problem, parse_problem
from stream.eventlog import Line

START = datetime(2026, 1, 5, tzinfo=UTC)
PROBLEM_TEXT = """
name = "small"
question = "Will the team act within an hour?"
[outcome]
actionable = ["worked"]
noise = ["dismissed"]
horizon_hours = 1
[exclude]
visibility_only = [{ rule = "report/*" }]
[history]
labels = ["env"]
"""
RATES = (0.05, 0.2, 0.5, 0.9)


def small_problem(**outcome: str) -> Problem:
    """The problem of these logs; keywords replace lines such as `horizon_hours`."""
    text = PROBLEM_TEXT
    for name, value in outcome.items():
        lines = [line for line in text.splitlines() if not line.startswith(name)]
        lines.insert(lines.index("[outcome]") + 1, f"{name} = {value}")
        text = "\n".join(lines)
    return parse_problem(text)


def small_log(alerts: int = 900, teams: int = 3, seed: int = 1) -> list[Event]:
    """One alert every ten minutes; each team and rule is acted on at a rate of its own, a few minutes later."""
    rng = np.random.default_rng(seed)
    events: list[Event] = []
    for number in range(alerts):
        team, rule = int(rng.integers(teams)), int(rng.integers(len(RATES)))
        at = START + timedelta(minutes=10 * number)
        rate = RATES[(team + rule) % len(RATES)]
        events.append(raised(number, at, f"team-{team}", f"rule-{rule}", env=("prod", "test")[int(rng.integers(2))]))
        kind = "worked" if rng.random() < rate else "dismissed"
        if kind == "worked" or rng.random() < 0.5:  # half of the noise is never touched and expires
            events.append(acted(number, at + timedelta(minutes=float(rng.uniform(1, 50))), f"team-{team}", kind))
    return sorted(events, key=lambda event: event.at)


def raised(number: int, at: datetime, team: str = "team-0", rule: str = "rule-0", **labels: str) -> Raised:
    """A raised event; every fifth alert is of the same entity."""
    return Raised(at, f"a{number}", team, rule, f"host-{number % 5}", "high", "test", None, labels)


def acted(number: int, at: datetime, team: str = "team-0", kind: str = "worked") -> Acted:
    """An acted event on alert `number`."""
    return Acted(at, f"a{number}", team, f"a{number}-{kind}-{at.timestamp()}", kind)


def lines(events: Iterable[Event]) -> list[Line]:
    """Events as `read_log` gives them."""
    return [Line(event, seconds(event.at), encode_event(event)) for event in events]


def write(path: Path, events: Iterable[Event]) -> Path:
    """Events as a file of JSON lines."""
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event in events))
    return path
