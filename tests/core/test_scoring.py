"""What people are told: band, evidence, and history in words that can be checked."""

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.events import moment
from stream.core.fold import Fold
from stream.core.frame import Array
from stream.core.records import Evidence, Like, Push, Score, Why, Whys
from stream.core.scoring import Thresholds, band_of, evidence_of, history_words, push_words, whys_of
from tests.core.logs import DAY, PROBLEMS, START, Timed, acted, raised, run, small_problem, tick

THRESHOLDS = Thresholds()
LONG = small_problem(history="forget_days = 3000")


def graded(rows: Array, thresholds: Thresholds = THRESHOLDS) -> list[Evidence]:
    """The evidence of rows that are all of one team."""
    return evidence_of(rows, ["payments"] * len(rows), thresholds)


def history(outcomes: int, every: float = 60.0, rule: str = "disk", entity: str = "db") -> list[Timed]:
    """Alerts one after the other, every third acted on, the others dismissed, then one more to be told of."""
    log: list[Timed] = []
    for number in range(outcomes):
        kind = "dismissed" if number % 3 else "worked"
        log += [raised(number * every, f"n{number}", rule=rule, entity=entity)]
        log += [acted(number * every + 1, f"n{number}", kind)]
    return [*log, raised(outcomes * every, "last")]


@pytest.mark.parametrize(
    ("probability", "band"),
    [
        (0.0, "likely_noise"),
        (0.0999, "likely_noise"),
        (0.1, "unsure"),
        (0.4999, "unsure"),
        (0.5, "likely_actionable"),
        (1.0, "likely_actionable"),
    ],
)
def test_bands_have_edges(probability: float, band: str) -> None:
    """An edge belongs to the band above it."""
    assert band_of(probability, THRESHOLDS) == band


@pytest.mark.parametrize(
    ("outcomes", "rule", "evidence"),
    [
        (0, "disk", "none"),
        (4, "disk", "none"),
        (6, "disk", "some"),
        (29, "disk", "some"),
        (31, "disk", "strong"),
        (19, "cpu", "none"),
        (21, "cpu", "weak"),
    ],
)
def test_evidence_is_how_much_is_known(outcomes: int, rule: str, evidence: str) -> None:
    """Outcomes of team and rule give some and strong evidence; those of the team's other rules at most weak."""
    rows = run(LONG, history(outcomes, rule=rule)).take_rows()
    assert graded(rows)[-1] == evidence


def test_evidence_fades() -> None:
    """Forty outcomes are strong evidence at once, some after two months, none after a year."""
    for days, evidence in ((0, "strong"), (60, "some"), (365, "none")):
        rows = run(LONG, [*history(40), raised(days * DAY + 9_000, "x")]).take_rows()
        assert graded(rows)[-1] == evidence


def test_evidence_of_a_late_alert_is_that_of_its_levels_time() -> None:
    """An alert that comes a year late has no more evidence than what its levels hold now."""
    log = [*history(10), tick(300 * DAY), raised(300 * DAY, "x"), raised(DAY, "late")]
    rows = run(LONG, log).take_rows()
    assert graded(rows)[-2:] == ["none", "none"]


def test_evidence_does_not_depend_on_the_batch() -> None:
    """All rows at once and row by row give the same grades and the same words."""
    rows = run(LONG, history(60)).take_rows()
    assert graded(rows) == [graded(rows[n : n + 1])[0] for n in range(len(rows))]
    assert whys_of(rows) == [whys_of(rows[n : n + 1])[0] for n in range(len(rows))]


def test_a_team_that_cannot_be_read_has_no_evidence() -> None:
    """However much is known of it; other teams keep theirs."""
    rows = run(LONG, history(40)).take_rows()[-2:]
    unreadable = Thresholds(unreadable=("payments",))
    assert graded(rows) == ["strong", "strong"]
    assert evidence_of(rows, ["payments", "web"], unreadable) == ["none", "strong"]


def test_no_rows_give_no_words() -> None:
    """A batch without alerts is told nothing."""
    rows = Fold(PROBLEMS[0]).take_rows()
    assert (graded(rows), whys_of(rows)) == ([], [])


