"""The replay is the fold: the same rows and outcomes, with the order in which things became known."""

from datetime import timedelta

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.events import Event, Tick
from stream.core.fold import Fold
from stream.core.kinds import DRILL_TEAM, Agent
from stream.core.ledger import FLOOD, VISIBILITY_ONLY
from stream.core.problem import parse_problem
from stream.lab.replaying import Replayed, replay
from tests.lab.logs import PROBLEM_TEXT, START, acted, lines, raised, small_log, small_problem


def minute(minutes: float) -> timedelta:
    """Minutes as a time span."""
    return timedelta(minutes=minutes)


def replayed_of(*events: Event) -> Replayed:
    """A replay of a few events."""
    return replay(lines(events), small_problem())


def test_rows_are_the_folds(small: Replayed) -> None:
    """Every row is what `Fold.rows` holds, byte for byte, and outcomes are what its ledger says."""
    fold = Fold(small_problem())
    for line in lines(small_log()):
        fold.step(line.event, line.at, line.value)
    assert np.asarray(small.rows).tobytes() == fold.rows.tobytes()
    for index, alert in enumerate(small.alerts):
        entry = fold.ledger[alert.team, alert.alert_id]
        assert entry.outcome == small.outcome[index]  # type: ignore[union-attr]  # no action is held here
    assert small.ended_at == fold.time


def test_pruning_the_ledger_changes_nothing() -> None:
    """With a ledger of two hours nearly all alerts are forgotten on the way; the rows stay."""
    problem = parse_problem(PROBLEM_TEXT + "ledger_days = 0.1\n")
    recorded = small_log(400)
    fold = Fold(problem)
    for line in lines(recorded):
        fold.step(line.event, line.at, line.value)
    assert np.asarray(replay(lines(recorded), problem).rows).tobytes() == fold.rows.tobytes()


def test_alerts_of_an_episode_have_its_number() -> None:
    """Firings of one entity within the hour are one episode; another entity, rule or a later firing begins another."""
    replayed = replayed_of(
        raised(1, START),
        raised(2, START + minute(1)),
        raised(6, START + minute(50)),
        raised(11, START + minute(100), rule="rule-1"),
        raised(16, START + minute(109)),
        raised(21, START + minute(170)),
    )
    assert replayed.episode.tolist() == [0, 1, 0, 2, 0, 3]


def test_outcomes_come_from_actions_and_expiry() -> None:
    """Acted on, dismissed, expired, and open where the log ends before the horizon and grace."""
    replayed = replayed_of(
        raised(1, START),
        raised(2, START),
        raised(3, START),
        acted(1, START + minute(5)),
        acted(2, START + minute(6), kind="dismissed"),
        raised(4, START + minute(50)),
        Tick(START + minute(70)),
    )
    assert replayed.outcome.tolist() == [1, 0, 0, -1]
    assert (replayed.decided_at - replayed.at).tolist()[:3] == [300.0, 360.0, 3900.0]
    assert replayed.mature.tolist() == [True, True, True, False]
    assert replayed.labelled.tolist() == [True, True, True, False]
    assert replayed.sequence.tolist() == [0, 1, 2, ~0, ~1, 3, ~2]


def test_an_outcome_is_known_when_the_fold_publishes_it() -> None:
    """The expiry of an alert stands in the sequence before the event that passes it, and after all before."""
    replayed = replayed_of(raised(1, START), raised(2, START + minute(65)), raised(3, START + minute(65.1)))
    assert replayed.sequence.tolist() == [0, 1, ~0, 2]


@pytest.mark.parametrize("by", ["closed_by_rule", "paused_by_rule"])
def test_what_a_rule_kept_from_people_is_never_learnt_from(by: str) -> None:
    """Its outcome is unknown, and stays so when it is corrected: nothing of it stands in the sequence."""
    replayed = replayed_of(
        raised(1, START),
        acted(1, START + minute(1), kind=by),
        raised(2, START + minute(2)),
        acted(1, START + minute(3)),
        acted(1, START + minute(4)),
    )
    assert replayed.sequence.tolist() == [0, 1]
    assert replayed.outcome.tolist() == [2, -1]
    assert not replayed.labelled.any()
    early = [acted(1, START + minute(1), kind=by), acted(1, START + minute(2))]
    overtaken = replayed_of(*early, raised(1, START + minute(3)))
    assert overtaken.sequence.tolist() == [0]
    assert overtaken.effects["held"] == 2


def test_drills_are_folded_and_left_out() -> None:
    """With the drill team's alerts among them, all columns are as without; only the events count."""
    log = small_log(60)
    drills = [replace(event, team=DRILL_TEAM) for event in log if not isinstance(event, Tick)]
    plain = replayed_of(*log)
    both = replayed_of(*(one for pair in zip(log, drills, strict=True) for one in pair))
    assert both.alerts == plain.alerts
    assert np.array_equal(both.rows, plain.rows, equal_nan=True)
    for name in ("at", "outcome", "decided_at", "flags", "last_outcome", "sequence", "counts"):
        assert np.array_equal(getattr(both, name), getattr(plain, name)), name
    assert (both.kinds, both.agents, both.ended_at) == (plain.kinds, plain.agents, plain.ended_at)
    assert both.events == 2 * plain.events


def test_kinds_are_counted_by_who_did_them_where_the_log_says() -> None:
    """Each kind once in all, and by agent where there is one."""
    agents: tuple[Agent | None, ...] = ("person", "automation", None)
    log = [replace(acted(1, START + minute(at)), agent=agent) for at, agent in enumerate(agents)]
    replayed = replayed_of(raised(1, START), *log)
    assert replayed.kinds == {"worked": 3}
    assert replayed.agents == {"worked@person": 1, "worked@automation": 1}


def test_repeats_and_strangers_are_counted() -> None:
    """A retried raise, a repeated action and an action for nobody are no alerts."""
    again = acted(1, START + minute(1))
    replayed = replayed_of(
        raised(1, START), raised(1, START), again, again, acted(9, START + minute(2)), Tick(START + minute(90))
    )
    assert len(replayed.alerts) == 1
    assert replayed.effects == {"repeated_raise": 1, "repeated": 1, "held": 1, "unknown_alert": 1}
    assert replayed.events == 6
    assert replayed.kinds == {"worked": 3}


def test_excluded_and_flood_alerts_do_not_count() -> None:
    """Visibility-only alerts and floods keep their outcome but are never labelled."""
    events = [raised(number, START + timedelta(hours=number)) for number in range(60)]
    flood = [raised(1_000 + number, START + timedelta(hours=60, seconds=10 * number)) for number in range(1_500)]
    report = raised(5_000, START + timedelta(days=4), rule="report/daily")
    replayed = replayed_of(*events, *flood, report, Tick(START + timedelta(days=5)))
    assert replayed.flags[-1] == VISIBILITY_ONLY
    flooded = (replayed.flags & FLOOD) > 0
    assert not flooded[:60].any()
    assert flooded.sum() > 100
    assert not replayed.labelled[flooded].any()
    assert not replayed.labelled[-1]
    assert (replayed.outcome == 0).all()


def test_a_log_without_alerts_is_replayed() -> None:
    """Only actions: nothing raised, nothing known, no error here."""
    replayed = replayed_of(acted(1, START))
    assert len(replayed.alerts) == len(replayed.sequence) == 0
    assert replayed.rows.shape[0] == 0
