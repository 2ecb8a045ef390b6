"""The past alerts that words count: chosen by counts alone, and such as a person can check."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core import state
from stream.core.fold import Fold
from stream.core.frame import Array, Decayed, logit
from stream.core.records import Like
from stream.core.reference_class import LEAST, Readings, choose_like, estimate_rate
from tests.core.logs import LAW, Timed, acted, raised, run, small_problem

PROBLEM = small_problem(history="forget_days = 3000")
HOUR = 3_600.0


def outcomes(
    verdicts: str, rule: str = "disk", entity: str = "db", since: float = 0.0, every: float = HOUR
) -> list[Timed]:
    """One alert after the other, `1` acted on and `0` dismissed; ids are of the rule, entity and time."""
    log: list[Timed] = []
    for number, verdict in enumerate(verdicts):
        name, at = f"{rule}-{entity}-{since}-{number}", since + number * every
        log += [raised(at, name, rule=rule, entity=entity)]
        log += [acted(at + 1, name, "worked" if verdict == "1" else "dismissed")]
    return log


def rows_of(log: list[Timed], at: float, entity: str = "db") -> Array:
    """The row of an alert at a time, after the log."""
    events = sorted(log, key=lambda event: event[1])
    return run(PROBLEM, [*events, raised(at, "last", entity=entity)]).take_rows()[-1:]


def like_of(log: list[Timed], at: float, entity: str = "db", shift: float = 0.0) -> Like | None:
    """What words of an alert at a time, after the log, count."""
    (like,) = choose_like(Decayed(rows_of(log, at, entity)), shift)
    return like


def test_a_steady_rule_is_counted_by_its_whole_history() -> None:
    """Where nothing changes and the entity is as the rule, all of team and rule is counted."""
    assert like_of(outcomes("0100" * 10), 41 * HOUR) == Like("team_rule", 40, 10)


def test_an_entity_that_differs_is_counted_by_its_own_history() -> None:
    """A host on which the team never acts is not described by the other hosts' rate."""
    log = outcomes("1" * 40, entity="web") + outcomes("0" * 40, since=1_800.0)
    assert like_of(log, 41 * HOUR) == Like("team_rule_entity", 40, 0)
    assert like_of(log, 41 * HOUR, entity="web") == Like("team_rule_entity", 40, 40)


def test_a_team_that_changed_is_counted_by_its_last_outcomes() -> None:
    """After a hundred alerts acted on and thirty that were not, the last outcomes are counted."""
    like = like_of(outcomes("1" * 100 + "0" * 30), 131 * HOUR)
    assert like is not None
    assert (like.decided <= 32, like.acted / like.decided < 0.1) == (True, True)


def test_a_few_outcomes_change_nothing() -> None:
    """Three outcomes against a long history are no sure difference: the whole is counted."""
    assert like_of(outcomes("1" * 60 + "000"), 64 * HOUR) == Like("team_rule", 63, 60)


def test_what_training_knew_of_a_new_rule_moves_the_choice() -> None:
    """Without outcomes of its own a rule is described by the counts that lie nearest to what training knew of it."""
    log = outcomes("0" * 20, rule="cpu", entity="web") + outcomes("1" * 20, rule="net", since=1_800.0)
    assert like_of(log, 30 * HOUR, shift=-4.0) == Like("team", 40, 20)
    assert like_of(log, 30 * HOUR, shift=4.0) == Like("team_entity", 20, 20)


def test_too_little_is_no_class() -> None:
    """With four outcomes of the team there is nothing to count."""
    assert like_of(outcomes("0101"), 5 * HOUR) is None
    assert choose_like(Decayed(Fold(PROBLEM).take_rows())) == []


def test_the_estimate_is_smoothed_from_team_to_entity() -> None:
    """Ten outcomes of the parent's rate are added at each level, by hand: team, then rule, then entity."""
    rows = rows_of(
        outcomes("0" * 10, rule="cpu", entity="web", every=1.0) + outcomes("1" * 10, since=0.5, every=1.0), 20.0
    )
    team = 11.0 / 22.0
    rule = (10.0 + 10.0 * team) / 20.0
    assert estimate_rate(Decayed(rows)).round(3).tolist() == [round((10.0 + 10.0 * rule) / 20.0, 3)]
    assert estimate_rate(Decayed(rows), logit(0.2) - logit(0.5))[0] < estimate_rate(Decayed(rows))[0]


def test_a_rule_that_changed_alone_is_read_by_its_own_last_outcomes() -> None:
    """Where one rule turns to noise and the team's other rule turns the other way, only the rule's own time tells."""
    turned = outcomes("1" * 60 + "0" * 60) + outcomes("0" * 60 + "1" * 60, rule="cpu", since=1_800.0)
    readings = Readings(Decayed(rows_of(turned, 121 * HOUR)))
    assert readings.own_rate()[0] < 0.2
    assert readings.moved_rate()[0] == 0.5


def test_a_team_that_changed_moves_the_whole_history_of_its_rules() -> None:
    """Where a team turns to noise, a rule that was not raised since is expected to have turned with it."""
    log = outcomes("1" * 60, rule="cpu", entity="web") + outcomes("10" * 30, since=1_800.0)
    before = estimate_rate(Decayed(rows_of(log, 61 * HOUR)))[0]
    log += outcomes("0" * 60, rule="cpu", entity="web", since=61 * HOUR)
    readings = Readings(Decayed(rows_of(log, 122 * HOUR)))
    assert before > 0.45
    assert readings.moved_rate()[0] < 0.3


@LAW
@given(
    st.lists(st.tuples(st.sampled_from(["disk", "cpu"]), st.sampled_from(["db", "web"]), st.booleans()), max_size=50)
)
def test_words_count_what_happened(made: list[tuple[str, str, bool]]) -> None:
    """Whatever the history: the counts are those of the last outcomes of the level that is named, five at least."""
    log: list[Timed] = []
    for number, (rule, entity, verdict) in enumerate(made):
        log += outcomes("1" if verdict else "0", rule, entity, number * HOUR)
    like = like_of(log, 51 * HOUR)
    if like is None:
        assert len(made) < LEAST
        return
    belongs = {
        "team": made,
        "team_rule": [one for one in made if one[0] == "disk"],
        "team_entity": [one for one in made if one[1] == "db"],
        "team_rule_entity": [one for one in made if one[:2] == ("disk", "db")],
    }[like.level]
    assert LEAST <= like.decided <= len(belongs)
    assert like.acted == sum(verdict for _, _, verdict in belongs[-like.decided :])


def test_the_choice_does_not_depend_on_the_batch() -> None:
    """All rows at once and row by row give the same counts."""
    rows = run(PROBLEM, outcomes("0110" * 12)).take_rows()
    assert choose_like(Decayed(rows)) == [choose_like(Decayed(rows[n : n + 1]))[0] for n in range(len(rows))]
    assert np.shape(rows) == (48, 1 + 4 * state.WIDTH)
