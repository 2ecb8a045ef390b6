"""Which firings are one episode, and that it depends on nothing but the raise times of team, rule and entity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.effects import Arrived
from stream.core.episodes import episode_id
from stream.core.events import Raised
from stream.core.fold import Fold
from stream.core.ledger import Alert
from stream.core.problem import Problem
from tests.core.logs import (
    DAY,
    HOUR,
    LAW,
    PROBLEMS,
    START,
    Timed,
    acted,
    feed,
    keep,
    logs,
    raised,
    resume,
    run,
    small_problem,
    tell,
    tick,
)

MINUTES = small_problem(history="forget_days = 4\nepisode_minutes = 30")


def episodes(log: list[Timed], problem: Problem = PROBLEMS[0]) -> list[int]:
    """The episode of each alert in log order, numbered by appearance."""
    numbers: dict[str, int] = {}
    told = [effect for effect in tell(run(problem, log)) if effect[0] == "arrived"]
    return [numbers.setdefault(effect[4], len(numbers)) for effect in told]


def firings(*at: float) -> list[Timed]:
    """Raises of one team, rule and entity."""
    return [raised(when, f"n{number}") for number, when in enumerate(at)]


def test_firings_within_the_gap_are_one_episode() -> None:
    """At exactly `episode_minutes` after the one before a firing still belongs to it; a second later it does not."""
    assert episodes(firings(0, HOUR, 2 * HOUR, 3 * HOUR + 1)) == [0, 0, 0, 1]
    assert episodes(firings(0, 1_800, 3_601), MINUTES) == [0, 0, 1]


def test_an_episode_lasts_a_day_at_most() -> None:
    """A firing at exactly 24 h after the first belongs to it; the next begins another, however close it follows."""
    assert episodes(firings(*range(0, int(DAY) + 1, 1_800), DAY + 1, DAY + 2)) == [0] * 49 + [1, 1]


def test_a_late_firing_joins_the_running_episode_unless_it_is_too_early() -> None:
    """Up to the gap before the first raise it joins, and moves neither its first nor its last raise."""
    assert episodes(firings(10 * HOUR, 9 * HOUR, 9.5 * HOUR, 11 * HOUR)) == [0, 0, 0, 0]
    early = 9 * HOUR - 1
    assert episodes(firings(10 * HOUR, early, 11 * HOUR)) == [0, 1, 0]
    assert episodes(firings(10 * HOUR, early, early - 60, early)) == [0, 1, 2, 1]


def test_the_id_is_that_of_the_first_raise_and_never_changes() -> None:
    """A joining late alert leaves the id as it was: a hash of team, rule, entity and the first raise, 16 digits."""
    fold = run(PROBLEMS[0], firings(10 * HOUR, 9 * HOUR))
    ids = {effect[4] for effect in tell(fold)}
    assert ids == {episode_id("pay", Alert(START + 10 * HOUR, "disk", "db", ()))}
    (only,) = ids
    assert len(bytes.fromhex(only)) == 8


def test_teams_rules_and_entities_have_episodes_of_their_own() -> None:
    """Alerts raised at one moment belong to four episodes if any of the three differs."""
    log = [raised(0, "a"), raised(0, "b", team="ops"), raised(0, "c", rule="cpu"), raised(0, "d", entity="db-2")]
    assert episodes(log) == [0, 1, 2, 3]


def test_floods_and_exclusions_belong_to_episodes() -> None:
    """Alerts of a flood, of a window and visibility-only ones begin and prolong episodes like any other."""
    window = "windows = [{ from = 2026-03-01T00:00:00Z, to = 2026-03-01T01:00:00Z }]"
    assert episodes(firings(HOUR - 60, 2 * HOUR - 61), small_problem(exclude=window)) == [0, 0]
    reports = [raised(0, "a", rule="report/x"), raised(60, "b", rule="report/x")]
    assert episodes(reports) == [0, 0]
    flood = small_problem(exclude='flood_days = [{ team = "pay", rule = "disk", day = 2026-03-01 }]')
    assert episodes(firings(0, HOUR, 2 * HOUR), flood) == [0, 0, 0]


def test_a_repeated_raise_belongs_to_the_episode_of_then() -> None:
    """A retried webhook neither begins nor prolongs an episode."""
    log = [raised(0), raised(HOUR + 60), raised(2 * HOUR, "b")]
    assert episodes(log) == [0, 1]


def test_forgetting_a_level_breaks_no_episode() -> None:
    """A firing after the level was forgotten begins an episode, and what comes late joins as it did before."""
    problem = small_problem(history="forget_days = 0.06\nepisode_minutes = 80")  # 86 minutes
    assert episodes(firings(0, 4_800, 9_600, 9_600 + 4_801, 9_600), problem) == [0, 0, 0, 1, 2]
    assert episodes(firings(0, 5_200, 5_200 - 4_800), problem) == [0, 1, 1]


def test_the_outcome_carries_the_episode_whenever_it_comes() -> None:
    """Also after the level has gone on to other episodes, and through states that were packed in between."""
    kept = keep(run(PROBLEMS[0], [*firings(0, 600), acted(700, "n0", kind="closed_by_rule")]))
    fold = resume(PROBLEMS[0], kept)
    feed(fold, [raised(DAY, "later"), acted(DAY + 60, "n0", kind="reopened"), tick(2 * DAY)])
    told = tell(fold)
    first = episode_id("pay", Alert(START, "disk", "db", ()))
    assert [effect[8] for effect in told if effect[0] == "decided" and effect[2] != "later"] == [first, first]
    assert [effect[8] != first for effect in told if effect[0] == "decided" and effect[2] == "later"] == [True]


def arrivals(fold: Fold) -> dict[str, str]:
    """The episode of each alert that arrived, by alert id."""
    found = [effect for effect in fold.effects if isinstance(effect, Arrived)]
    return {effect.event.alert_id: episode_id(effect.event.team, effect.alert) for effect in found}


@pytest.mark.slow
@LAW
@given(st.sampled_from(PROBLEMS), logs(late=(0.0, 300.0, 3_900.0, DAY)))
def test_episodes_depend_on_no_partition(problem: Problem, log: list[Timed]) -> None:
    """However late events are, each team alone has the episodes that it has among others.

    Each raise is an alert of its own here: how long the ledger knows an alert does depend on the partition's time.
    """
    raises = [(event, at) for event, at in log if isinstance(event, Raised)]
    own = [(replace(event, alert_id=str(place)), at) for place, (event, at) in enumerate(raises)]
    whole = arrivals(run(problem, own))
    apart = [arrivals(run(problem, [t for t in own if t[0].team == f"team-{team}"])) for team in range(3)]
    assert whole == {alert: episode for one in apart for alert, episode in one.items()}
