"""How the loop ends, in every phase: stopped, cancelled, closed from outside, by a fault; in milliseconds."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from stream.core.errors import BrokerError
from stream.lane.loop import Pauses
from stream.lane.source import SourceClosed
from tests.async_waits import until
from tests.lane.bench import DEADLINE_SECONDS, ONE, PAUSES, Bench, run


def test_a_stop_in_the_middle_of_a_step_finishes_what_is_begun() -> None:
    """The step that runs is written and committed; what was fetched beside it is left to the next worker."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 5)
        bench.source.assign(ONE)
        bench.room.process_gate.clear()
        async with bench.running():
            await until(bench.room.in_process.is_set)
            bench.source.append(ONE, 5)
            bench.loop.stopping = True
        assert bench.room.written[ONE] == [0, 1, 2, 3, 4]
        assert bench.source.committed == {ONE: 5}
        assert bench.loop.drained.is_set()
        assert not bench.loop.unfinished

    run(scenario())


def test_a_stop_while_a_write_hangs_ends_in_time_and_commits_nothing() -> None:
    """After drain_seconds the loop ends unfinished: what was not written is read again."""

    async def scenario() -> None:
        bench = Bench(drain_seconds=0.05, pauses=Pauses(fetch=0.002, look=60.0))
        bench.source.append(ONE, 5)
        bench.source.assign(ONE)
        bench.room.process_gate.clear()
        bench.room.commit_gate.clear()
        async with bench.running() as task:
            await until(bench.room.in_process.is_set)
            bench.loop.stopping = True
            bench.room.process_gate.set()
            await until(task.done)
        assert bench.loop.unfinished
        assert bench.loop.drained.is_set()
        assert bench.source.commits == []

    run(scenario())


def test_a_loop_that_is_cancelled_while_a_step_hangs_is_drained() -> None:
    """Whoever waits for it goes on, though the step's thread does not."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 5)
        bench.source.assign(ONE)
        bench.room.commit_gate.clear()
        with pytest.raises(asyncio.CancelledError):
            async with bench.running() as task:
                await until(bench.room.in_commit.is_set)
                await asyncio.sleep(5 * PAUSES.settle)
                task.cancel()
                await until(bench.loop.drained.is_set)

    run(scenario())


def hold_before_the_first_assignment(bench: Bench) -> None:
    """Nothing may begin yet."""
    bench.loop.may_begin = False


def let_bounds_fail(bench: Bench) -> None:
    """Kafka answers no question about bounds."""
    bench.source.assign(ONE)
    bench.source.bounds_faults = [BrokerError("no answer") for _ in range(100_000)]


def rebalance_for_good(bench: Bench) -> None:
    """The group never comes out of its rebalance."""
    bench.source.revoke()


def have_nothing_to_do(bench: Bench) -> None:
    """An assignment without records."""
    bench.source.assign(ONE)


def have_no_partition(bench: Bench) -> None:
    """An assignment without partitions."""
    bench.source.assign()


@pytest.mark.slow
@pytest.mark.parametrize(
    "phase",
    [
        hold_before_the_first_assignment,
        let_bounds_fail,
        rebalance_for_good,
        have_nothing_to_do,
        have_no_partition,
    ],
)
def test_a_stop_is_heard_in_every_phase(phase: Callable[[Bench], None]) -> None:
    """Within a few pauses the loop has ended in order, whatever it waits for."""

    async def scenario() -> None:
        bench = Bench()
        phase(bench)
        async with bench.running() as task:
            await asyncio.sleep(10 * PAUSES.fetch)
            assert not task.done()
        assert bench.loop.drained.is_set()
        assert bench.room.written == {}

    run(scenario())


def test_it_ends_when_its_process_says_so() -> None:
    """A consumer that is stopped from outside ends the loop as a signal does: what is begun is finished."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        await asyncio.wait_for(bench.loop.run(bench.source, lambda: bool(bench.room.rounds)), DEADLINE_SECONDS)
        assert bench.room.written[ONE] == [0, 1, 2]

    run(scenario())


def test_a_closed_source_ends_the_loop_at_once() -> None:
    """It is for the caller to say whether that was meant."""

    async def scenario() -> None:
        bench = Bench()
        bench.source.assign(ONE)
        with pytest.raises(SourceClosed):
            async with bench.running() as task:
                await until(lambda: bench.loop.assigned)
                bench.source.close()
                await until(task.done)
        assert bench.loop.drained.is_set()

    run(scenario())


def test_a_fault_of_the_room_ends_the_loop_and_commits_nothing_more() -> None:
    """The caller gets the exception that the room raised on its thread."""

    async def scenario() -> None:
        bench = Bench()
        bench.room.fault = ZeroDivisionError("in the fold")
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        with pytest.raises(ZeroDivisionError, match="in the fold"):
            async with bench.running() as task:
                await until(task.done)
        assert bench.loop.drained.is_set()
        assert bench.source.commits == []

    run(scenario())


def test_a_loop_that_has_ended_leaves_no_thread() -> None:
    """Neither the lane's own nor the one that writes, however it ended."""

    async def scenario(fault: Exception | None) -> None:
        bench = Bench()
        bench.source.append(ONE, 3)
        bench.source.assign(ONE)
        with suppress(ZeroDivisionError):
            async with bench.running() as task:
                await bench.until_written(ONE, 3)
                names = {thread.name for thread in threading.enumerate() if thread not in before}
                assert {"lane_0", "commit_0"} <= names
                bench.room.fault = fault
                bench.source.append(ONE, 1)
                await until(lambda: task.done() or len(bench.room.written[ONE]) == 4)
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith(("lane", "commit")):
                thread.join(DEADLINE_SECONDS)
                assert not thread.is_alive()

    before = set(threading.enumerate())
    run(scenario(None))
    run(scenario(ZeroDivisionError()))
