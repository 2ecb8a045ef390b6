"""`python -m benchmarks.words LOG...`: how often the words beside a score contradict it, by what the words count.

Each log is split at 60 % of its alerts; one model is trained before the split, and its scores of the alerts after it
are held against the rate in the words. Two simulated logs are always measured: the simulated organisation, and the
same with a sudden change in each team. A log's problem file is the .toml beside it.

How the rate of an alert is estimated was chosen elsewhere, by how likely it makes the outcomes: between 36 % and 60 %
of the logs, by a model trained before that, and on simulations of other seeds. Both are measured here.

Writes `results/words.json` and the part of RESULTS.md between two marks.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from msgspec import Struct

from benchmarks.candidates import CANDIDATES, Counts
from benchmarks.machine import machine
from benchmarks.parts import put_part
from benchmarks.scored import Scored, score_part
from stream.config import load_problem
from stream.core.events import decode_event, seconds
from stream.core.frame import Array, Mask, logit
from stream.core.ledger import ACTIONABLE, NOISE
from stream.core.occlusion import APART, contradicts
from stream.core.records import Like, Push, Score
from stream.core.reference_class import (
    LAST,
    LEAST,
    SURELY,
    Readings,
    candidate_counts,
    choose_like,
    estimate_rate,
    nearest_like,
)
from stream.dev.shipped import simulated_problem
from stream.eventlog import Line, read_log
from stream.lab.replaying import Replayed, replay
from stream.lab.training import SPLIT
from stream.simulation import DRIFTS, TEAMS, Drifts, Event, Shift, simulate

_HERE = Path(__file__).parent
BEGIN, END = "<!-- words: written by python -m benchmarks.words -->", "<!-- words: end -->"
SEEDS, CHOICE_SEEDS, DAYS, QUICK_DAYS = (201, 202, 203), (101, 102), 60, 12
CHOICE_SPLIT = 0.36  # of a log's alerts: a model trained before it scores what lies between it and the split
SHIFT, FIRST_SHIFT, LAST_SHIFT = 2.5, 0.2, 0.9  # log-odds; shares of the span
TARGET = 0.02
IN_WORDS = frozenset({"team", "rule", "entity", "recent"})  # groups of features that words can speak of
CHOSEN, UNNAMED = "chosen by nearness (shipped)", "the same, and no push is named"
ELSEWHERE = "floor: without severity, labels, hour, load and repeats the score moves as far"
BEST = "(of all 16 counts the nearest to the score, which is no honest choice)"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Measured(Struct, frozen=True):
    """One log: alerts that have words, and by candidate the share whose words contradict the score."""

    log: str
    alerts: int
    shares: dict[str, float]


class Estimated(Struct, frozen=True):
    """One log on which the estimate was chosen: by estimate the log loss of the outcomes, and the contradictions."""

    log: str
    losses: dict[str, float]
    shares: dict[str, float]


@app.command()
def main(
    logs: Annotated[list[Path] | None, typer.Argument(help="Event logs, each with its problem file beside it.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run on short logs that writes nothing.")] = False,
) -> None:
    """Measure the logs named and two simulated ones."""
    days = QUICK_DAYS if quick else DAYS
    chosen: list[Estimated] = []
    found: list[Measured] = []
    for log in logs or []:
        problem = load_problem(log.with_name(log.name.split(".")[0] + ".toml"))
        replayed = replay(read_log(log, problem.outcome.grace_minutes * 60.0), problem)
        name = log.name.split(".")[0]
        chosen.append(estimate(name, [score_part(replayed, CHOICE_SPLIT, SPLIT)]))
        found.append(measure(name, [score_part(replayed, SPLIT)]))
    for name, drifts in (("simulation", DRIFTS), ("shifting", shifting())):
        parts = {
            seed: score_part(_simulated(seed, days, drifts), SPLIT)
            for seed in (CHOICE_SEEDS[:1] + SEEDS[:1] if quick else CHOICE_SEEDS + SEEDS)
        }
        chosen.append(estimate(name, [part for seed, part in parts.items() if seed in CHOICE_SEEDS]))
        found.append(measure(name, [part for seed, part in parts.items() if seed in SEEDS]))
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m benchmarks.words", *(log.name for log in logs or [])]),
        "machine": machine(),
        "logs": msgspec.to_builtins(found),
        "choice": msgspec.to_builtins(chosen),
    }
    text = markdown(document, found, chosen)
    if not quick:
        (_HERE / "results" / "words.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", text, BEGIN, END)
    sys.stdout.write(text)


def measure(name: str, parts: list[Scored]) -> Measured:
    """Hold every candidate's words against the scores."""
    return Measured(name, *_pooled([_measure_part(part) for part in parts]))


