"""What a person acknowledged and a person resolved some minutes later is written as worked on, before the resolve."""

from collections.abc import Iterator

import pytest

from stream.core.kinds import Agent
from stream.sources.expiring_store import ExpiringStore, ExpiringStoreAway, MemoryExpiringStore
from stream.sources.parsed import Act, Firing, Named, Parsed
from stream.sources.redis_expiring_store import RedisExpiringStore
from stream.sources.worked import add_worked
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
MINUTE = 60.0


def act(kind: str, at: float, agent: Agent | None = "person", alert: str = "Q1", action_id: str | None = "E1") -> Act:
    """An act on an incident."""
    return Act(subject=Named(alert), at=at, kind=kind, agent=agent, actor="PUSER01", action_id=action_id)


def lived(store: ExpiringStore, *acts: Act, source: str = "pagerduty") -> list[str]:
    """The kinds that come of these acts, each posted by itself."""
    kinds: list[str] = []
    for each in acts:
        for item in add_worked(Parsed([each]), source, AGENTS, store).items:
            assert isinstance(item, Act)
            kinds.append(item.kind)
    return kinds


class WorkedContract:
    """What comes of acts, whichever memory there is."""

    def test_worked_comes_before_the_resolve(self, store: ExpiringStore) -> None:
        """In one batch, at the resolve's time, by who resolved, with an id of its own and why."""
        add_worked(Parsed([act("acknowledged", 1_000.0)]), "pagerduty", AGENTS, store)
        worked, resolved = add_worked(
            Parsed([act("resolved", 1_000.0 + 35 * MINUTE)]), "pagerduty", AGENTS, store
        ).items
        assert isinstance(worked, Act)
        assert isinstance(resolved, Act)
        assert (worked.kind, resolved.kind) == ("worked", "resolved")
        assert (worked.at, worked.agent, worked.actor) == (resolved.at, "person", "PUSER01")
        assert (worked.action_id, resolved.action_id) == ("E1-worked", "E1")
        assert worked.agent_why == "pagerduty worked_minutes = 5: a person acknowledged it 35 min before"

    @pytest.mark.parametrize(
        ("minutes", "kinds"), [(5.0, ["worked", "resolved"]), (4.99, ["resolved"]), (0.0, ["resolved"])]
    )
    def test_the_time_between_counts(self, store: ExpiringStore, minutes: float, kinds: list[str]) -> None:
        """From exactly the table's minutes on; who resolves at once has looked, not worked."""
        found = lived(store, act("acknowledged", 0.0), act("resolved", minutes * MINUTE))
        assert found == ["acknowledged", *kinds]

    def test_the_first_acknowledgement_counts(self, store: ExpiringStore) -> None:
        """A second one, and one that comes late but was earlier, move nothing later."""
        found = lived(
            store,
            act("acknowledged", 4 * MINUTE),
            act("acknowledged", 6 * MINUTE),
            act("acknowledged", 1 * MINUTE),
            act("resolved", 6 * MINUTE),
        )
        assert found[-2:] == ["worked", "resolved"]

    @pytest.mark.parametrize("between", ["unacknowledged", "reopened"])
    def test_starting_over(self, store: ExpiringStore, between: str) -> None:
        """What was taken back, or opened again, is not acknowledged any more."""
        found = lived(store, act("acknowledged", 0.0), act(between, MINUTE, "automation"), act("resolved", 60 * MINUTE))
        assert "worked" not in found

    @pytest.mark.parametrize(
        ("acknowledges", "resolves"), [("automation", "person"), ("person", "automation"), (None, "person")]
    )
    def test_both_must_be_persons(self, store: ExpiringStore, acknowledges: Agent | None, resolves: Agent) -> None:
        """What a machine acknowledged or ended was not worked on for all that is known."""
        found = lived(store, act("acknowledged", 0.0, acknowledges), act("resolved", 60 * MINUTE, resolves))
        assert found == ["acknowledged", "resolved"]

    def test_alerts_and_sources_are_apart(self, store: ExpiringStore) -> None:
        """Another incident's acknowledgement, and one of another tool, count for nothing."""
        lived(store, act("acknowledged", 0.0, alert="Q2"))
        lived(store, act("acknowledged", 0.0), source="opsgenie")
        assert lived(store, act("resolved", 60 * MINUTE)) == ["resolved"]
        assert lived(store, act("closed", 60 * MINUTE), source="opsgenie") == ["worked", "closed"]

    def test_a_delivery_that_comes_twice_makes_the_same(self, store: ExpiringStore) -> None:
        """A second try of the resolve gives the same two acts with the same ids."""
        lived(store, act("acknowledged", 0.0))
        twice = [add_worked(Parsed([act("resolved", 60 * MINUTE)]), "pagerduty", AGENTS, store).items for _ in range(2)]
        assert twice[0] == twice[1]
        assert len(twice[0]) == 2

    def test_a_source_may_not_conclude(self, store: ExpiringStore) -> None:
        """ServiceNow has a state for work, so nothing is concluded; nor of alerts that are known by labels only."""
        assert lived(store, act("acknowledged", 0.0), act("resolved", 60 * MINUTE), source="servicenow")[1:] == [
            "resolved"
        ]
        firing = Act(subject=Firing({"a": "b"}, 0.0), at=0.0, kind="resolved", agent="person")
        assert add_worked(Parsed([firing]), "pagerduty", AGENTS, store).items == [firing]

    def test_ids_that_are_too_long_or_absent(self, store: ExpiringStore) -> None:
        """Without room for an id of its own, the act has none, and gets one from its kind, time and actor."""
        lived(store, act("acknowledged", 0.0))
        for action_id in (None, "E" * 256):
            worked, _ = add_worked(
                Parsed([act("resolved", 60 * MINUTE, action_id=action_id)]), "pagerduty", AGENTS, store
            ).items
            assert isinstance(worked, Act)
            assert worked.action_id is None


class TestMemory(WorkedContract):
    """In this process."""

    @pytest.fixture
    def store(self) -> ExpiringStore:
        """Empty."""
        return MemoryExpiringStore()


class TestServer(WorkedContract):
    """On Redis and on Valkey."""

    @pytest.fixture
    def store(self, redis_url: str) -> Iterator[ExpiringStore]:
        """Empty."""
        store = RedisExpiringStore(redis_url, "t", 10.0)
        yield store
        store.close()


class AwayStore:
    """A memory that is never there."""

    def read(self, key: str) -> bytes | None:
        """Away."""
        raise ExpiringStoreAway("away; see Redis")

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Away."""
        raise ExpiringStoreAway("away; see Redis")

    def remove(self, key: str) -> None:
        """Away."""
        raise ExpiringStoreAway("away; see Redis")


def test_without_memory_the_acts_go_on() -> None:
    """Nothing is concluded, nothing is lost, and a note says so."""
    before = Parsed([act("resolved", 60 * MINUTE)])
    after = add_worked(before, "pagerduty", AGENTS, AwayStore())
    assert after.items == before.items
    assert after.notes == ["whether what was resolved was worked on before is not known: away; see Redis"]
