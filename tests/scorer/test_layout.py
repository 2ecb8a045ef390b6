"""Records of teams that belong elsewhere: the room makes sure that the topic has not grown before they fail."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config import Settings
from stream.core.errors import BrokerError, HistoryRefused
from stream.core.events import Raised, encode_event
from stream.core.problem import Problem
from stream.kafka.records import Part
from stream.lane.batch import Bounds
from stream.lane.topic_identity import REBUILD, grown
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.scorer.assignment import Assignment
from stream.scorer.decode import foreign_offset, whereabouts
from stream.scorer.history import History, decode_meta
from stream.scorer.layout import strays_sentence
from stream.scorer.room import ScorerRoom
from tests.scorer.logs import PROBLEM, START, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import TOPIC, Log, Rig

TEAM = "team-1"
ONE = Part(TOPIC, 1)


class Asking(ScorerRoom):
    """A room that asks whether the topic grew: `answers` in turn, the last one again and again."""

    answers: tuple[int | None, ...] = (2,)
    asked = 0

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        history: History,
        metrics: ScorerMetrics,
        served: Callable[[], ActiveModels],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(settings, problem, history, metrics, served, clock, check_topic=self.check)

    @classmethod
    def check(cls) -> None:
        """Refuse unless the topic still has its two partitions."""
        cls.asked += 1
        count = cls.answers[min(cls.asked, len(cls.answers)) - 1]
        if count is None:
            raise BrokerError(f"Kafka does not say how many partitions {TOPIC} has; is it up?")
        if count != 2:
            raise HistoryRefused(f"{grown(TOPIC, 2, count)}; {REBUILD}")


def room(*answers: int | None) -> type[Asking]:
    """A room that is answered this."""
    return type("Asked", (Asking,), {"answers": answers})


def log_with_strays(strays: int = 3) -> Log:
    """Two partitions of good records, then some of a team that belongs to the other partition."""
    log = Log(2)
    for event in random_log(2):
        log.append(event)
    put_strays(log, strays)
    return log


def put_strays(log: Log, strays: int) -> None:
    """Add records of a team to the partition that is not its own."""
    wrong = next(part for part in log.records if part.partition != log._choose(TEAM))
    for number in range(strays):
        value = encode_event(Raised(at(900_000 + number), f"S{number}", TEAM, "disk", "db"))
        log.put(wrong, value, (at(900_000 + number) - START).total_seconds() + START.timestamp())


def misrouted(rig: Rig) -> list[dict[str, str]]:
    """The headers of what failed as misrouted."""
    return [one for one in rig.publisher.failed() if one["reason"] == "misrouted"]


def test_nobody_asks_while_no_record_is_misrouted() -> None:
    """Batches of good records cost no request."""
    asking = room(2)
    rig = Rig(log_with_strays(0), PROBLEM, MemoryHistory(), room=asking)
    rig.run((10,))
    assert asking.asked == 0


def test_misrouted_records_fail_while_the_count_is_as_assigned() -> None:
    """One question a batch, however many of its records are misrouted."""
    asking = room(2)
    rig = Rig(log_with_strays(), PROBLEM, MemoryHistory(), room=asking)
    rig.run()
    assert asking.asked == 1
    end = max(len(records) for part, records in rig.log.records.items() if part.partition != rig.log._choose(TEAM))
    assert [one["offset"] for one in misrouted(rig)] == [str(number) for number in range(end - 3, end)]


def test_a_topic_that_grew_stops_the_room_before_anything_of_the_batch_is_out() -> None:
    """The sentence is that of the assignment, and no record fails."""
    rig = Rig(log_with_strays(), PROBLEM, MemoryHistory(), room=room(3))
    with pytest.raises(
        HistoryRefused,
        match=r"alerts\.events had 2 partitions and has 3: teams have moved; run `noisegate history rebuild`",
    ):
        rig.run()
    assert rig.publisher.outputs == []


def test_without_an_answer_nothing_fails() -> None:
    """While Kafka can't say how many partitions there are, no record is called misrouted: it waits for the answer."""
    rig = Rig(log_with_strays(), PROBLEM, MemoryHistory(), room=room(None, None, 2))
    with pytest.raises(AssertionError, match="never came to rest"):
        rig.run(most=2)
    assert misrouted(rig) == []
    rig.run()
    assert len(misrouted(rig)) == 3


