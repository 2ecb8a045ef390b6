"""Days on which a team's rule raised far more than it usually does.

Usual is the median of the daily counts from the pair's first day to the log's last; the spread is 1.4826 MAD, but at
least the square root of the median (what chance gives) and at least 1.
"""

import math
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from stream.core import problem
from stream.core.errors import LabError
from stream.core.ledger import FLOOD
from stream.extras import import_extra
from stream.lab.auditing.result import FloodDay, Floods
from stream.lab.replaying import Replayed

LEAST_COUNT = 20  # alerts on a day
LEAST_Z = 8.0
LEAST_DAYS = 7
ODD_SHARE = 0.1  # of a pair's days: what comes more often is a rhythm
_MAD_TO_SIGMA = 1.4826

Ints = NDArray[np.int64]


def floods(replayed: Replayed) -> Floods:
    """Every flood day, the worst first."""
    day_of = (replayed.at // problem.DAY_SECONDS).astype(np.int64)
    flagged = (replayed.flags & FLOOD) != 0
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, alert in enumerate(replayed.alerts):
        pairs[alert.team, alert.rule].append(index)
    last = int(day_of.max()) if len(day_of) else 0
    found: list[FloodDay] = []
    tested = untested = 0
    for (team, rule), indices in pairs.items():
        if len(indices) >= LEAST_COUNT:
            days = last - int(day_of[indices].min()) + 1
            tested, untested = tested + (days >= LEAST_DAYS), untested + (days < LEAST_DAYS)
            found += _of_pair(team, rule, day_of[indices], flagged[indices], last)
    found.sort(key=lambda day: (-day.z, day.day, day.team, day.rule))
    return Floods(
        days=found,
        alerts=sum(day.count for day in found),
        flagged=sum(day.flagged for day in found),
        flagged_in_all=int(np.count_nonzero(flagged)),
        tested=tested,
        untested=untested,
    )


def unflagged(found: Floods) -> list[FloodDay]:
    """The days whose alerts the fold did not all flag: those are worth naming in the problem file."""
    return [day for day in found.days if day.flagged < day.count]


def named_day(day: FloodDay) -> problem.FloodDay:
    """The day as a problem file names it."""
    return problem.FloodDay(day.team, day.rule, day.day)


def toml_of_day(day: FloodDay) -> str:
    """The same as TOML, an element of exclude.flood_days."""
    table = import_extra("tomlkit", "lab", "the audit needs", LabError).inline_table()
    table.update({"team": day.team, "rule": day.rule, "day": day.day})
    return str(table.as_string())


def robust_z(counts: Ints) -> tuple[float, NDArray[np.float64]]:
    """The median of daily counts, and how many spreads each lies above it.

    >>> median, z = robust_z(np.array([4, 4, 4, 4, 24]))
    >>> median, float(z[-1])
    (4.0, 10.0)
    """
    median = float(np.median(counts))
    mad = float(np.median(np.abs(counts - median)))
    return median, np.asarray((counts - median) / max(_MAD_TO_SIGMA * mad, math.sqrt(median), 1.0), dtype=np.float64)


def _of_pair(team: str, rule: str, days: Ints, flagged: NDArray[np.bool_], last: int) -> list[FloodDay]:
    first = int(days.min())
    counts = np.bincount(days - first, minlength=last - first + 1)
    if len(counts) < LEAST_DAYS:
        return []
    median, z = robust_z(counts)
    odd = np.flatnonzero((counts >= LEAST_COUNT) & (z >= LEAST_Z))
    if len(odd) > max(ODD_SHARE * len(counts), 1.0):
        return []
    return [
        FloodDay(
            day=datetime.fromtimestamp((first + int(day)) * problem.DAY_SECONDS, UTC).date(),
            team=team,
            rule=rule,
            count=int(counts[day]),
            usual=median,
            z=float(z[day]),
            flagged=int(np.count_nonzero(flagged & (days == first + day))),
        )
        for day in odd
    ]
