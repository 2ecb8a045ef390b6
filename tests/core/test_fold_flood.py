"""What is a flood, and what is only busy: decided in the fold, from a rule's own past."""

import math

import pytest

from stream.core.fold import Fold
from stream.core.ledger import FLOOD
from tests.core.logs import DAY, FLOOD_DAY, START, Timed, feed, keep, raised, resume, run, small_problem, tell
from tests.core.reference import decayed

PROBLEM = small_problem(history="forget_days = 400", flood="per_day = 50\nfactor = 10")


def series(start: float, days: float, per_day: float, rule: str = "disk") -> list[Timed]:
    """Raises at an even pace, seconds after START."""
    gap = DAY / per_day
    return [raised(start + n * gap, f"{rule}-{start}-{n}", rule=rule) for n in range(round(days * per_day))]


def flooded(fold: Fold, log: list[Timed]) -> list[bool]:
    """Which of the log's alerts are flagged."""
    feed(fold, log)
    return [bool(effect[2] & FLOOD) for effect in tell(fold) if effect[0] == "arrived"]


def test_a_burst_of_a_quiet_rule_is_a_flood() -> None:
    """A rule of five a day that fires a thousand times in an hour floods once the last day's rate is over 50 a day."""
    flags = flooded(Fold(PROBLEM), [*series(0, 30, 5), *series(30 * DAY, 1 / 24, 24_000)])
    quiet, burst = flags[:150], flags[150:]
    assert not any(quiet)
    # c1 of five a day is 7.2; 50 a day is a c1 of 72.1: some 65 raises later.
    assert 60 <= burst.index(True) <= 70
    assert all(burst[burst.index(True) :])


