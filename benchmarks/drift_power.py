"""Changes injected into the simulated organisation, and how long drift takes to ring at them."""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from benchmarks import drift_world as world
from benchmarks.drift_rules import first_ring
from benchmarks.drift_world import CHANGE_DAY, DAYS, TRAINED_DAYS, Trained, Watched, ringing
from stream.lab.split import Split
from stream.simulation import STEADY, TEAMS, Drifts, Shift

SINCE = (CHANGE_DAY - TRAINED_DAYS) * 24  # hours after training
UNTIL = 32 * 24  # hours after the change: then comes a flood day, which rings by itself
SLOW_DAYS = 30
SOURCE = "prometheus"
_AT, _UNTIL = CHANGE_DAY / DAYS, (CHANGE_DAY + SLOW_DAYS) / DAYS
_THIRD = tuple(team.name for team in TEAMS[::3])


class Delay(Struct, frozen=True):
    """Hours from the change to the first ring, of those tries that rang at all; by window."""

    tried: int
    rang: int
    day: list[int]
    week: list[int]
    features: dict[str, int]  # how often a feature was the first to ring

    @classmethod
    def pooled(cls, parts: Iterable["Delay"]) -> "Delay":
        """Of several seeds together."""
        parts = list(parts)
        first: dict[str, int] = {}
        for part in parts:
            for name, times in part.features.items():
                first[name] = first.get(name, 0) + times
        return cls(
            tried=sum(part.tried for part in parts),
            rang=sum(part.rang for part in parts),
            day=sorted(hours for part in parts for hours in part.day),
            week=sorted(hours for part in parts for hours in part.week),
            features=dict(sorted(first.items(), key=lambda item: -item[1])),
        )


def broken(trained: Trained, watched: Watched) -> dict[str, Delay]:
    """Each ringing feature in turn gives nothing any more, or always the median it had."""
    made: dict[str, list[Delay]] = {"a feature is all NaN": [], "a feature is constant": []}
    for name in ringing(trained):
        values = watched.column(trained.chosen, name)
        median = float(np.nanmedian(values))
        for what, wrong in zip(made, (np.nan, median), strict=True):
            after = np.where(watched.hour >= SINCE, wrong, values)
            found = first_ring(trained, after, watched.hour, name, SINCE, SINCE + UNTIL)
            made[what].append(_delay(found.get("24h"), found.get("7d"), [] if found else [name]))
    return {what: Delay.pooled(delays) for what, delays in made.items()}


def changes(trained: Trained, end: Split, seed: int) -> dict[str, Delay]:
    """What the organisation itself changes; the log before is the same, so the model is."""
    slow, sudden = (
        world.thinned(CHANGE_DAY, CHANGE_DAY + SLOW_DAYS, SOURCE),
        world.thinned(CHANGE_DAY, CHANGE_DAY, SOURCE),
    )
    told = {
        "half of all alerts but one source's stop at once": (STEADY, sudden),
        "the same over 30 days": (STEADY, slow),
        "one team stops acting": (_shifts(("payments",), -4.0, _AT), None),
        "a third of the teams stop acting": (_shifts(_THIRD, -4.0, _AT), None),
        "all teams tire over 30 days": (_shifts(tuple(team.name for team in TEAMS), -2.0, _UNTIL), None),
    }
    return {
        what: _first(trained, world.watch(world.organisation(seed, drifts, keep), end, trained))
        for what, (drifts, keep) in told.items()
    }


def _shifts(teams: Iterable[str], by: float, until: float) -> Drifts:
    return Drifts(tuple(Shift(team, _AT, until, by) for team in teams), ())


def _first(trained: Trained, watched: Watched) -> Delay:
    """The first ring of any feature."""
    found = {
        name: first_ring(trained, watched.column(trained.chosen, name), watched.hour, name, SINCE, SINCE + UNTIL)
        for name in ringing(trained)
    }
    day, week = (
        min((delays[window] for delays in found.values() if window in delays), default=None) for window in ("24h", "7d")
    )
    earliest = {name: min(delays.values()) for name, delays in found.items() if delays}
    return _delay(day, week, [name for name, at in earliest.items() if at == min(earliest.values())])


def _delay(day: int | None, week: int | None, first: list[str]) -> Delay:
    return Delay(
        tried=1,
        rang=int(day is not None or week is not None),
        day=[] if day is None else [day],
        week=[] if week is None else [week],
        features=dict.fromkeys(first, 1),
    )
