"""From how much history on a score can be believed, learnt on alerts that the scoring trees have not seen.

Both tests are those of the report (see `teams.TEST`).
"""

from itertools import pairwise

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.frame import Array
from stream.core.scoring import Thresholds, outcomes_known
from stream.lab.judging.teams import PREDICTABLE, UNPREDICTABLE, judge_team, judge_teams
from stream.lab.replaying import Replayed

GRID = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # outcomes known of a team


def learn_evidence(replayed: Replayed, places: NDArray[np.int64], p: Array, edges: Thresholds) -> Thresholds:
    """The thresholds with a floor of evidence and the teams that can't be read.

    The floor `weak` is the least number of the team's outcomes from which on alerts were told apart: the lower end of
    the first cell of `GRID` that is predictable. Where none is, because there were too few alerts, it stays as it is.

    Args:
        replayed: the log.
        places: the alerts looked at, int64[n].
        p: their scores, float64[n].
        edges: what is known already.
    """
    y, known = replayed.outcome[places], outcomes_known(replayed.rows[places])[:, 0]
    teams = judge_teams([replayed.alerts[place].team for place in places.tolist()], y, p).teams
    edges = replace(edges, unreadable=tuple(sorted(team.name for team in teams if team.verdict == UNPREDICTABLE)))
    for low, high in pairwise((*GRID, np.inf)):
        cell = (known >= low) & (known < high)
        if cell.any() and judge_team("", y[cell], p[cell]).verdict == PREDICTABLE:
            return replace(edges, weak=low)
    return edges
