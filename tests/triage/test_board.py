"""The board: rows made of records, in whatever order and however often they come."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.events import Tick
from stream.core.problem import parse_problem
from stream.core.records import Flag
from stream.triage.board import Board, Record
from stream.triage.detail import detail_of, find_scores
from stream.triage.rules import rules_of
from stream.triage.sampler import Sampler
from stream.triage.view import Row, encode
from tests.triage.records import NOW, acted, at, decision, enriched, outcome, raised
from tests.triage.rig import LEVELS, PROBLEM

DECIDING = {"worked": True, "dismissed": False}
SEVERITIES = ("low", "high", "critical")
HISTORY: tuple[Record, ...] = (
    raised("A1"),
    enriched("A1", episode="E"),
    raised("A2", 30),
    enriched("A2", 30, 0.86, episode="E"),
    acted("A1", "acknowledged", 40),
    acted("A1", "ended", 50),
    acted("A2", "worked", 60, reason="fixed"),
    outcome("A2", "actionable", "worked"),
    raised("B1", 10, entity="db-8"),
    enriched("B1", 10, None, entity="db-8"),
    decision("B1", "pause", until=at(900)),
    acted("B1", "paused_by_rule", 11),
)


def board_of(*records: Record, now: float = NOW + 100.0) -> Board:
    """A board that has shown these records."""
    board = Board(DECIDING, SEVERITIES)
    board.take(records, now)
    board.flush(now)
    return board


def the_row(board: Board) -> Row:
    """The only row."""
    (row,) = board.rows.values()
    return row


def test_a_scored_alert_is_a_row() -> None:
    """A row carries the alert, its score, its history in words, and whose word the score is."""
    row = the_row(board_of(enriched()))
    assert (row.key, row.team, row.alert_id, row.title) == ("episode-A1", "payments", "A1", "Disk 91 % (A1)")
    assert (row.probability, row.band, row.words) == (0.07, "likely_noise", "acted on 1 of the last 42 like this")
    assert (row.last, row.model, row.state) == ([0, 0, 0, 0, 1, 0, 0, 0], "2026-03-01-a1b2c3d4", "open")


def test_too_little_history_looks_different_from_a_low_score() -> None:
    """With evidence none the probability is not shown, and the words say why."""
    row = the_row(board_of(enriched(probability=0.02, evidence="none")))
    assert (row.probability, row.band, row.words) == (None, "unscored", "not enough history")


def test_an_alert_without_a_score_shows_after_a_moment() -> None:
    """A raised alert waits two seconds for its score, and keeps its row when the score comes later."""
    board = Board(DECIDING)
    board.take([raised()], NOW)
    assert board.flush(NOW + 1.0) is None or not board.rows
    board.flush(NOW + 2.5)
    key = the_row(board).key
    assert the_row(board).words == "no score yet"
    board.take([enriched()], NOW + 3.0)
    board.flush(NOW + 3.0)
    assert the_row(board).key == key
    assert the_row(board).probability == 0.07


def test_what_was_shown_without_a_score_joins_its_episode() -> None:
    """Where the episode has a row already, the row of the unscored firing goes into it."""
    board = board_of(enriched("A1", episode="E"))
    board.take([raised("A2", 100)], NOW + 100.0)
    board.flush(NOW + 103.0)
    assert len(board.rows) == 2
    board.take([enriched("A2", 100, episode="E")], NOW + 104.0)
    batch = board.flush(NOW + 104.0)
    assert batch is not None
    assert batch.gone == ["payments/A2"]
    assert the_row(board).firings == 2


def test_an_episode_is_one_row() -> None:
    """Two firings are one row that shows the newest of them and counts both."""
    row = the_row(board_of(enriched("A1", episode="E"), enriched("A2", 30, 0.86, episode="E")))
    assert (row.firings, row.open, row.alert_id, row.probability) == (2, 2, "A2", 0.86)
    assert (row.raised_at, row.latest_at) == (NOW, NOW + 30)


def test_a_late_firing_does_not_become_the_newest() -> None:
    """The row goes on showing the firing that was raised last."""
    row = the_row(board_of(enriched("A2", 30, episode="E"), enriched("A1", episode="E")))
    assert (row.alert_id, row.raised_at) == ("A2", NOW)


def test_what_ended_greys_out_in_place() -> None:
    """A row ends with its last open firing, and opens again when one is reopened."""
    board = board_of(enriched("A1", episode="E"), enriched("A2", 30, episode="E"), acted("A1", "ended"))
    assert (the_row(board).state, the_row(board).open) == ("open", 1)
    board.take([acted("A2", "ended")], NOW)
    board.flush(NOW)
    assert the_row(board).state == "ended"
    board.take([acted("A2", "reopened", 70)], NOW)
    board.flush(NOW)
    assert the_row(board).state == "open"


def test_a_verdict_given_elsewhere_shows() -> None:
    """A person's deciding act is a verdict with their pseudonym and reason; automation's is none."""
    assert the_row(board_of(enriched(), acted(kind="worked", agent="automation"))).mark is None
    mark = the_row(board_of(enriched(), acted(kind="dismissed", reason="known"))).mark
    assert mark is not None
    assert (mark.action, mark.person, mark.reason) == ("dismissed", "9b97e7f7fd", "known")


def test_a_pause_ends_by_itself() -> None:
    """A paused alert says by which rule, and is open again when its time is over though nothing else came."""
    board = board_of(enriched(), decision(name="pause", until=at(900)))
    assert (the_row(board).state, the_row(board).suppressed) == ("suppressed", "paused by night-disks")
    board.flush(NOW + 901.0)
    assert (the_row(board).state, the_row(board).suppressed) == ("open", "")


def test_a_snooze_until_it_escalates_ends_with_a_higher_severity() -> None:
    """A firing of the same severity changes nothing, one of a higher severity wakes the row."""
    board = board_of(enriched("A1", episode="E"), acted("A1", "snoozed"))
    assert the_row(board).state == "snoozed"
    board.take([enriched("A2", 200, episode="E")], NOW + 200.0)
    board.flush(NOW + 200.0)
    assert the_row(board).state == "snoozed"
    board.take([enriched("A3", 300, episode="E", severity="critical")], NOW + 300.0)
    board.flush(NOW + 300.0)
    assert the_row(board).state == "open"


def test_a_row_says_since_which_batch_it_is_in_the_list() -> None:
    """It came in with a batch, which stays when it changes, and is newer once it is open again."""
    board = Board(DECIDING, seq=100)
    board.take([enriched()], NOW)
    board.flush(NOW)
    assert the_row(board).since == 101
    board.take([acted(kind="acknowledged"), acted(kind="snoozed", until=at(3_600))], NOW + 60.0)
    board.flush(NOW + 60.0)
    assert (the_row(board).state, the_row(board).since) == ("snoozed", 101)
    board.flush(NOW + 3_600.0)
    assert (the_row(board).state, the_row(board).since) == ("open", 103)
    assert board.seq == 103


def test_a_snooze_ends_at_its_time() -> None:
    """A snooze with an end wakes the row then."""
    board = board_of(enriched(), acted(kind="snoozed", until=at(3_600)))
    assert the_row(board).state == "snoozed"
    board.flush(NOW + 3_601.0)
    assert the_row(board).state == "open"


def test_the_first_score_stands() -> None:
    """A scored record that comes again changes nothing; one that follows an unscored record replaces it."""
    board = board_of(enriched(probability=None), enriched(probability=0.3), enriched(probability=0.9))
    assert the_row(board).probability == 0.3


def test_counts_are_those_of_the_rows() -> None:
    """The head's figures count episodes by band and by state."""
    counts = board_of(*HISTORY).counts(NOW + 100.0)
    assert (counts.open, counts.decided, counts.suppressed) == (0, 1, 1)
    assert board_of(enriched("A1"), enriched("A2", 5, 0.9)).counts(NOW + 5.0).likely_actionable == 1


