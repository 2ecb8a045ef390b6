"""Rules that ring on drift, evaluated each hour as Prometheus would, and what they ring at."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.drift_world import Trained, Watched, flooded, ringing, sums
from stream.core import drift
from stream.core.frame import Array
from stream.models.reference import Spread, chance

RULES = ("ours", "one effect", "no clustering", "psi > 0.1", "psi > 0.2")
WINDOWS = {"24h": 24, "7d": 168}
GAP_HOURS = 24  # rings less apart are one alarm
Rings = NDArray[np.bool_]


class Alarms(Struct, frozen=True):
    """Of one rule and window over one organisation.

    Attributes:
        alarms: how often it began to ring, after 24 h of quiet.
        months: of 30 days, that were watched.
        ringing_hours: in which it rang.
        features: hours by feature.
    """

    alarms: int
    months: float
    ringing_hours: int
    features: dict[str, int]


def alarms(trained: Trained, watched: Watched, hours: int, calm: bool) -> dict[str, dict[str, Alarms]]:
    """By rule and window, and for both windows together ("either"); `calm` leaves windows with a flood day out."""
    found: dict[str, dict[str, Rings]] = {rule: {} for rule in RULES}
    features: dict[tuple[str, str], dict[str, int]] = {}
    for window, length in WINDOWS.items():
        quiet = ~flooded(hours, length) if calm else np.ones(hours, dtype=np.bool_)
        for name, spread in ringing(trained).items():
            values = watched.column(trained.chosen, name)
            counts = sums(values, watched.hour, spread.edges, hours, length)
            for rule, rings in evaluate(counts, spread, trained, window).items():
                heard = rings & quiet
                found[rule][window] = found[rule].get(window, np.zeros(hours, dtype=np.bool_)) | heard
                if heard.any():
                    features.setdefault((rule, window), {})[name] = int(heard.sum())
    made: dict[str, dict[str, Alarms]] = {}
    for rule, by_window in found.items():
        by_window["either"] = by_window["24h"] | by_window["7d"]
        made[rule] = {
            window: _counted(rings, _months(hours, window, calm), features.get((rule, window), {}))
            for window, rings in by_window.items()
        }
    return made


def evaluate(counts: Array, spread: Spread, trained: Trained, window: str) -> dict[str, Rings]:
    """Each rule's verdict on each of N windows' counts, float64[N, B]."""
    rows, watched = trained.reference.rows, len(ringing(trained))
    index = drift.psi_each(counts, [*spread.shares, spread.missing], rows)
    n = counts.sum(axis=1)
    effect = {"24h": spread.design_effect, "7d": spread.design_effect_7d}[window]

    def ours(design_effect: float | None) -> Rings:
        assert design_effect is not None, "the reference was made with its origin"
        with np.errstate(divide="ignore"):
            threshold = chance(spread, watched, design_effect) * (1.0 / n + 1.0 / rows)
        return np.asarray((n >= drift.ROWS_LEAST) & (index > threshold) & (index > drift.EFFECT_FLOOR))

    return {
        "ours": ours(effect),
        "one effect": ours(spread.design_effect),
        "no clustering": ours(1.0),
        "psi > 0.1": index > 0.1,
        "psi > 0.2": index > 0.2,
    }


def first_ring(trained: Trained, values: Array, hour: Array, name: str, since: int, hours: int) -> dict[str, int]:
    """Hours from `since` to the first ring of one feature by our rule, by window; nothing where it never rings."""
    spread, found = ringing(trained)[name], {}
    for window, length in WINDOWS.items():
        counts = sums(values, hour, spread.edges, hours, length)[since:]
        rung = np.flatnonzero(evaluate(counts, spread, trained, window)["ours"])
        if len(rung):
            found[window] = int(rung[0]) + 1
    return found


def _months(hours: int, window: str, calm: bool) -> float:
    length = WINDOWS["24h"] if window == "either" else WINDOWS[window]
    return float(hours - int(flooded(hours, length).sum()) if calm else hours) / 720.0


def _counted(rings: Rings, months: float, features: dict[str, int]) -> Alarms:
    at = np.flatnonzero(rings)
    began = int(1 + (np.diff(at) > GAP_HOURS).sum()) if len(at) else 0
    return Alarms(began, months, len(at), dict(sorted(features.items(), key=lambda item: -item[1])))
