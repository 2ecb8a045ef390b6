"""Which levels an alert reads and moves, what they remember, and when they begin anew."""

import math

import numpy as np
import pytest

from stream.core import fold as fold_module
from stream.core import state
from stream.core.effects import Arrived
from stream.core.fold import Fold, level_keys
from stream.core.ledger import LATE, VISIBILITY_ONLY, Alert
from tests.core.logs import (
    DAY,
    GRACE,
    HOUR,
    PROBLEMS,
    START,
    Timed,
    acted,
    feed,
    keep,
    raised,
    run,
    small_problem,
    tell,
    tick,
)

KEYS = [
    "t\0pay",
    "tr\0pay\0disk",
    "te\0pay\0db",
    "tre\0pay\0disk\0db",
    "tl\0pay\0env\0prod",
    "trl\0pay\0disk\0env\0prod",
]


def arrivals(fold: Fold) -> list[Alert]:
    """The ledger entries of what arrived."""
    return [effect.alert for effect in fold.effects if isinstance(effect, Arrived)]


def worked(*at: float) -> list[Timed]:
    """Alerts of one rule, one each time, the even ones acted on a minute later."""
    log = []
    for number, when in enumerate(at):
        log.append(raised(when, f"n{number}"))
        log.append(acted(when + 60, f"n{number}", "dismissed" if number % 2 else "worked"))
    return log


def test_an_alert_moves_all_its_levels() -> None:
    """Team, rule, entity, both, and two a label; each holds the raise, the outcome and their times."""
    fold = run(PROBLEMS[0], [raised(0, env="prod"), acted(60)])
    assert sorted(fold.levels) == sorted(KEYS)
    for level in fold.levels.values():
        assert [level[index] for index in (4, 8, 12, 13, 14)] == [1.0, 1.0, 1.0, 1.0, 0.0]
        assert list(level[15:]) == [START, START + 60, START + 60, START]


def test_level_keys_tell_names_apart() -> None:
    """Names that run into each other give other keys; a label that is missing has none, an empty one has."""
    assert level_keys("pay", "disk", "db", ("env",), ("prod",)) == KEYS
    assert level_keys("a", "bc", "d", (), ()) != level_keys("ab", "c", "d", (), ())
    assert level_keys("pay", "disk", "db", ("env",), (None,))[4:] == ["", ""]
    assert level_keys("pay", "disk", "db", ("env",), ("",))[4:] == ["tl\0pay\0env\0", "trl\0pay\0disk\0env\0"]


def test_a_missing_label_leaves_a_gap_in_the_row() -> None:
    """Levels of a label that the alert lacks are NaN in its row; levels nobody has seen hold nothing."""
    row = run(PROBLEMS[0], [raised(0)]).take_rows()[0]
    assert row[0] == START
    assert np.isnan(row[1 + 19 * 4 :]).all()
    assert row[1:20].tolist() == list(state.new_state(state.epoch_of(START)))


def test_excluded_alerts_move_only_the_levels_of_their_rule() -> None:
    """A visibility-only alert is flagged, and neither it nor its outcome enters the team's or the entity's levels."""
    fold = run(PROBLEMS[0], [raised(0, rule="report/daily", env="prod"), acted(60)])
    assert arrivals(fold)[0].flags == VISIBILITY_ONLY
    moved = {key.partition("\0")[0] for key, level in fold.levels.items() if level[4] or level[8] or level[14]}
    assert moved == {"tr", "tre", "trl"}
    assert fold.levels["tr\0pay\0report/daily"][12] == 1.0


def test_the_last_outcome_is_that_of_team_and_rule_when_raised() -> None:
    """An alert remembers the last outcome of its team and rule as known at its raise: 1, 0, or none."""
    fold = run(PROBLEMS[0], [*worked(0, 100, 200), raised(150, "x", rule="cpu")])
    assert [alert.last_outcome for alert in arrivals(fold)] == [-1, 1, 0, -1]
    assert state.last_outcome(fold.levels["tr\0pay\0disk"]) == 1
    assert state.last_outcome(fold.levels["tr\0pay\0cpu"]) == -1


def test_the_ring_keeps_the_newest_outcomes() -> None:
    """The last 32 outcomes lie in the ring, newest in bit 0, and older ones leave it."""
    fold = run(PROBLEMS[0], worked(*range(0, 40_000, 1_000)))
    assert int(fold.levels["t\0pay"][state.RING]) == 0xAAAAAAAA
    feed(fold, [raised(50_000, "z"), acted(50_001, "z")])
    assert int(fold.levels["t\0pay"][state.RING]) == 0x55555555


