"""`python -m benchmarks.words LOG...`: how often the words beside a score contradict it, by what the words count.

Each log is split at 60 % of its alerts; one model is trained before the split, and its scores of the alerts after it
are held against the rate in the words. Two simulated logs are always measured: the simulated organisation, and the
same with a sudden change in each team. A log's problem file is the .toml beside it. Writes `results/words.json` and
the part of RESULTS.md between two marks.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from msgspec import Struct

from benchmarks.machine import machine
from benchmarks.parts import put_part
from stream.config import load_problem
from stream.core import state
from stream.core.events import decode_event, seconds
from stream.core.frame import Array, Decayed, Mask
from stream.core.levels import TEAM_RULE, TEAM_RULE_ENTITY
from stream.core.occlusion import APART, contradicts
from stream.core.records import Like, Push, Score
from stream.core.reference_class import LAST, SURELY, choose_like
from stream.core.scoring import band_of, evidence_of
from stream.dev.shipped import simulated_problem
from stream.eventlog import Line, read_log
from stream.lab.replaying import Replayed, replay
from stream.lab.split import split_at_share
from stream.lab.training import SPLIT, train_replayed
from stream.models.model import load_model
from stream.simulation import TEAMS, Drifts, Event, Shift, simulate

_HERE = Path(__file__).parent
BEGIN, END = "<!-- words: written by python -m benchmarks.words -->", "<!-- words: end -->"
SEED, DAYS, QUICK_DAYS = 7, 60, 12
SHIFT, FIRST_SHIFT, LAST_SHIFT = 2.5, 0.2, 0.9  # log-odds; shares of the span
ENOUGH = 10  # outcomes of the entity from which on its own are counted
TARGET = 0.02
CHOSEN, UNNAMED = "chosen by nearness (shipped)", "the same, and no push is named"

Counts = tuple[Array, Array]  # acted and decided, float64[N] each
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Measured(Struct, frozen=True):
    """One log: alerts after the split that have words, and by candidate the share whose words contradict the score."""

    log: str
    alerts: int
    shares: dict[str, float]


@app.command()
def main(
    logs: Annotated[list[Path] | None, typer.Argument(help="Event logs, each with its problem file beside it.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run on short logs that writes nothing.")] = False,
) -> None:
    """Measure the logs named and two simulated ones."""
    days = QUICK_DAYS if quick else DAYS
    found = [measure(name, replayed) for name, replayed in _replays(logs or [], days)]
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m benchmarks.words", *(log.name for log in logs or [])]),
        "machine": machine(),
        "logs": msgspec.to_builtins(found),
    }
    text = markdown(document, found)
    if not quick:
        (_HERE / "results" / "words.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        put_part(_HERE / "RESULTS.md", text, BEGIN, END)
    sys.stdout.write(text)


def measure(name: str, replayed: Replayed) -> Measured:
    """Train on the first part of a log, score the rest, and hold every candidate's words against the scores."""
    with tempfile.TemporaryDirectory() as folder:
        version = train_replayed(replayed, Path(folder), judged=False)
        model = load_model(version, replayed.problem)
        after = np.flatnonzero(replayed.at >= split_at_share(replayed, SPLIT).at)
        alerts, rows = [replayed.alerts[index] for index in after.tolist()], np.asarray(replayed.rows[after])
        decayed = Decayed(rows)
        inputs = model.inputs(decayed, alerts)
        probabilities = model.predict(inputs.matrix)
        grades = evidence_of(rows, [alert.team for alert in alerts], model.thresholds)
        scores = [
            Score(probability, band_of(probability, model.thresholds), model.version, grade)
            for probability, grade in zip(probabilities.tolist(), grades, strict=True)
        ]
        likes = choose_like(decayed, 0.0 if inputs.rule_shift is None else inputs.rule_shift)
        pushes = model.occlusion.explain(inputs.matrix, scores, likes, model.predict)
    shown = np.array([grade != "none" for grade in grades])
    shares = {words: _share(counts(decayed), probabilities, shown) for words, counts in CANDIDATES.items()}
    shares |= _chosen(scores, likes, pushes)
    return Measured(name, int(shown.sum()), shares)


