"""The daily digest: sent once a day by one closer, and again until it is taken."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from stream.closer.daily_digest import FIRST_WAIT_SECONDS, SETTLE_SECONDS, DailyDigest, latest_due, make_daily_digest
from stream.closer.digest_post import CLAIM_SECONDS, TYPE, DigestMarks, Marks, digest_event, read_webhooks
from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.http_client import HttpClient
from stream.closer.targets.webhook import WebhookTarget, sign
from stream.config import make_settings
from stream.core.errors import BrokerError, RulesError, SettingsError
from stream.core.events import moment
from stream.core.rule_index import RuleIndex
from stream.metrics.closer import CloserMetrics
from stream.rule_digest import Digest, RuleDigest, as_markdown
from stream.rule_state import RuleState
from tests.closer.targets.counting import CountingServer, Failure
from tests.closer.targets.test_targets import KEY
from tests.servers.redis import admin
from tests.waits import until

DAY, HOUR = 86_400.0, 3_600.0
DUE = 20_000 * DAY + 7 * HOUR  # 07:00 of a day
EVE = DUE - HOUR


def digest(owner: str, since: float = DUE - DAY, until: float = DUE) -> Digest:
    """Of one rule that paused three alerts."""
    rules = [RuleDigest(rule="night-disks", paused=3)]
    return Digest(owner=owner, since=moment(since), until=moment(until), rules=rules)


class MemoryMarks:
    """Marks in a dictionary, without their time to live; while `away` is set, every call fails as without Redis."""

    def __init__(self) -> None:
        self.away = False
        self._marks: dict[str, str] = {}

    def is_sent(self, name: str) -> bool:
        """As the real ones."""
        self._check()
        return self._marks.get(name) == "sent"

    def claim(self, name: str) -> bool:
        """As the real ones."""
        self._check()
        return self._marks.setdefault(name, claimed := f"claimed {len(self._marks)}") is claimed

    def free(self, name: str) -> None:
        """As the real ones."""
        self._check()
        self._marks.pop(name, None)

    def note_sent(self, name: str) -> None:
        """As the real ones."""
        self._check()
        self._marks[name] = "sent"

    def close(self) -> None:
        """There is nothing to close."""

    def _check(self) -> None:
        if self.away:
            raise RulesError("Redis does not answer", "start it")


def check_marks(marks: Marks) -> None:
    """A claim holds against everybody until it is given back, and what was sent can't be claimed any more."""
    assert (marks.claim("a"), marks.claim("a"), marks.claim("b"), marks.is_sent("a")) == (True, False, True, False)
    marks.free("a")
    assert marks.claim("a")
    marks.note_sent("a")
    assert (marks.is_sent("a"), marks.claim("a"), marks.is_sent("b")) == (True, False, False)
    marks.close()


def test_marks_in_memory_are_as_those_in_redis() -> None:
    """The tests below rest on them."""
    check_marks(MemoryMarks())


def test_marks_in_redis_end_by_themselves(redis_url: str) -> None:
    """A claim soon, so that a closer that was killed holds nothing up; what was sent after the next digest."""
    check_marks(DigestMarks(redis_url, "test", 2.0))
    with admin(redis_url) as client:
        assert 0 < client.ttl("test:digest:b") <= CLAIM_SECONDS < DAY < client.ttl("test:digest:a")