@pytest.mark.parametrize("untouched", [4 * DAY, 4 * DAY + 1])
def test_a_level_untouched_for_too_long_begins_anew(untouched: float) -> None:
    """After exactly `forget_days` a level still counts; a second later it is as new, and so is what the alert reads."""
    fold = run(PROBLEMS[0], [raised(0), acted(60), raised(60 + untouched, "b")])
    remembered = untouched == 4 * DAY
    assert fold.take_rows()[1][1 + 4] == float(remembered)
    level = fold.levels["t\0pay"]
    assert (level[4], level[8]) == ((2.0, 1.0) if remembered else (1.0, 0.0))
    assert level[state.FIRST] == (START if remembered else START + 60 + untouched)


def test_landmarks_move_with_the_epochs() -> None:
    """Over borders of 256 days old counts fade to what is left of them, and stay finite for ever."""
    problem = small_problem(history="forget_days = 3000")
    fold = run(problem, [raised(0), acted(60)])
    for year in range(1, 9):
        feed(fold, [raised(365 * DAY * year, f"y{year}"), acted(365 * DAY * year + 60, f"y{year}")])
    level = fold.levels["t\0pay"]
    assert level[state.LANDMARK] == (START + 8 * 365 * DAY) // state.EPOCH
    assert (level[4], level[8], level[14]) == (9.0, 9.0, 0.0)
    days = (fold.time - 60 - level[0] * state.EPOCH) / DAY
    assert level[3] * 2.0 ** (-days / 30) == pytest.approx(sum(2.0 ** (-365 * n / 30) for n in range(9)), rel=1e-9)
    assert all(math.isfinite(value) for value in level)


def test_a_late_alert_reads_and_moves_an_epoch_gone_by() -> None:
    """An alert of before the landmark leaves it where it is, and counts with what is left of it."""
    border = (START // state.EPOCH + 1) * state.EPOCH - START
    problem = small_problem(history="forget_days = 3000")
    fold = run(problem, [raised(border + DAY, "new"), raised(border - DAY, "late")])
    level = fold.levels["t\0pay"]
    assert level[1] == 2.0**1 + 2.0**-1
    assert (level[15], level[18]) == (START + border + DAY, START + border - DAY)
    assert [alert.flags for alert in arrivals(fold)] == [0, LATE]


def test_a_late_outcome_counts_in_an_epoch_gone_by() -> None:
    """An action of before the landmark, on an alert that is open still, adds what is left of it."""
    border = (START // state.EPOCH + 1) * state.EPOCH - START
    log = [raised(border - 1_800, "old"), raised(border + 60, "new"), acted(border - 900, "old")]
    level = run(PROBLEMS[0], log).levels["t\0pay"]
    assert level[5] == level[9] == 2.0 ** (-900 / DAY)


@pytest.mark.parametrize(("late", "flags"), [(GRACE, 0), (GRACE + 1, LATE)])
def test_an_alert_later_than_the_grace_is_flagged(late: float, flags: int) -> None:
    """Within the grace an alert is on time."""
    assert arrivals(run(PROBLEMS[0], [tick(HOUR), raised(HOUR - late)]))[0].flags == flags


def test_rows_belong_to_their_alerts() -> None:
    """Row numbers go on over `take_rows`, and `first_row` says where those in memory begin."""
    fold = run(PROBLEMS[0], [raised(0, "a"), raised(1, "b")])
    assert fold.take_rows().shape == (2, 1 + 19 * 6)
    fold.clear_effects()
    feed(fold, [raised(2, "c")])
    assert [effect.row - fold.first_row for effect in fold.effects if isinstance(effect, Arrived)] == [0]
    assert (fold.first_row, fold.arrived) == (2, 3)
    assert fold.take_rows()[:, 0].tolist() == [START + 2]
    assert len(fold.take_rows()) == 0
    assert tell(run(PROBLEMS[0], [tick(0)])) == []


def test_remembered_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names pass, the fold remembers only so many keys, and states come out the same."""
    log = [raised(number, f"a{number}", entity=f"e{number % 7}") for number in range(50)]
    expected = keep(run(PROBLEMS[0], log))
    monkeypatch.setattr(fold_module, "_KEYS_REMEMBERED", 3)
    assert keep(run(PROBLEMS[0], log)) == expected
