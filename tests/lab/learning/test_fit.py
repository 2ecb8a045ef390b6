"""The floor of evidence is where scores begin to tell alerts apart; teams they never do are named."""

import numpy as np
from msgspec.structs import replace

from stream.core.scoring import Thresholds, outcomes_known
from stream.lab.learning.fit import GRID, learn_evidence
from stream.lab.replaying import Replayed

EDGES = Thresholds()


def scores(replayed: Replayed, told_from: float, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Good scores for alerts whose team has that many outcomes known, chance for the others."""
    random = np.random.default_rng(seed).random(len(replayed.outcome))
    known = outcomes_known(np.asarray(replayed.rows))[:, 0]
    return np.where(known >= told_from, 0.5 * random + 0.5 * (replayed.outcome == 1), random)


def test_the_floor_is_where_alerts_are_told_apart(larger: Replayed) -> None:
    """Scores that are chance below twenty outcomes put the floor there; below five, three teams have too few alerts."""
    places = np.flatnonzero(larger.labelled)
    for told_from, floor in ((0.0, 5.0), (20.0, 20.0), (50.0, 50.0)):
        found = learn_evidence(larger, places, scores(larger, told_from)[places], EDGES)
        assert found.weak == floor
        assert floor in GRID


def test_where_nothing_is_told_apart_the_floor_stays_and_teams_are_named(larger: Replayed) -> None:
    """Chance scores of teams with enough alerts: the teams are unreadable, and no floor is made up."""
    places = np.flatnonzero(larger.labelled)
    found = learn_evidence(larger, places, scores(larger, np.inf)[places], EDGES)
    assert found == replace(EDGES, unreadable=found.unreadable)
    teams = {larger.alerts[place].team for place in places.tolist()}
    assert found.unreadable
    assert set(found.unreadable) <= teams
    assert learn_evidence(larger, places, scores(larger, 0.0)[places], EDGES).unreadable == ()


def test_few_alerts_say_nothing(larger: Replayed) -> None:
    """Six alerts leave everything as it was."""
    places = np.flatnonzero(larger.labelled)[:6]
    assert learn_evidence(larger, places, scores(larger, 0.0)[places], EDGES) == EDGES
