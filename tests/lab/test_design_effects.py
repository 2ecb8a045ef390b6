"""Design effects: none where alerts are independent, and as large as clusters where they are not."""

from datetime import timedelta

import numpy as np
import pytest

from stream.core.events import seconds
from stream.core.features import table
from stream.core.frame import Array
from stream.lab.design_effects import Effects, Ints, effects, level_effects, level_of
from tests.lab.logs import START, raised

DAYS, A_DAY, BINS = 28, 300, 10
AT = np.arange(DAYS * A_DAY) * 86_400.0 / A_DAY
RNG = np.random.default_rng(5)


def drawn_by(clusters: Ints) -> Ints:
    """A bin for each alert: one draw for all alerts of a cluster."""
    return np.asarray(RNG.integers(BINS, size=int(clusters.max()) + 1)[clusters], dtype=np.int64)


def test_independent_alerts_have_no_effect() -> None:
    """Over a month of independent alerts both effects stay near 1, and never fall below it."""
    found = [effects(RNG.integers(BINS, size=len(AT)), BINS, AT) for _ in range(20)]
    assert all(1.0 <= each.day <= each.week for each in found)
    assert np.mean([each.day for each in found]) < 1.15
    assert np.mean([each.week for each in found]) < 1.4


@pytest.mark.parametrize("size", [2, 5])
def test_bursts_have_the_effect_of_their_size(size: int) -> None:
    """Alerts that come in runs of k alike tell as much as one in k would."""
    runs = np.arange(len(AT)) // size
    found = np.mean([effects(drawn_by(runs), BINS, AT).day for _ in range(20)])
    assert found == pytest.approx(size, rel=0.25)


def test_weekends_that_differ_count() -> None:
    """Two days in seven with a mix of their own widen what a day may do by far, and what a week may by little."""
    day = np.arange(len(AT)) // A_DAY
    bins = np.where(day % 7 < 2, RNG.integers(3, size=len(AT)), RNG.integers(BINS, size=len(AT)))
    measured = effects(bins, BINS, AT)
    assert measured.day > 10.0
    assert effects(bins[day % 7 < 2], BINS, AT[day % 7 < 2]).day < 1.6


def test_weeks_that_differ_widen_the_week() -> None:
    """What is constant for a week and then drawn anew shows between weeks more than between days."""
    week = np.arange(len(AT)) // (7 * A_DAY)
    shift = np.array([0, 3, 1, 5])[week]
    bins = (RNG.integers(BINS // 2, size=len(AT)) + shift) % BINS
    measured = effects(bins, BINS, AT)
    assert measured.week > 3.0 * measured.day > 30.0


@pytest.mark.parametrize("count", [0, 1, 30])
def test_few_alerts_say_nothing(count: int) -> None:
    """Nothing, one alert or one day: no effect can be measured, so none is claimed."""
    assert effects(np.zeros(count, dtype=np.int64), 3, AT[:count]) == Effects()


@pytest.mark.slow
def test_levels_add_what_their_keys_agree() -> None:
    """Four teams that take turns: in a day of n alerts each speaks for n / 4, in a week for seven times as much."""
    alerts = [raised(number, START + timedelta(seconds=at), f"team-{number % 4}") for number, at in enumerate(AT)]
    at: Array = np.array([seconds(alert.at) for alert in alerts])
    found = level_effects(alerts, at, ["env"])
    assert found["team"] == pytest.approx([A_DAY / 4, 7 * A_DAY / 4])
    assert found["team_label.env"] == pytest.approx(found["team"])  # no alert has the label
    assert found["team_entity"] == pytest.approx([A_DAY / 20, 7 * A_DAY / 20])
    bins = RNG.integers(BINS, size=len(at))
    alone, level = effects(bins, BINS, at), effects(bins, BINS, at, found["team"])
    assert level.day == pytest.approx(alone.day + A_DAY / 4 - 1.0)
    assert level.week == pytest.approx(alone.week + 7 * A_DAY / 4 - 1.0)


def test_every_level_of_the_table_is_found() -> None:
    """Each feature of a level is known as one; what is not is in the alert, the time or the combined rates."""
    for name, feature in table(["env"], ["rule", "label.env"]).items():
        level = level_of(name, ["env"])
        if feature.group in ("history", "load"):
            assert level is not None
            assert name.startswith(f"{level}.") or name in ("additive", "shifts")
        else:
            assert level is None
    assert level_of("score", ["env"]) is None