def test_a_batch_holds_what_changed() -> None:
    """Batches are numbered in a row, hold changed rows only, and none comes where nothing changed."""
    board = Board(DECIDING, seq=7)
    board.take([enriched("A1"), enriched("A2", 5)], NOW + 600.0)
    first = board.flush(NOW + 600.0)
    assert first is not None
    assert (first.seq, len(first.upsert)) == (8, 2)
    assert board.flush(NOW + 600.2) is None
    board.take([acted("A1", "ended"), Tick(at(60))], NOW + 600.4)
    second = board.flush(NOW + 600.4)
    assert second is not None
    assert (second.seq, [row.key for row in second.upsert]) == (9, ["episode-A1"])


def test_the_oldest_row_is_forgotten() -> None:
    """Over its limit the board forgets the oldest row, one that is done before one that is open."""
    board = Board(DECIDING, most_rows=2)
    board.take([enriched("A1"), enriched("A2", 1), acted("A2", "ended")], NOW + 600.0)
    board.flush(NOW + 600.0)
    board.take([enriched("A3", 2)], NOW + 600.0)
    batch = board.flush(NOW + 600.0)
    assert batch is not None
    assert batch.gone == ["episode-A2"]
    assert sorted(board.rows) == ["episode-A1", "episode-A3"]
    assert board.find("payments", "A2") is None
    assert batch.counts.ended == 0