def _measure_part(part: Scored) -> tuple[int, dict[str, float]]:
    likes = choose_like(part.decayed, part.rule_shift)
    matrix, occlusion = part.inputs.matrix, part.model.occlusion
    named = occlusion.explain(matrix, part.scores, likes, part.model.predict)
    probabilities, shown = part.probabilities, np.array([score.evidence != "none" for score in part.scores])
    shares = {words: _share(counts(part.decayed), probabilities, shown) for words, counts in CANDIDATES.items()}
    shares |= _chosen(part.scores, likes, named)
    outside = frozenset(occlusion.groups) - IN_WORDS
    moved = np.abs(occlusion.without(matrix, outside, part.model.predict) - probabilities) > APART
    acted, decided = candidate_counts(part.decayed)
    far = np.abs(acted / np.maximum(decided, 1.0) - probabilities[:, None])
    worded = shown & (decided >= LEAST).any(axis=1)
    shares[ELSEWHERE] = float(moved[worded].mean())
    shares[BEST] = float((np.where(decided >= LEAST, far, 1.0).min(axis=1) > APART)[worded].mean())
    return int(worded.sum()), shares


def estimate(name: str, parts: list[Scored]) -> Estimated:
    """Of each estimate of a rate the log loss of the outcomes, and how often its words contradict the score."""
    losses, shares = [], []
    for part in parts:
        rates = {one: rate(part) for one, rate in ESTIMATES.items()}
        losses.append((len(part.scores), {one: _loss(part, rate) for one, rate in rates.items()}))
        shares.append((len(part.scores), {one: _apart(part, rate) for one, rate in rates.items()}))
    return Estimated(name, _pooled(losses)[1], _pooled(shares)[1])


def _apart(part: Scored, rate: Array) -> float:
    """The share whose words contradict the score, if words were chosen by this rate."""
    likes = nearest_like(part.decayed, rate)
    return _chosen(part.scores, likes, [None] * len(likes))[CHOSEN]


def _loss(part: Scored, rate: Array) -> float:
    """The mean log loss of the outcomes that are known."""
    known = (part.outcome == ACTIONABLE) | (part.outcome == NOISE)
    odds = np.where(part.outcome == ACTIONABLE, 1.0, -1.0)[known] * logit(rate[known])
    return float(np.log1p(np.exp(-odds)).mean())


def _pooled(parts: list[tuple[int, dict[str, float]]]) -> tuple[int, dict[str, float]]:
    """Shares over all alerts, of shares of some each."""
    alerts = sum(count for count, _ in parts)
    return alerts, {name: sum(count * shares[name] for count, shares in parts) / alerts for name in parts[0][1]}


