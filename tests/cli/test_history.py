"""`noisegate history`: what Redis holds, as people and machines read it."""

import pytest

from stream.cli.history import level_of
from stream.core import state
from stream.core.events import Raised
from stream.eventlog import read_log
from tests.cli.conftest import BAD, Run, Scored

TEAM = "payments"


def raises(scored: Scored, rule: str | None = None) -> int:
    """How many alerts of the team (and rule) the log holds, each once, reports aside."""
    ids = {
        line.event.alert_id
        for line in read_log(scored.log)
        if type(line.event) is Raised and line.event.team == TEAM and rule in (None, line.event.rule)
        if not line.event.rule.startswith("report/")
    }
    return len(ids)


def test_counts_are_those_of_the_log(run: Run, scored: Scored) -> None:
    """The counts without decay equal what the log holds; decayed ones are smaller."""
    told = run("history", "show", TEAM, "--json", env=scored.env).json
    (team,) = told["levels"]
    assert team["raised"]["ever"] == raises(scored) > 0
    assert team["raised"]["1d"] < team["raised"]["7d"] < team["raised"]["30d"] < team["raised"]["ever"]
    assert team["acted"]["ever"] <= team["decided"]["ever"]
    assert team["open"] == team["raised"]["ever"] - team["decided"]["ever"]


def test_rule_and_entity_levels(run: Run, scored: Scored) -> None:
    """--rule and --entity add their levels and that of both."""
    alert = next(
        line.event
        for line in read_log(scored.log)
        if type(line.event) is Raised and line.event.team == TEAM and not line.event.rule.startswith("report/")
    )
    names = ("--rule", alert.rule, "--entity", alert.entity)
    told = run("history", "show", TEAM, *names, "--json", env=scored.env).json
    assert len(told["levels"]) == 4
    assert told["levels"][1]["raised"]["ever"] == raises(scored, alert.rule)
    shown = run("history", "show", TEAM, *names, env=scored.env).out
    assert "acted on" in shown
    assert "newest first" in shown


def test_unknown_team_is_one_sentence(run: Run, scored: Scored) -> None:
    """A team without history is told so."""
    ran = run("history", "show", "nobody-at-all", env=scored.env)
    assert (ran.status, ran.out) == (1, "")
    assert "'nobody-at-all'" in ran.err


def test_a_misspelt_team_is_told_the_near_names(run: Run, scored: Scored) -> None:
    """Names that are spelt about the same, whatever their case, are suggested; each has a history."""
    for name in ("paymets", "Payments"):
        ran = run("history", "show", name, env=scored.env)
        assert ran.status == 1
        assert f"{name!r} belongs, holds no such history; did you mean 'payments'" in ran.err


def test_redis_away_is_one_sentence(run: Run, scored: Scored) -> None:
    """Without Redis there is a sentence, no traceback."""
    env = {**scored.env, "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0", "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "0.2"}
    ran = run("history", "show", TEAM, env=env)
    assert ran.status == 1
    assert ran.err.startswith("noisegate: Redis can't be reached")


def test_level_is_read_at_its_time() -> None:
    """One half-life after a raise and an actionable outcome the counts of one day are halved, the rate stays."""
    level = state.new_state(0.0)
    state.add_raises([level], 0.0, 0.0)
    state.add_outcomes([level], 0.0, 0.0, actionable=True)
    read = level_of("x", level, state.DAY)
    assert read.raised["1d"] == pytest.approx(0.5)
    assert read.raised["ever"] == 1.0
    assert read.rate["1d"] == pytest.approx(1.0)
    assert read.last_outcomes == [1]
    assert read.last_acted_at == "1970-01-01T00:00:00Z"


@pytest.mark.slow
def test_rebuild_gives_the_same_history(run: Run, scored: Scored) -> None:
    """A rebuilt history says what the old one said, from a new generation."""
    before = run("history", "show", TEAM, "--json", env=scored.env).json
    first, second = (run("history", "rebuild", "--json", env=scored.env).json["partitions"] for _ in range(2))
    assert [one["generation"] + 1 for one in first] == [one["generation"] for one in second]
    assert min(one["generation"] for one in first) > 2
    rebuilt = run("history", "rebuild", "--json", env=scored.env).json
    assert (rebuilt["misrouted"], rebuilt["placed"], rebuilt["undecodable"]) == (1, 0, len(BAD))
    assert rebuilt["published"] == {}
    assert run("history", "show", TEAM, "--json", env=scored.env).json == before


def test_rebuild_says_what_was_left_out_and_how_to_mend_it(run: Run, scored: Scored) -> None:
    """People read counts with the command that mends them."""
    said = run("history", "rebuild", env=scored.env).out
    assert "1 record left out as misrouted; run `noisegate failed replay --reason misrouted`" in said
    assert f"{len(BAD)} records left out that can't be used; see `noisegate failed list`" in said