def test_why_counts_what_happened() -> None:
    """`acted on 4 of the last 10 like this`, the last eight newest first, and when it was acted on last."""
    rows = run(LONG, history(10)).take_rows()
    why = whys_of(rows)[-1]
    expected = Why(10, 4, [1, 0, 0, 1, 0, 0, 1, 0], moment(START + 9 * 60 + 1))
    assert (why.team_rule, why.team) == (expected, expected)


def test_why_of_a_new_rule_is_empty_and_its_team_s_is_not() -> None:
    """A rule that nobody has seen has no last outcomes; its team has."""
    why = whys_of(run(LONG, history(3, rule="cpu")).take_rows())[-1]
    assert why.team_rule == Why(0, 0, [], None)
    assert (why.team.decided, why.team.acted, why.team.last) == (3, 1, [0, 0, 1])


def test_why_is_as_of_the_raise() -> None:
    """What was decided later does not stand in an earlier alert's words."""
    decided = [why.team.decided for why in whys_of(run(LONG, history(5)).take_rows())]
    assert decided == list(np.arange(6))


def test_words_a_person_can_check() -> None:
    """History is told in words; too little of it, or no score, is said instead."""
    whys = Whys(Why(42, 1, [0], None), Why(50, 5, [0], None))
    known = Score(probability=0.07, band="likely_noise", model="m", evidence="strong", reason=None)
    assert history_words(known, whys) == "acted on 1 of the last 42 like this"
    new = Whys(Why(0, 0, [], None), whys.team)
    assert history_words(known, new) == "new here; the team acted on 5 of its last 50"
    assert history_words(replace(known, evidence="none"), whys) == "not enough history"
    assert history_words(known, None) == "not enough history"
    unscored = replace(known, probability=None, band="unscored", evidence="none", reason="no_model")
    assert history_words(unscored, whys) == "no model"


KNOWN = Score(probability=0.35, band="unsure", model="m", evidence="strong", reason=None)
LONG_AGO = Whys(Why(96, 62, [0], None), Why(500, 50, [0], None))


@pytest.mark.parametrize(
    ("like", "words"),
    [
        (Like("team_rule", 96, 62), "acted on 62 of the last 96 like this"),
        (Like("team_rule", 16, 5), "acted on 5 of the last 16 like this"),
        (Like("team_rule_entity", 16, 5), "acted on 5 of the last 16 like this on this entity"),
        (Like("team_entity", 8, 3), "acted on 3 of the last 8 on this entity"),
        (Like("team", 32, 11), "the team acted on 11 of its last 32"),
    ],
)
def test_words_count_what_was_chosen(like: Like, words: str) -> None:
    """The counts are those chosen for the alert, and the words say of what."""
    assert history_words(KNOWN, replace(LONG_AGO, like=like)) == words


def test_words_that_differ_from_the_score_name_what_pushed_it() -> None:
    """The push stands behind the counts: its direction, more of it where it is large, and of what."""
    whys = replace(LONG_AGO, like=Like("team_rule", 96, 62), push=Push("recent", -0.9))
    assert history_words(KNOWN, whys) == "acted on 62 of the last 96 like this; less lately"
    assert push_words(Push("repeat", -1.6)) == "much less so soon after the last"
    assert push_words(Push("label.env", 0.3)) == "more with this env"
    assert push_words(Push("a_new\u202egroup" + "x" * 100, 0.3)) == f"more with this a_new group{'x' * 48}…"


def test_records_of_before_have_words_too() -> None:
    """Where a record names no counts the words are those of the whole history of team and rule, or of the team."""
    assert history_words(KNOWN, LONG_AGO) == "acted on 62 of the last 96 like this"
    assert history_words(KNOWN, replace(LONG_AGO, team_rule=Why(0, 0, [], None))) == (
        "new here; the team acted on 50 of its last 500"
    )


def test_whys_carry_what_words_need() -> None:
    """Counts and pushes go with their rows; without a score there are neither."""
    rows = run(LONG, history(3)).take_rows()
    likes, pushes = [None, None, Like("team", 2, 1), None], [None, None, Push("hour", 1.0), None]
    assert [why.like for why in whys_of(rows, likes, pushes)] == likes
    assert [why.push for why in whys_of(rows, likes, pushes)] == pushes
    assert {(why.like, why.push) for why in whys_of(rows)} == {(None, None)}
