"""The benchmark of words holds what it says: its candidates count what they name, and a log is measured end to end."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.candidates import CANDIDATES, last_outcomes, recent_where_sure, with_entity
from benchmarks.scored import score_part
from benchmarks.words import (
    BEST,
    CHOSEN,
    ELSEWHERE,
    ESTIMATES,
    UNNAMED,
    Estimated,
    Measured,
    estimate,
    markdown,
    measure,
    shifting,
)
from stream.core.events import Event, seconds
from stream.core.frame import Decayed
from stream.core.levels import TEAM_RULE
from stream.eventlog import Line
from stream.lab.replaying import Replayed, replay
from stream.simulation import TEAMS
from tests.core.logs import Timed, acted, raised, run, small_problem
from tests.lab.logs import small_log
from tests.lab.logs import small_problem as lab_problem

PROBLEM = small_problem(history="forget_days = 3000")


def decayed_of(verdicts: str, entity: str = "db") -> Decayed:
    """The history of one more alert after alerts that were acted on (1) or dismissed (0)."""
    log: list[Timed] = []
    for number, verdict in enumerate(verdicts):
        log += [raised(number * 60.0, f"n{number}")]
        log += [acted(number * 60.0 + 1, f"n{number}", "worked" if verdict == "1" else "dismissed")]
    return Decayed(run(PROBLEM, [*log, raised(len(verdicts) * 60.0, "last", entity=entity)]).take_rows()[-1:])


def counted(counts: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Acted and decided of the one alert."""
    return float(counts[0][0]), float(counts[1][0])


def replayed_log(events: list[Event]) -> Replayed:
    """Events through the lab's fold."""
    return replay([Line(event, seconds(event.at), b"") for event in events], lab_problem())


def test_candidates_count_what_they_name() -> None:
    """Forty alerts acted on and then ten not, each candidate by hand; decayed counts lie below the whole."""
    decayed = decayed_of("1" * 40 + "0" * 10)
    assert counted(CANDIDATES["whole history of team and rule (before)"](decayed)) == (40.0, 50.0)
    assert counted(last_outcomes(TEAM_RULE, 32)(decayed)) == (22.0, 32.0)
    assert counted(last_outcomes(TEAM_RULE, 8)(decayed)) == (0.0, 8.0)
    assert 40.0 < counted(CANDIDATES["30 days"](decayed))[1] < 50.0


def test_the_entity_counts_where_it_has_enough() -> None:
    """A new host has team and rule's counts, a known one its own."""
    assert counted(with_entity(decayed_of("10" * 10, entity="new"))) == (10.0, 20.0)
    assert counted(with_entity(decayed_of("10" * 10))) == (10.0, 20.0)


@pytest.mark.parametrize(
    ("verdicts", "counts"),
    [("10" * 25, (25.0, 50.0)), ("1" * 92 + "0" * 8, (0.0, 8.0)), ("10" * 46 + "00010001", (48.0, 100.0))],
)
def test_recent_outcomes_count_where_they_surely_differ(verdicts: str, counts: tuple[float, float]) -> None:
    """Nothing changed: the whole; the last eight differ from all before: these; two of eight, of a half: the whole."""
    assert counted(recent_where_sure(decayed_of(verdicts))) == counts


def test_every_team_that_can_shifts_once() -> None:
    """The shifting log moves each team that does not always do the same, half of them up, one after the other."""
    shifts = shifting().shifts
    assert (
        len({shift.team for shift in shifts}) == len(shifts) == sum(t.habit not in ("ignores", "acts") for t in TEAMS)
    )
    assert abs(sum(np.sign(shift.by) for shift in shifts)) <= 1
    assert all(earlier.since < later.since for earlier, later in pairwise(shifts))


def test_the_table_says_where_the_target_is_reached() -> None:
    """A row a candidate, a column a log, and the logs below two percent by name."""
    shares = dict.fromkeys([*CANDIDATES, UNNAMED, ELSEWHERE, BEST], 0.5)
    chosen = [Estimated("calm", dict.fromkeys(ESTIMATES, 0.58), dict.fromkeys(ESTIMATES, 0.03))]
    found = [Measured("calm", 1_000, {**shares, CHOSEN: 0.019}), Measured("wild", 2_000, {**shares, CHOSEN: 0.02})]
    on = {"processor": "a processor", "cores": 2, "memory_gigabytes": 24.0}
    text = markdown(
        {"date": "2026-11-26T00:00:00", "command": "python -m benchmarks.words", "machine": on}, found, chosen
    )
    assert f"| {CHOSEN} | 1.9% | 2.0% |" in text
    assert "(shipped) | 0.5800, 3.0% |" in text
    assert "reached on calm. Contradictions without a named push: at most 50.0%" in text


@pytest.mark.slow
def test_a_log_is_measured_end_to_end() -> None:
    """Every candidate has a share, what is named is part of what contradicts, and no choice beats the best one."""
    part = score_part(replayed_log(small_log(1_500)), 0.6)
    found = measure("small", [part])
    assert found.alerts > 500
    assert set(found.shares) == {*CANDIDATES, CHOSEN, UNNAMED, ELSEWHERE, BEST}
    assert all(0.0 <= share <= 1.0 for share in found.shares.values())
    assert max(found.shares[UNNAMED], found.shares[BEST]) <= found.shares[CHOSEN]
    chosen = estimate("small", [part, part])
    assert chosen == estimate("small", [part])
    assert all(0.0 < loss < 1.0 for loss in chosen.losses.values())
    assert chosen.shares["the mean of the two in log-odds (shipped)"] == found.shares[CHOSEN]