def markdown(document: Mapping[str, Any], found: list[Measured], chosen: list[Estimated]) -> str:
    """The part of RESULTS.md."""
    on = document["machine"]
    lines = [
        BEGIN,
        "## Words beside the score",
        "",
        f"Written by `{document['command']}` on {document['date'][:10]}: {on['processor']}, {on['cores']} shared cores,"
        f" {on['memory_gigabytes']:.0f} GB.",
        f"Share of the alerts after the split whose words lie more than {APART * 100:.0f} points from the score; scores"
        " are of one model a log, trained before the split. No choice looks at the score.",
        "",
        f"| words count | {' | '.join(one.log for one in found)} |",
        f"|---|{'---:|' * len(found)}",
        f"| (alerts) | {' | '.join(f'{one.alerts:,}' for one in found)} |",
    ]
    for words in [*CANDIDATES, CHOSEN, UNNAMED, ELSEWHERE, BEST]:
        lines.append(f"| {words} | {' | '.join(f'{one.shares[words]:.1%}' for one in found)} |")
    reached = [one.log for one in found if one.shares[CHOSEN] < TARGET]
    unnamed = max(one.shares[UNNAMED] for one in found)
    lines += [
        "",
        f"- `simulation`: the simulated organisation, seeds {', '.join(map(str, SEEDS))}. `shifting`: the same, but"
        f" each readable, mixed or random team once moves by {SHIFT:g} in log-odds, half of them up, at shares"
        f" {FIRST_SHIFT:g} to {LAST_SHIFT:g} of the span.",
        f"- Recent where it surely differs: of the whole and the last {', '.join(map(str, LAST))}, the longest that no"
        f" shorter one contradicts by more than {SURELY:g} standard errors (5 % by chance, a comparison).",
        "- Chosen: `stream/core/reference_class.py`. Where its words still contradict the score, the record names what"
        " pushed the score away from them (`stream/core/occlusion.py`).",
        "- The last two lines say where the floor is. What moves a score and is in no history of team, rule and entity"
        " is in no words either: where it moves the score by more than 25 points, words that agreed would be wrong.",
        f"- Target, under {TARGET:.0%}: reached on {', '.join(reached) or 'none'}. Contradictions without a named push:"
        f" at most {unnamed:.1%}.",
        "",
        "How the rate of an alert is estimated was chosen on other alerts: of the logs those between"
        f" {CHOICE_SPLIT:.0%} and {SPLIT:.0%}, scored by a model trained before them, and simulations of the seeds"
        f" {', '.join(map(str, CHOICE_SEEDS))}. The log loss of their outcomes, over all of them, decided;"
        " beside it, the share whose words contradict the score.",
        "",
        f"| estimate | {' | '.join(one.log for one in chosen)} |",
        f"|---|{'---:|' * len(chosen)}",
    ]
    for each in ESTIMATES:
        cells = [f"{one.losses[each]:.4f}, {one.shares[each]:.1%}" for one in chosen]
        lines.append(f"| {each} | {' | '.join(cells)} |")
    return "\n".join([*lines, END, ""])


def shifting() -> Drifts:
    """Each team that does not always do the same moves once, by turns up and down, one after the other."""
    moved = [team for team in TEAMS if team.habit in ("readable", "mixed", "coin")]
    step = (LAST_SHIFT - FIRST_SHIFT) / len(moved)
    places = [FIRST_SHIFT + step * number for number in range(len(moved))]
    return Drifts(
        tuple(
            Shift(team.name, place, place, SHIFT if number % 2 else -SHIFT)
            for number, (team, place) in enumerate(zip(moved, places, strict=True))
        ),
        (),
    )


ESTIMATES: Mapping[str, Callable[[Scored], Array]] = {
    "each level over its own steady time": lambda part: Readings(part.decayed, part.rule_shift).own_rate(),
    "the whole, moved by the team's change": lambda part: Readings(part.decayed, part.rule_shift).moved_rate(),
    "the mean of the two in log-odds (shipped)": lambda part: estimate_rate(part.decayed, part.rule_shift),
}


def _share(counts: Counts, probabilities: Array, shown: Mask) -> float:
    acted, decided = counts
    worded = shown & (decided > 0.0)
    rate = acted[worded] / decided[worded]
    return float((np.abs(rate - probabilities[worded]) > APART).mean())


def _chosen(scores: list[Score], likes: list[Like | None], pushes: list[Push | None]) -> dict[str, float]:
    worded = [
        (contradicts(score, like), push)
        for score, like, push in zip(scores, likes, pushes, strict=True)
        if like is not None and score.evidence != "none"
    ]
    apart = [push for contradicted, push in worded if contradicted]
    return {CHOSEN: len(apart) / len(worded), UNNAMED: sum(push is None for push in apart) / len(worded)}


def _simulated(seed: int, days: int, drifts: Drifts) -> Replayed:
    return replay(_lines(simulate(seed, days, drifts=drifts)), load_problem(simulated_problem()))


def _lines(events: Iterable[Event]) -> Iterator[Line]:
    for record in events:
        value = msgspec.json.encode(record)
        event = decode_event(value)
        yield Line(event, seconds(event.at), value)


if __name__ == "__main__":
    app()
