"""The contract of the rules' shared state, on the fake and on Redis and Valkey."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from stream.core.errors import RulesError
from stream.core.ladder import first_load
from stream.core.suppressions import Suppression
from stream.rule_brakes import HeldBrakes
from stream.rule_state import (
    BRAKES_SECONDS,
    UNDO_SECONDS,
    Change,
    Command,
    CommandResult,
    DayBound,
    NearMisses,
    PauseAll,
    RuleState,
    Standing,
    Undo,
)
from tests.closer.memory_rule_state import MemoryRuleState
from tests.core.outcomes import T0
from tests.core.test_ladder import PROVEN, make_rule, paused


def command(name: str, at: float) -> Command:
    """To arm the rule."""
    return Command(id=name, verb="arm", rule="night-disks", mode="pause", by="eva", at=at)


def result(name: str) -> CommandResult:
    """That it was done."""
    return CommandResult(id=name, done=True, sentence="rule night-disks may pause", at=T0)


def change(number: int) -> Change:
    """A line of the log."""
    return Change(at=T0 + number, rule="night-disks", version="v", what="armed", by="eva", sentence=f"line {number}")


def suppression(team: str, since: float) -> Suppression:
    """An alert that is paused from `since` on."""
    return Suppression(
        alert_id="A1",
        team=team,
        rule="disk_full",
        entity="db-7",
        severity="low",
        episode="e",
        raised_at=since,
        decision="pause",
        by_rule="night-disks",
        rule_version="v",
        model="m",
        probability=0.04,
        since=since,
        until=since + 600.0,
        p_act=0.5,
    )


class RuleStateContract:
    """What the shared state does, wherever it is."""

    def test_standings_are_read_as_they_were_published(self, state: RuleState) -> None:
        """Ladder, verdict, bounds and near-misses come back whole, and a later standing replaces the one before."""
        ladder = paused()
        standing = Standing(
            owner="payments",
            ladder=ladder,
            verdict=ladder.verdict({1: PROVEN}, T0),
            ready=("m",),
            daily=12.5,
            bounds=[DayBound(20_000, 10, 0.5, None, 0.05)],
            near_misses=NearMisses(10, 1, 20, 3),
            at=T0,
        )
        other = Standing(
            owner="web", ladder=first_load(make_rule(name="a"), T0), verdict=ladder.verdict({}, T0), loaded=False, at=T0
        )
        assert state.standings() == {}
        state.publish({"night-disks": standing}, [], [])
        state.publish({"a": other}, [], [])
        assert state.standings() == {"a": other, "night-disks": standing}
        assert list(state.standings()) == ["a", "night-disks"]
        assert state.standings(bounds=False)["night-disks"] == replace(standing, bounds=[])

    def test_a_command_waits_until_its_result_is_published(self, state: RuleState) -> None:
        """Commands come oldest first; the one that has a result waits no more, and its result can be read."""
        state.send(command("b", T0 + 1))
        state.send(command("a", T0))
        assert state.commands() == [command("a", T0), command("b", T0 + 1)]
        assert state.result("a") is None
        state.publish({}, [result("a")], [])
        assert state.commands() == [command("b", T0 + 1)]
        assert state.result("a") == result("a")

    def test_the_log_begins_with_the_newest_line(self, state: RuleState) -> None:
        """Lines of one call and of several are in order of time, backwards, and can be cut."""
        state.publish({}, [], [change(1), change(2)])
        state.publish({}, [], [change(3)])
        assert [one.sentence for one in state.log()] == ["line 3", "line 2", "line 1"]
        assert state.log(1) == [change(3)]

    def test_an_order_that_no_rule_acts_stands_until_it_is_taken_back(self, state: RuleState) -> None:
        """It is there for everybody, and gone once it is taken back."""
        assert state.paused() is None
        state.pause_all(PauseAll(by="eva", at=T0, why="a migration"))
        assert state.paused() == PauseAll(by="eva", at=T0, why="a migration")
        state.pause_all(None)
        assert state.paused() is None

    def test_each_partition_notes_what_it_brought_back(self, state: RuleState) -> None:
        """An undo is read by all; the counts are by partition, and one that is noted again counts once."""
        order = Undo(id="u", rule="night-disks", since=T0 - 60, by="eva", at=T0)
        state.undo(order)
        assert state.undos() == [order]
        for partition, count in ((0, 3), (7, 1), (7, 1)):
            state.note_undone("u", partition, count)
        assert state.undone("u") == {0: 3, 7: 1}
        later = Undo(id="v", rule="night-disks", since=T0, by="eva", at=T0 + UNDO_SECONDS + 1.0)
        state.undo(later)
        assert state.undos() == [later]

    def test_what_is_kept_from_people_is_listed_oldest_first(self, state: RuleState) -> None:
        """An alert is known by team and id, so the same id of two teams is two alerts."""
        older, newer = suppression("web", T0), suppression("payments", T0 + 60)
        state.note_suppressed([newer, older], [])
        assert state.suppressed() == [older, newer]
        state.note_suppressed([], [("web", "A1")])
        assert state.suppressed() == [newer]

    def test_brakes_stand_until_their_closer_ends(self, state: RuleState) -> None:
        """Each closer's own, of which the latest counts; those of one that was killed go after an hour."""
        assert state.brakes() == []
        state.publish_brakes(HeldBrakes(at=T0, everything=("Prometheus is away",)), "one")
        held = HeldBrakes(at=T0 + 2.0, files="rules.toml:1: x; y", models={"m": "old"}, blocked={"r": {"cut": 1}})
        state.publish_brakes(held, "one")
        other = HeldBrakes(at=T0 + 3.0, rules={"r": "it expired"})
        state.publish_brakes(other, "two")
        assert sorted(state.brakes(), key=lambda one: one.at) == [held, other]
        state.publish_brakes(None, "two")
        assert state.brakes() == [held]
        late = HeldBrakes(at=held.at + BRAKES_SECONDS + 1.0)
        state.publish_brakes(late, "three")
        assert state.brakes() == [late]


class TestMemory(RuleStateContract):
    """In this process."""

    @pytest.fixture
    def state(self) -> RuleState:
        """Empty."""
        return MemoryRuleState()


class TestServer(RuleStateContract):
    """On Redis and on Valkey."""

    @pytest.fixture
    def state(self, redis_url: str) -> Iterator[RuleState]:
        """Empty."""
        state = RuleState(redis_url, "test", 5.0)
        yield state
        state.close()


def test_without_redis_the_error_says_so() -> None:
    """A port that nobody listens at: one sentence with the mend."""
    state = RuleState("redis://127.0.0.1:1/0", "test", 0.5)
    with pytest.raises(RulesError, match=r"Redis does not answer.*; start it, or set NOISEGATE_REDIS_URL"):
        state.standings()
    state.close()
