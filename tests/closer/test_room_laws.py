"""The laws of the closer's room: whatever crashes, each alert is decided once, acted on once, and comes back."""

import os
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream.closer.outbox import PREFIX
from stream.core.records import encode_record
from tests.closer.rig import Crash, Worker, World
from tests.core.outcomes import enriched

STEPS = (
    *("write",) * 4,
    *("copy",) * 2,
    *("step",) * 3,
    *("commit", "settle", "idle", "publish", "finish"),
    *("crash", "crash_in_write", "move", "time", "redis"),
)


def draw_steps(seed: int, most: int) -> list[tuple[str, Any]]:
    """Some steps, each with what it takes."""
    chance = random.Random(seed)
    steps = list[tuple[str, Any]]()
    for _ in range(chance.randrange(10, most)):
        name = chance.choice(STEPS)
        given: Any = chance.randrange(2)
        if name == "write":
            given = {
                "alert": chance.randrange(16),
                "unscored": chance.random() < 0.3,
                "flags": ["flood"] if chance.random() < 0.2 else [],
                "severity": chance.choice(["low", "low", "high"]),
                "entity": chance.choice(["db-1", "db-2"]),
            }
        elif name == "copy":
            given = chance.randrange(30)
        elif name == "time":
            given = chance.choice([0.5, 30.0, 700.0, 4_000.0, -20.0, -900.0])
        elif name == "redis":
            given = chance.random() < 0.3
        steps.append((name, given))
    return steps


class Run:
    """Two workers that share two partitions, hurt step by step."""

    def __init__(self) -> None:
        self.world = World()
        first, second = self.world.parts
        self.workers = [Worker(self.world, [first]), Worker(self.world, [second])]
        self.events = [0, 0]  # the offset in alerts.events, by partition

    def do(self, name: str, given: Any) -> None:
        """One step."""
        world = self.world
        if name == "write":
            self.write(given)
        elif name == "copy":
            written = [(part, record.value) for part in world.parts for record in world.logs[part]]
            if written:
                part, value = written[given % len(written)]
                world.write(part, value or b"")
        elif name == "time":
            world.now += given
        elif name == "redis":
            world.fence.away = given
        else:
            self.do_to(name, given)

    def do_to(self, name: str, number: int) -> None:
        """One step of a worker, which may be its last."""
        world, worker = self.world, self.workers[number]
        if name == "crash":
            self.workers[number] = Worker(world, worker.given)
        elif name == "move":  # the other worker has everything from now on; this one goes on until it finds out
            self.workers[1 - number].assign(world.parts)
            worker.given = []
        elif name == "publish":
            worker.dispatcher.publish()
        elif name == "finish":
            worker.dispatcher.finish()
        else:
            world.fence.crashes = name == "crash_in_write" and not world.fence.away
            call = {"step": worker.step, "idle": worker.idle, "commit": worker.commit, "settle": worker.settle}
            try:
                call.get(name, worker.settle)()
            except Crash:
                self.workers[number] = Worker(world, worker.given)
            world.fence.crashes = False

    def write(self, given: dict[str, Any]) -> None:
        """Raise an alert, or give the score of one that came unscored."""
        number, world = given["alert"] % 2, self.world
        offset = self.events[number]
        self.events[number] += 1
        record = enriched(
            f"A{number}-{offset}",
            world.now,
            offset=f"alerts.events/{number}/{offset}",
            episode=f"e{given['alert']}",
            severity=given["severity"],
            entity=given["entity"],
            team="payments" if number else "platform",
            flags=given["flags"],
        )
        if given["unscored"]:
            bare = enriched(record.alert.alert_id, world.now, offset=record.offset, probability=None)
            world.write(world.parts[number], encode_record(bare))
        world.write(world.parts[number], record)

    def end(self) -> None:
        """Let one worker finish everything, the last pause included."""
        self.world.fence.away = False
        last = Worker(self.world, self.world.parts)
        last.finish()
        self.world.now += 7_200.0
        last.finish()
        assert last.outbox.measure() == (0, 0.0)
        for part in self.world.parts:
            assert not [name for name in self.world.store.load(part).parts if name.startswith(PREFIX)]


def check_laws(run: Run) -> None:
    """What was published, copies of the same record aside."""
    scored = {f"A{number}-{offset}" for number, count in enumerate(run.events) for offset in range(count)}
    decided: defaultdict[str, list[bytes]] = defaultdict(list)
    order: defaultdict[str, list[str]] = defaultdict(list)
    deeds: dict[str, tuple[str, str]] = {}
    for sent in run.world.sent:
        for decision in sent.outgoing.decisions:
            packed = encode_record(decision)
            if packed not in decided[decision.alert_id]:
                decided[decision.alert_id].append(packed)
                order[decision.alert_id].append(decision.decision)
        for deed in sent.outgoing.deeds:
            deeds[deed.id] = deed.alert.alert_id, deed.kind
    assert set(decided) == scored
    pauses = {alert for alert, names in order.items() if names[0] == "pause"}
    for alert, names in order.items():
        assert names == (["pause", "release"] if alert in pauses else names[:1]), (alert, names)
    assert sorted(deeds.values()) == sorted((alert, kind) for alert in pauses for kind in ("pause", "release"))
    acts = {act.action_id: act.kind for sent in run.world.sent for act in sent.outgoing.acts}
    kinds = sorted(acts.values())
    assert kinds.count("paused_by_rule") == kinds.count("released_by_rule") == len(pauses)
    assert kinds.count("held_out") == sum(names == ["hold_out"] for names in order.values())


def run_steps(seed: int, most: int) -> None:
    """Run some steps, then look."""
    run = Run()
    for name, argument in draw_steps(seed, most):
        note(f"{name} {argument}")
        run.do(name, argument)
    run.end()
    check_laws(run)


@pytest.mark.expects_errors
@hypothesis_settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_is_decided_twice_or_lost_and_every_pause_ends(seed: int) -> None:
    """Copies, crashes between any two steps, zombies, a Redis that goes away and a clock that goes back."""
    run_steps(seed, 40)


@pytest.mark.slow
@pytest.mark.expects_errors
@hypothesis_settings(max_examples=int(os.environ.get("CLOSER_RUNS", "150")), deadline=None)
@given(st.integers(0, 2**32))
def test_the_laws_hold_on_many_runs(seed: int) -> None:
    """The same, long; a draw of seeds finds more than a draw of steps, since most faults need many of them."""
    run_steps(seed, 80)
