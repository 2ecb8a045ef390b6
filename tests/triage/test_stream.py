"""Batches on their way to browsers."""

import asyncio
import json
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from stream.triage.stream import Broadcaster, merge
from stream.triage.view import Batch, Counts, Row


def row(key: str, words: str) -> Row:
    """A row of one episode, told apart by its words."""
    return Row(
        key=key, team="t", rule="r", entity="e", alert_id="a", title="t", raised_at=0.0, latest_at=0.0, words=words
    )


def batch(seq: int, *keys: str, gone: tuple[str, ...] = ()) -> Batch:
    """A batch that brings rows up to its own number."""
    return Batch(seq=seq, upsert=[row(key, str(seq)) for key in keys], gone=list(gone), counts=Counts(open=seq))


async def read(stream: AsyncIterator[bytes], count: int) -> list[tuple[str, str, dict[str, object]]]:
    """The next events: id, name and data."""
    found = []
    for _ in range(count):
        lines = (await asyncio.wait_for(anext(stream), 60.0)).decode().strip().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


async def followed(sender: Broadcaster, viewers: int) -> None:
    """Wait until so many browsers follow."""
    async with asyncio.timeout(60.0):
        while sender.viewers < viewers:  # noqa: ASYNC110 - nothing says when a stream has begun
            await asyncio.sleep(0)


def test_every_viewer_gets_every_batch() -> None:
    """Two browsers get the same events, in order."""

    async def scenario() -> None:
        sender = Broadcaster()
        streams = [sender.follow(None, 0) for _ in range(2)]
        reading = [asyncio.create_task(read(stream, 2)) for stream in streams]
        await followed(sender, 2)
        sender.send(batch(1, "a"))
        sender.send(batch(2, "b"))
        first, second = await asyncio.gather(*reading)
        assert first == second
        assert [(name, kind) for name, kind, _ in first] == [("1", "batch"), ("2", "batch")]
        assert sender.viewers == 2
        sender.close()

    asyncio.run(scenario())


def test_a_browser_that_comes_back_gets_what_it_missed() -> None:
    """With the number of its last batch it gets all later ones as one."""

    async def scenario() -> None:
        sender = Broadcaster()
        for seq in range(1, 6):
            sender.send(batch(seq, "a", f"b{seq}"))
        ((name, kind, data),) = await read(sender.follow(2, 5), 1)
        assert (name, kind) == ("5", "batch")
        upsert = data["upsert"]
        assert isinstance(upsert, list)
        assert {one["key"]: one["words"] for one in upsert} == {"a": "5", "b3": "3", "b4": "4", "b5": "5"}

    asyncio.run(scenario())


def test_a_browser_that_missed_too_much_starts_anew() -> None:
    """Where the ring does not reach back, or the number is another process's, it is told to take new rows."""

    async def scenario() -> None:
        sender = Broadcaster(ring=3)
        for seq in range(1, 6):
            sender.send(batch(seq, "a"))
        for seq in (1, 99):
            assert await read(sender.follow(seq, 5), 1) == [("5", "reset", {"seq": 5})]

    asyncio.run(scenario())


def test_a_slow_browser_gets_one_merged_batch() -> None:
    """More than the limit of waiting batches become one, in which each row stands once, as it was last."""

    async def scenario() -> None:
        sender = Broadcaster(frames=3)
        stream = sender.follow(None, 0)
        reading = asyncio.create_task(read(stream, 1))
        await followed(sender, 1)
        for seq in range(1, 11):
            sender.send(batch(seq, "a", f"b{seq % 2}"))
        ((name, _, data),) = await reading
        assert name == "10"
        upsert = data["upsert"]
        assert isinstance(upsert, list)
        assert {one["key"]: one["words"] for one in upsert} == {"a": "10", "b0": "10", "b1": "9"}

    asyncio.run(scenario())


def test_closing_ends_all_streams() -> None:
    """A browser's stream ends when the process does."""

    async def scenario() -> None:
        sender = Broadcaster()
        stream = sender.follow(None, 0)
        ending = asyncio.create_task(read(stream, 1))
        await followed(sender, 1)
        sender.close()
        assert isinstance((await asyncio.gather(ending, return_exceptions=True))[0], StopAsyncIteration)

    asyncio.run(scenario())


CHANGES = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=4)


@given(st.lists(CHANGES, min_size=1, max_size=8))
def test_a_merged_batch_does_what_its_batches_do(changes: list[list[tuple[str, bool]]]) -> None:
    """Applied to the same rows, the merged batch leaves what the batches one by one leave."""
    batches = [
        batch(
            seq,
            *{key for key, there in some if there},
            gone=tuple({key for key, there in some if not there} - {key for key, there in some if there}),
        )
        for seq, some in enumerate(changes, start=1)
    ]

    def apply(rows: dict[str, str], one: Batch) -> dict[str, str]:
        left = {key: words for key, words in rows.items() if key not in one.gone}
        return left | {each.key: each.words for each in one.upsert}

    rows = {"a": "0", "b": "0"}
    expected = rows
    for one in batches:
        expected = apply(expected, one)
    assert apply(rows, merge(batches)) == expected