@given(st.permutations(HISTORY), st.lists(st.sampled_from(HISTORY), max_size=6))
def test_the_order_of_topics_does_not_matter(records: list[Record], again: list[Record]) -> None:
    """Whatever order the topics are read in, and whatever comes twice, the rows are the same in the end."""
    expected = {key: msgspec.to_builtins(row) for key, row in board_of(*HISTORY).rows.items()}
    board = board_of(*records, *again)
    board.flush(NOW + 200.0)
    found = {row.alert_id: msgspec.to_builtins(row) for row in board.rows.values()}
    wanted = {row["alert_id"]: row for row in expected.values()}
    assert found == wanted


BLIND: tuple[tuple[Record, ...], ...] = (
    (decision(name="would_close"),),
    (decision(name="would_pause"),),
    (decision(name="hold_out", mode="pause"), acted(kind="held_out", agent="automation")),
    (decision(name="blocked", mode="pause"),),
    (decision(name="none", by_rule=None, mode=None),),
)


def everything(board: Board) -> bytes:
    """All bytes that the page gives out of the board: rows, an alert's page, scores, rules."""
    problem = parse_problem(PROBLEM)
    return encode(
        [
            board.rows,
            detail_of(board, "payments", "A1", LEVELS, "", problem, NOW),
            find_scores(board, {"team": "payments", "alert_id": "A1"}),
            rules_of(board.episodes.values()),
        ]
    )


@pytest.mark.parametrize("hidden", BLIND)
@pytest.mark.parametrize("flags", [(), ("held_out",)])
def test_what_a_rule_left_alone_is_not_shown(hidden: tuple[Record, ...], flags: tuple[Flag, ...]) -> None:
    """Of an alert in shadow or held out every byte is as if no rule had been there, and no batch is sent for it."""
    plain = board_of(enriched())
    board = board_of(enriched(flags=flags))
    board.take(hidden, NOW + 100.0)
    assert board.flush(NOW + 100.0) is None
    assert everything(board) == everything(plain)


@pytest.mark.parametrize("hidden", BLIND)
def test_what_a_rule_left_alone_is_shown_once_decided(hidden: tuple[Record, ...]) -> None:
    """With the outcome the decision stands on the alert's page."""
    board = board_of(enriched(), *hidden, outcome())
    detail = detail_of(board, "payments", "A1", LEVELS, "", parse_problem(PROBLEM), NOW)
    assert detail is not None
    assert len(detail.decisions) == 1


@pytest.mark.slow
def test_under_load_a_sample_is_shown_and_said() -> None:
    """At ten times the limit about a tenth of the alerts is shown, all that are likely to be acted on among them."""
    board = Board(DECIDING, per_second=100)
    for second in range(3):
        now = NOW + second + 0.5
        board.take([enriched(f"A{second}-{n}", second) for n in range(1_000)], now)
    batch = board.flush(NOW + 2.9)
    assert batch is not None
    assert batch.counts.shown_share == pytest.approx(0.1)
    assert 1_050 < len(board.rows) < 1_400
    before = len(board.rows)
    board.take([enriched(f"L-{n}", 2, 0.9) for n in range(50)], NOW + 2.9)
    board.flush(NOW + 2.9)
    assert len(board.rows) == before + 50
    assert batch.counts.per_minute is None
    assert board.counts(NOW + 60.5).per_minute == 2_050


@pytest.mark.slow
def test_what_the_sample_left_out_stays_out_whatever_comes_later() -> None:
    """Its raised event, read late, makes no row without a score, and its outcome is not kept for one."""
    board = Board(DECIDING, per_second=100)
    names = [[f"A{second}-{n}" for n in range(1_000)] for second in range(3)]
    for second, of_second in enumerate(names):
        board.take([enriched(name, second) for name in of_second], NOW + second + 0.5)
    board.flush(NOW + 2.9)
    shown = set(board.rows)
    assert 0 < len(shown) < 2_000
    late = [record for of_second in names for name in of_second for record in (outcome(name), raised(name))]
    board.take(late, NOW + 2.9)
    board.flush(NOW + 100.0)
    assert set(board.rows) == shown


def test_a_sample_holds_whole_episodes() -> None:
    """The same name is always in or always out while the share stays."""
    sampler = Sampler(10)
    for n in range(100):
        sampler.takes(f"before-{n}", False, 0.0)
    first = [sampler.takes(f"e-{n}", False, 1.0) for n in range(100)]
    assert first == [sampler.takes(f"e-{n}", False, 1.5) for n in range(100)]
    assert 0 < sum(first) < 40


def test_the_rate_is_of_a_whole_minute_of_new_alerts() -> None:
    """None before the first minute is over; what is replayed, scored now and raised days ago, counts for nothing."""
    board = Board(DECIDING)
    board.take([replace(enriched("OLD", -7_200.0), scored_at=at(0)), enriched("NEW", 0.0)], NOW + 0.5)
    assert board.counts(NOW + 60.0).per_minute is None
    board.take([enriched("B", 50.0)], NOW + 50.5)
    assert board.counts(NOW + 60.5).per_minute == 1
    assert board.counts(NOW + 111.0).per_minute == 0