class Rig:
    """Daily digests of one deployment at 07:00, with marks and a receiver that outlive them."""

    def __init__(self, server: CountingServer) -> None:
        self.server, self.marks, self.metrics = server, MemoryMarks(), CloserMetrics()
        self.now, self.is_mine = EVE, True
        self.owners = ["payments", "shops"]
        self.made: list[tuple[float, float]] = []
        self.fault: Exception | None = None
        self.opened: list[DailyDigest] = []

    def open(self) -> DailyDigest:
        """The one of a closer that starts now."""
        client = HttpClient(self.server.url, AddressRules(["127.0.0.0/8"]), 5.0)
        webhooks = [WebhookTarget("chat", client, [KEY], lambda: self.now)]
        self.opened.append(
            DailyDigest(
                *("07:00", "test", webhooks, self._make, self.marks, lambda: self.is_mine, self.metrics),
                clock=lambda: self.now,
            )
        )
        return self.opened[-1]

    def count(self, result: str) -> float | None:
        """How many posts ended so."""
        return self.metrics.registry.get_sample_value("noisegate_digests_total", {"target": "chat", "result": result})

    @property
    def sent(self) -> list[str]:
        """The owners whose digests the receiver took, in order."""
        return [one.json["data"]["digest"]["owner"] for one in self.server.requests]

    def _make(self, since: float, until: float, rest: Callable[[], None]) -> Sequence[Digest]:
        self.made.append((since, until))
        if self.fault is not None:
            raise self.fault
        return [digest(owner, since, until) for owner in self.owners]


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A deployment whose digest of the day before was sent."""
    with CountingServer() as server:
        made = Rig(server)
        made.marks.note_sent(f"{moment(latest_due(EVE, '07:00')):%F}")
        yield made
        for one in made.opened:
            one.stop(1.0)


def test_each_owner_gets_one_post_a_day(rig: Rig) -> None:
    """Not before it is due, of the 24 hours until then, signed, with the digest and its Markdown; then the next day."""
    daily = rig.open()
    daily.look()
    rig.now = DUE + SETTLE_SECONDS - 1.0
    daily.look()
    assert rig.sent == []
    rig.now = DUE + SETTLE_SECONDS
    daily.look()
    rig.now += HOUR
    daily.look()
    assert (rig.sent, rig.made) == (["payments", "shops"], [(DUE - DAY, DUE)])
    first = rig.server.requests[0]
    signed = sign([KEY], first.headers["webhook-id"], int(first.headers["webhook-timestamp"]), first.body)
    assert first.headers["webhook-signature"] == signed
    assert (first.json["type"], first.headers["webhook-id"]) == (TYPE, first.json["data"]["id"])
    assert first.json["data"]["markdown"] == as_markdown(digest("payments"))
    assert msgspec.convert(first.json["data"]["digest"], Digest) == digest("payments")
    rig.now += DAY
    daily.look()
    assert (len(rig.sent), len(rig.server.done), rig.count("done")) == (4, 4, 4.0)
    assert daily.fault is None


def test_another_start_sends_nothing_twice(rig: Rig) -> None:
    """Also where the first closer ended between two posts: the second sends the rest."""
    rig.server.failures.extend([Failure(200), Failure(503)])
    rig.now = DUE + HOUR
    rig.open().look()
    rig.open().look()
    rig.open().look()
    assert (rig.sent, rig.count("done")) == (["payments", "shops", "shops"], 2.0)
    assert len(rig.made) == 2


def test_who_does_not_hold_the_first_partition_sends_nothing(rig: Rig) -> None:
    """And begins where it gets it."""
    daily = rig.open()
    rig.now, rig.is_mine = DUE + HOUR, False
    daily.look()
    assert (rig.sent, rig.made) == ([], [])
    rig.is_mine = True
    daily.look()
    assert rig.sent == ["payments", "shops"]


def test_one_that_another_closer_is_sending_is_left_to_it(rig: Rig) -> None:
    """A claim that is not followed by a post ends by itself, and then it is sent."""
    event = digest_event(digest("payments"), "test")
    rig.marks.claim(f"{event.id}:chat")
    daily = rig.open()
    rig.now = DUE + HOUR
    daily.look()
    assert rig.sent == ["shops"]
    rig.marks.free(f"{event.id}:chat")
    rig.now += FIRST_WAIT_SECONDS
    daily.look()
    assert rig.sent == ["shops", "payments"]


def test_what_fails_is_tried_again_with_longer_waits(rig: Rig) -> None:
    """Kafka, Redis or the receiver: a sentence says why, and what was taken is not sent again."""
    daily = rig.open()
    rig.now = DUE + HOUR
    rig.fault = BrokerError("no broker answers", "start Kafka")
    daily.look()
    assert daily.fault == "the digest of 2024-10-04 is not sent: no broker answers; start Kafka"
    rig.fault, rig.marks.away = None, True
    rig.now += FIRST_WAIT_SECONDS
    daily.look()
    assert "Redis does not answer" in str(daily.fault)
    rig.marks.away = False
    rig.server.failures.extend([Failure(200), Failure(429, {"retry-after": "900"})])
    for wait, posts in ((2 * FIRST_WAIT_SECONDS - 1.0, 0), (1.0, 2), (899.0, 2), (1.0, 3)):
        rig.now += wait
        daily.look()
        assert len(rig.sent) == posts
    assert (rig.count("done"), rig.count("again")) == (2.0, 1.0)
    assert daily.fault is None


@pytest.mark.expects_errors
def test_what_is_not_taken_for_a_day_is_given_up_and_counted(rig: Rig) -> None:
    """Then the next one is sent, and the old one never."""
    rig.server.failures.extend([Failure(200), Failure(403)])
    daily = rig.open()
    rig.now = DUE + HOUR
    daily.look()
    assert "chat answered 403" in str(daily.fault)
    rig.now = DUE + DAY + SETTLE_SECONDS
    daily.look()
    assert (rig.count("refused"), rig.count("done")) == (1.0, 3.0)
    assert [one.json["timestamp"][:10] for one in rig.server.requests] == ["2024-10-04"] * 2 + ["2024-10-05"] * 2


@pytest.mark.expects_errors
def test_a_fault_that_nobody_foresaw_is_tried_again(rig: Rig) -> None:
    """The thread goes on, and says what it was."""
    rig.now, rig.fault = DUE + HOUR, ValueError("odd")
    daily = rig.open()
    daily.start()
    until(lambda: daily.fault == "the digest of 2024-10-04 is not sent: ValueError: odd", 10)
    rig.fault = None
    rig.now += FIRST_WAIT_SECONDS
    daily.look()
    assert (rig.sent, daily.fault) == (["payments", "shops"], None)


def test_the_thread_ends_while_topics_are_read(rig: Rig) -> None:
    """A closer that stops does not wait for the topics, and sends nothing more."""
    begun = threading.Event()

    def endless(since: float, until: float, rest: Callable[[], None]) -> Sequence[Digest]:
        while True:
            begun.set()
            rest()

    rig.now = DUE + HOUR
    daily = DailyDigest("07:00", "test", [], endless, rig.marks, lambda: True, rig.metrics, clock=lambda: rig.now)
    daily.start()
    assert begun.wait(10.0)
    daily.stop(10.0)
    assert not any(thread.name == "digest" for thread in threading.enumerate())


def test_an_id_is_of_deployment_owner_day_and_length() -> None:
    """The same hour of the day does not matter, so that what a person sends again is dropped by its receiver."""
    ids = {
        digest_event(one, deployment).id
        for deployment in ("test", "other")
        for one in (
            digest("payments"),
            digest("payments", DUE + 5.0 - DAY, DUE + 5.0),
            digest("shops"),
            digest("payments", DUE, DUE + DAY),
            digest("payments", DUE - 7 * DAY, DUE),
        )
    }
    assert len(ids) == 8


@pytest.mark.parametrize("targets", [None, "", '[[alertmanager]]\nname = "a"\nurl = "http://127.0.0.1:1"\n'])
def test_a_time_without_a_webhook_is_refused(tmp_path: Any, targets: str | None) -> None:
    """A closer that could never send its digest does not start; without a time nothing is needed."""
    file = tmp_path / "targets.toml"
    file.write_text(targets or "")
    named = {} if targets is None else {"closer_targets": file}
    settings = make_settings(closer_digest_at="07:00", **named)
    with pytest.raises(SettingsError, match="can be sent nowhere") as caught:
        read_webhooks(settings)
    assert "[[webhook]]" in str(caught.value.mend)
    state = RuleState("redis://127.0.0.1:1/0", "test", 0.1)
    with pytest.raises(SettingsError, match="can be sent nowhere"):
        make_daily_digest(settings, state, lambda: RuleIndex([]), lambda: True, CloserMetrics(), 0.1)
    assert make_daily_digest(make_settings(), state, lambda: RuleIndex([]), lambda: True, CloserMetrics(), 0.1) is None
    state.close()


@pytest.mark.parametrize("at", ["7:00", "24:00", "07:60", "07:00:00", "noon"])
def test_another_time_of_day_is_refused(at: str) -> None:
    """Two digits each."""
    with pytest.raises(SettingsError, match="closer_digest_at"):
        make_settings(closer_digest_at=at)