def markdown(document: Mapping[str, Any], found: list[Measured]) -> str:
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
    for words in [*CANDIDATES, CHOSEN, UNNAMED]:
        lines.append(f"| {words} | {' | '.join(f'{one.shares[words]:.1%}' for one in found)} |")
    reached = [one.log for one in found if one.shares[CHOSEN] < TARGET]
    unnamed = max(one.shares[UNNAMED] for one in found)
    lines += [
        "",
        f"- `shifting`: the simulated organisation; each readable, mixed or random team once moves by {SHIFT:g} in"
        f" log-odds, half of them up, at shares {FIRST_SHIFT:g} to {LAST_SHIFT:g} of the span.",
        f"- Recent where it surely differs: of the whole and the last {', '.join(map(str, LAST))}, the longest that no"
        f" shorter one contradicts by more than {SURELY:g} standard errors (5 % by chance, a comparison).",
        "- Chosen: `stream/core/reference_class.py`. Where its words still contradict the score, the record names what"
        " pushed the score away from them (`stream/core/occlusion.py`).",
        f"- Target, under {TARGET:.0%}: reached on {', '.join(reached) or 'none'}. Contradictions without a named push:"
        f" at most {unnamed:.1%}.",
        END,
        "",
    ]
    return "\n".join(lines)


def last_outcomes(level: int, count: int) -> Callable[[Decayed], Counts]:
    """Counts of the last outcomes of a level, at most `count` of them."""

    def counts(decayed: Decayed) -> Counts:
        ring = np.nan_to_num(decayed.levels[:, level, state.RING]).astype(np.uint64)
        acted = np.bitwise_count(ring & np.uint64((1 << count) - 1)).astype(np.float64)
        return acted, np.minimum(decayed.counts[:, level, 1, 3], count)

    return counts


def decayed_counts(level: int, window: int) -> Callable[[Decayed], Counts]:
    """Decayed counts of a level; window 3 is the whole history."""
    return lambda decayed: (decayed.counts[:, level, 2, window], decayed.counts[:, level, 1, window])


def with_entity(decayed: Decayed) -> Counts:
    """The whole history of team, rule and entity where it holds ten outcomes, else of team and rule."""
    mine, theirs = _whole(TEAM_RULE_ENTITY)(decayed), _whole(TEAM_RULE)(decayed)
    enough = mine[1] >= ENOUGH
    return np.where(enough, mine[0], theirs[0]), np.where(enough, mine[1], theirs[1])


def recent_where_sure(decayed: Decayed) -> Counts:
    """The longest of whole, 32, 16 and 8 outcomes of team and rule of which no shorter one differs surely."""
    windows = [_whole(TEAM_RULE)(decayed), *(last_outcomes(TEAM_RULE, count)(decayed) for count in LAST)]
    acted, decided = windows[-1]
    for place in range(len(windows) - 2, -1, -1):
        steady = np.ones(len(acted), dtype=np.bool_)
        for shorter in windows[place + 1 :]:
            steady &= ~_differs(windows[place], shorter)
        acted = np.where(steady, windows[place][0], acted)
        decided = np.where(steady, windows[place][1], decided)
    return acted, decided


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


def _differs(whole: Counts, part: Counts) -> Mask:
    """Whether a part of the outcomes and the rest of them differ by more than chance."""
    rest = whole[1] - part[1]
    enough = (rest >= 1.0) & (part[1] >= 1.0)
    of_part, of_rest = np.where(enough, part[1], 1.0), np.where(enough, rest, 1.0)
    pooled = (whole[0] + 1.0) / (whole[1] + 2.0)
    gap = part[0] / of_part - (whole[0] - part[0]) / of_rest
    return enough & (gap * gap > SURELY**2 * pooled * (1.0 - pooled) * (1.0 / of_part + 1.0 / of_rest))


def _whole(level: int) -> Callable[[Decayed], Counts]:
    return decayed_counts(level, 3)


CANDIDATES: Mapping[str, Callable[[Decayed], Counts]] = {
    "whole history of team and rule (before)": _whole(TEAM_RULE),
    "last 32": last_outcomes(TEAM_RULE, 32),
    "last 8": last_outcomes(TEAM_RULE, 8),
    "30 days": decayed_counts(TEAM_RULE, 2),
    "7 days": decayed_counts(TEAM_RULE, 1),
    "recent where it surely differs": recent_where_sure,
    "whole, with the entity where it has 10": with_entity,
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


def _replays(logs: list[Path], days: int) -> Iterator[tuple[str, Replayed]]:
    for log in logs:
        problem = load_problem(log.with_name(log.name.split(".")[0] + ".toml"))
        yield log.name.split(".")[0], replay(read_log(log, problem.outcome.grace_minutes * 60.0), problem)
    problem = load_problem(simulated_problem())
    yield "simulation", replay(_lines(simulate(SEED, days)), problem)
    yield "shifting", replay(_lines(simulate(SEED, days, drifts=shifting())), problem)


def _lines(events: Iterable[Event]) -> Iterator[Line]:
    for record in events:
        value = msgspec.json.encode(record)
        event = decode_event(value)
        yield Line(event, seconds(event.at), value)


if __name__ == "__main__":
    app()