def test_a_snapshot_s_refold_passes_by_what_failed_before() -> None:
    """A history that knew the topic's layout goes on over misrouted records in silence: they failed once already."""
    log = log_with_strays(0)
    history = MemoryHistory()
    rig = Rig(log, PROBLEM, history, room=room(2))
    rig.run()
    snapshot = (dict(history.metas), dict(history.levels), dict(history.entries))
    put_strays(log, 3)
    rig.run()
    assert len(misrouted(rig)) == 3
    history.metas, history.levels, history.entries = snapshot
    published = len(rig.publisher.outputs)
    rig.start()
    rig.run()
    assert len(rig.publisher.outputs) == published
    assert all(meta is not None and meta.partitions == 2 for meta in map(decode_meta, history.metas.values()))


def test_a_refold_from_the_beginning_is_marked_until_it_has_passed_what_was_published() -> None:
    """The meta keeps over restarts that nobody knows the layout of what is folded again."""
    log = log_with_strays(0)
    rig = Rig(log, PROBLEM, MemoryHistory(), room=room(2))
    rig.run()
    history = rig.history = MemoryHistory()
    rig.start()
    with pytest.raises(AssertionError, match="never came to rest"):
        rig.run((5,), most=3)
    rig.engine.settle()
    metas = [meta for meta in map(decode_meta, history.metas.values()) if meta is not None]
    assert {meta.partitions for meta in metas} == {-2}
    assert all(meta.refolding and meta.layout == 2 for meta in metas)
    rig.start()
    rig.run()
    assert {meta.partitions for meta in map(decode_meta, history.metas.values()) if meta is not None} == {2}


@given(partition=st.integers(0, 32_000), offset=st.integers(0, 1 << 46), home=st.integers(0, 32_000))
def test_a_record_of_another_partition_keeps_its_place(partition: int, offset: int, home: int) -> None:
    """The name of a record in another partition's history is no offset of that one, and fits a signed 64-bit number."""
    named = foreign_offset(partition, offset)
    assert -(1 << 63) <= named < -1
    assert whereabouts(named, home) == (partition, offset)
    assert whereabouts(offset, home) == (home, offset)


@pytest.mark.expects_errors
def test_while_redis_is_away_alerts_in_other_partitions_are_not_silent() -> None:
    """In a topic that grew moved teams' alerts wait in their old partitions: they come unscored, and do not fail."""
    log, history = log_with_strays(0), MemoryHistory()
    rig = Rig(log, PROBLEM, history, room=room(2))
    rig.run()
    rig.start()
    rig.assign()
    put_strays(log, 2)
    history.away = True
    rig.engine.step({part: log.records[part][position:] for part, position in rig.engine.positions.items()})
    rig.engine.settle()
    away = [one for one in rig.publisher.enriched() if one.score.reason == "history_unavailable"]
    assert {one.alert.alert_id for one in away} == {"S0", "S1"}
    assert misrouted(rig) == []


def test_a_lost_history_is_looked_at_before_it_is_folded_again() -> None:
    """A worker whose own partitions hold no stray asks about all of them, and writes nothing where one does."""
    log, history = log_with_strays(0), MemoryHistory()
    rig = Rig(log, PROBLEM, history)
    rig.run()
    history.metas.clear()
    asked: list[bool] = []

    def refuse() -> None:
        asked.append(True)
        raise HistoryRefused(strays_sentence(ONE, 7))

    assignment = Assignment(rig.settings, PROBLEM, history, refuse)
    known = Bounds(5, 0, 9, rig.topic_id, 2, group_committed=True)
    with pytest.raises(HistoryRefused, match=r"alerts\.events/1 holds records of teams.*history rebuild"):
        assignment.take({ONE: known}, history.status())
    assert (asked, history.metas) == ([True], {})
    fresh = Bounds(None, 0, 9, rig.topic_id, 2)
    assert ONE in assignment.take({ONE: fresh}, history.status())  # a deployment's first start asks nobody
    assert asked == [True]