def test_the_end_of_a_flood_is_the_end_of_the_flag() -> None:
    """A week after a burst the rule is as usual again."""
    fold = Fold(PROBLEM)
    assert any(flooded(fold, [*series(0, 30, 5), *series(30 * DAY, 1 / 24, 24_000)]))
    assert not any(flooded(fold, series(37 * DAY, 5, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("per_day", [60, 500])
def test_a_steady_busy_rule_never_floods(per_day: int) -> None:
    """A rule that is always busy is not in a flood, on its first days neither."""
    assert not any(flooded(Fold(PROBLEM), series(0, 40, per_day)))


@pytest.mark.slow
def test_a_weekly_rhythm_is_not_a_flood() -> None:
    """Busy weekdays after near-silent weekends are the rule's rhythm, from the second week on at the latest."""
    fold = Fold(PROBLEM)
    for week in range(6):
        start = week * 7 * DAY
        flags = flooded(fold, [*series(start, 5, 300), *series(start + 5 * DAY, 2, 2)])
        assert not any(flags)


def test_a_daily_rhythm_is_not_a_flood() -> None:
    """All alerts of a day within one hour, day after day, are no flood from the third day on."""
    fold, flags = Fold(PROBLEM), []
    for day in range(20):
        flags.append(any(flooded(fold, series(day * DAY, 1 / 24, 24 * 200))))
    assert not any(flags[3:])


@pytest.mark.slow
def test_a_growing_rule_is_not_a_flood() -> None:
    """A rule that grows by a tenth a day is never ten times its usual."""
    log = [timed for day in range(40) for timed in series(day * DAY, 1, 30 * 1.1**day)]
    assert not any(flooded(Fold(PROBLEM), log))


@pytest.mark.slow
def test_a_new_rule_has_no_usual_rate() -> None:
    """A rule does not flood within a day of its first alert, however often it fires."""
    assert not any(flooded(Fold(PROBLEM), series(0, 1, 5_000)))
    for hours, floods in ((12, False), (23, False), (25, True)):
        burst = series(hours * 3_600, 1 / 120, 120 * 200)
        assert any(flooded(Fold(PROBLEM), [raised(0, "first"), *burst])) is floods


def test_few_alerts_are_no_flood() -> None:
    """Under `per_day` alerts a day nothing is a flood, whatever was usual; the factor counts only above it."""
    quiet = [raised(0, "first")]
    assert not any(flooded(Fold(PROBLEM), quiet + series(60 * DAY, 1 / 24, 24 * 45)))
    assert any(flooded(Fold(PROBLEM), quiet + series(60 * DAY, 1 / 24, 24 * 80)))


def test_a_flood_is_of_one_team_and_rule() -> None:
    """Another rule of the flooding team is not flagged, nor the same rule of another team."""
    fold = run(PROBLEM, [*series(0, 30, 5), *series(0, 30, 5, "cpu"), *series(30 * DAY, 1 / 24, 24_000)])
    tell(fold)
    assert flooded(fold, [raised(31 * DAY, "x", rule="cpu"), raised(31 * DAY, "y", team="ops")]) == [False, False]
    assert flooded(fold, [raised(31 * DAY, "z")]) == [True]


def test_a_listed_day_is_a_flood_for_its_team_and_rule_alone() -> None:
    """Its first alert is flagged, the last before and the first after are not, nor other teams and rules."""
    problem = small_problem(flood="per_day = 50\nfactor = 10", exclude=f"flood_days = [{FLOOD_DAY}]")
    log = [raised(at, f"n{at}") for at in (DAY - 1, DAY, 2 * DAY - 1, 2 * DAY)]
    assert flooded(Fold(problem), log) == [False, True, True, False]
    others = [raised(DAY, "x", rule="cpu"), raised(DAY, "y", team="ops")]
    assert flooded(Fold(problem), others) == [False, False]


def test_a_flood_moves_only_the_levels_of_its_rule() -> None:
    """Flagged alerts count in the rule's levels, so that the flood is seen to last, and not in the team's."""
    burst = series(30 * DAY, 1 / 24, 24_000)
    fold = run(PROBLEM, series(0, 30, 5))
    tell(fold)
    flags = flooded(fold, burst)
    assert fold.levels["tr\0pay\0disk"][4] == 150 + 1_000
    assert fold.levels["t\0pay"][4] == 150 + flags.count(False)
    assert fold.levels["te\0pay\0db"][4] == 150 + flags.count(False)
    fold.advance(fold.time + DAY)
    assert (fold.levels["t\0pay"][8], fold.levels["tr\0pay\0disk"][8]) == (150 + flags.count(False), 1_150)


def test_a_flood_does_not_depend_on_batch_borders() -> None:
    """The flags are the same with states packed and unpacked after each alert of the burst."""
    log = [*series(0, 30, 5), *series(30 * DAY, 1 / 240, 24_000)]
    kept, flags = keep(run(PROBLEM, log[:150])), []
    for timed in log[150:]:
        fold = resume(PROBLEM, kept)
        flags += flooded(fold, [timed])
        kept = keep(fold)
    assert flags == flooded(Fold(PROBLEM), log)[150:]


@pytest.mark.slow
def test_a_busy_rule_floods_at_ten_times_its_usual() -> None:
    """Twenty a day, then a burst: the flag comes with the alert at which the formula, summed by hand, says so."""
    log = [*series(0, 20, 20), *series(20 * DAY, 1 / 24, 24 * 600)]
    flags = flooded(Fold(PROBLEM), log)
    times = [at for _, at in log]
    rate, usual, age = 0.0, 1.0, 0.0
    for place in range(400, len(log)):
        day, _, month, _ = decayed(times[:place], times[place])
        age = (times[place] - START) / DAY
        rate = day * math.log(2) / (1 - 2.0**-age)
        usual = (month - day) * math.log(2) / (30 * (1 - 2.0 ** (-age / 30)) - (1 - 2.0**-age))
        assert flags[place] == (rate > 10 * usual)
    assert not any(flags[:400])
    assert 200 < flags[400:].index(True) < 300


def test_a_flood_is_decided_from_the_past() -> None:
    """The formula, by hand: k raises in the last instant, after one 30 days ago."""
    fold = run(PROBLEM, [raised(0, "first")])
    tell(fold)
    flags = flooded(fold, [raised(30 * DAY, f"n{number}") for number in range(100)])
    filled = 1 - 2.0**-30
    for count, flag in enumerate(flags):
        rate = (count + 2.0**-30) * math.log(2) / filled
        usual = (2.0**-1 - 2.0**-30) * math.log(2) / (15 - filled)
        assert flag == (count + 1 >= 50 and rate >= 50 and rate > 10 * usual)
    assert flags.index(True) == 73
    assert fold.time == START + 30 * DAY
