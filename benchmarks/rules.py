"""`python -m benchmarks.rules`: what a decision costs as the number of rules grows; no servers.

Writes `benchmarks/results/rules.json` and the part of RESULTS.md between two marks.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.core.decisions import Brakes, Situation, TeamActs, decide
from stream.core.events import Raised, moment
from stream.core.ladder import Verdict
from stream.core.records import Decision, Enriched, Proof, Score
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed, Rule

_HERE = Path(__file__).parent
BEGIN, END = "<!-- rules: written by python -m benchmarks.rules -->", "<!-- rules: end -->"
COUNTS = (5, 50, 500, 5_000)
ALERTS, TEAMS, NAMES, ENTITIES = 50_000, 200, 400, 20_000
TARGET, TARGET_RULES = 10_000, 500
T0, MODEL, SEED = 1_772_355_600.0, "2026-03-01-a1b2", 20_260_301

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Cost(Struct):
    """What one alert costs with so many rules: finding its rule, and the whole decision."""

    rules: int
    index_milliseconds: float  # to make the index, as at each reload
    find_microseconds: float
    decide_microseconds: float
    matched: float
    decisions_per_second: float


def make_rules(count: int) -> list[Placed]:
    """Rules as teams write them: a rule's name, or a glob of it, in a team or some; every fourth names a label."""
    rng = random.Random(SEED)
    placed = []
    for number in range(count):
        name = f"check_{rng.randrange(NAMES)}"
        match: dict[str, Any] = {"rule": name if number % 3 else f"{name}*"}
        match["team"] = f"team-{rng.randrange(TEAMS)}" if number % 2 else [f"team-{rng.randrange(TEAMS)}", "team-1*"]
        if number % 4 == 0:
            match["labels"] = {"env": rng.choice(["prod", "test", "st*"])}
        if number % 5 == 0:
            match["entity"] = f"db-{rng.randrange(100)}*"
        table = {"name": f"r{number}", "owner": "bench", "match": match, "max_probability": 0.3, "mode": "pause"}
        placed.append(Placed(msgspec.convert(table, Rule), "bench.toml", number))
    return placed


def make_alerts(count: int = ALERTS) -> list[Enriched]:
    """Scored alerts, drawn evenly; an entity comes two or three times."""
    rng = random.Random(SEED + 1)
    alerts = []
    for number in range(count):
        alert = Raised(
            at=moment(T0 + number / 1_000.0),
            alert_id=f"INC{number}",
            team=f"team-{rng.randrange(TEAMS)}",
            rule=f"check_{rng.randrange(NAMES)}",
            entity=f"db-{rng.randrange(ENTITIES)}",
            severity=rng.choice(["low", "high"]),
            source="alertmanager",
            labels={"env": rng.choice(["prod", "test", "stage"]), "cluster": "a"},
        )
        score = Score(rng.random() * 0.5, "unsure", MODEL, "strong")
        alerts.append(Enriched(alert, score, None, [], alert.at, "alerts.events/0/1", f"e{number // 2}"))
    return alerts


def measure(count: int, alerts: Sequence[Enriched]) -> Cost:
    """The cost with so many rules, all proven and armed; the second of two passes over half the alerts each."""
    placed = make_rules(count)
    began = time.process_time()
    index = RuleIndex(placed)
    made = time.process_time() - began
    proof = Proof(400, 2.0, 0.02, 0.05, "proven")
    verdicts = {one.rule.name: Verdict(one.rule.version, "pause", proof, "proven", 0.05, 0, "pause") for one in placed}
    ready = dict.fromkeys(verdicts, frozenset({MODEL}))
    situation = Situation(index, verdicts, ready, Brakes(), "salt", 1e9)
    acts: dict[str, dict[str, TeamActs]] = {}

    def decide_all(some: Sequence[Enriched]) -> list[Decision]:
        return [
            decide(one, situation, acts.setdefault(one.alert.team, {}), T0 + number / 1_000.0)
            for number, one in enumerate(some, start=len(alerts))
        ]

    half = len(alerts) // 2
    decide_all(alerts[:half])
    began = time.process_time()
    for one in alerts[half:]:
        alert = one.alert
        index.first(
            alert.team,
            alert.rule,
            alert.entity,
            alert.severity,
            alert.source,
            alert.labels,
            one.score.probability or 0.0,
        )
    found = time.process_time() - began
    began = time.process_time()
    decisions = decide_all(alerts[half:])
    decided = time.process_time() - began
    matched = sum(one.by_rule is not None for one in decisions) / len(decisions)
    micro = 1e6 / len(decisions)
    return Cost(count, made * 1e3, found * micro, decided * micro, matched, len(decisions) / decided)


def section(document: dict[str, Any]) -> str:
    """The part of RESULTS.md."""
    on = document["machine"]
    lines = [
        "## Rules",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}, one process without servers, CPU time: "
        f"{on['processor']}, {on['system']}. Rules name a rule or a glob of it and one team or some; a fourth names a "
        f"label, a fifth an entity. {ALERTS // 2:,} alerts of {TEAMS} teams, {NAMES} rules and {ENTITIES:,} entities; "
        "all rules are proven and armed.",
        "",
        "| rules | make the index, ms | find the rule, µs/alert | decision, µs/alert | matched | decisions/CPU s |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for cost in document["costs"]:
        lines.append(
            f"| {cost['rules']:,} | {cost['index_milliseconds']:.1f} | {cost['find_microseconds']:.1f} | "
            f"{cost['decide_microseconds']:.1f} | {cost['matched']:.0%} | {cost['decisions_per_second']:,.0f} |"
        )
    reached = next(one for one in document["costs"] if one["rules"] == TARGET_RULES)["decisions_per_second"] >= TARGET
    lines += ["", f"Target: {TARGET:,} alerts/s with {TARGET_RULES} rules: {'reached' if reached else 'not reached'}."]
    return "\n".join(lines)


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run that writes nothing.")] = False,
) -> None:
    """Measure decisions with 5 to 5,000 rules."""
    alerts = make_alerts(2_000 if quick else ALERTS)
    costs = [measure(count, alerts) for count in COUNTS]
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python -m benchmarks.rules",
        "machine": machine(),
        "costs": msgspec.to_builtins(costs),
    }
    if not quick:
        (_HERE / "results" / "rules.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", f"{BEGIN}\n{section(document)}\n{END}\n", BEGIN, END)
    sys.stdout.write(section(document) + "\n")


if __name__ == "__main__":
    app()
