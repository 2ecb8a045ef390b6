"""The relay's benchmark runs, and its part of RESULTS.md is put in its place, once."""

from pathlib import Path

import pytest

from benchmarks.parts import put_part
from benchmarks.relay import BEGIN, END, POST, Burst, Load, _body, markdown, measure_burst, measure_load
from stream.relay.forward import Copy, read_post
from tests.chaos.cluster import Cluster
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

MACHINE = {"cores": 2, "processor": "a processor", "memory_gigabytes": 8.0, "system": "Linux"}
DOCUMENT = {"command": "python -m benchmarks.relay", "date": "2026-11-26T12:00:00", "machine": MACHINE}


def text(rate: float, relayed: float = 3.0) -> str:
    """The part for a rate, and for a burst that took a second without the relay."""
    load = Load(120.0, rate, 0.05, 2.0, 20.0, 60.0, 0, 19_000.0, [90.0] * 6)
    return markdown(DOCUMENT, load, Burst([1.0], [relayed]))


def test_the_part_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    """What stands before and after it stays, and the last figures stand there once."""
    page = tmp_path / "RESULTS.md"
    page.write_text("# Benchmark\n", encoding="utf-8")
    put_part(page, text(1_000.0), BEGIN, END)
    page.write_text(page.read_text(encoding="utf-8") + "\n## More\n", encoding="utf-8")
    put_part(page, text(2_000.0), BEGIN, END)
    found = page.read_text(encoding="utf-8")
    assert found.startswith("# Benchmark\n\n" + BEGIN)
    assert found.endswith(END + "\n\n## More\n")
    assert (found.count("## Relay"), "| 2,000 |" in found, "| 1,000 |" in found) == (1, True, False)


@pytest.mark.parametrize(
    ("rate", "relayed", "words"),
    [
        (2_000.0, 3.0, "2,000 alerts/s: reached; 10,000 at once at most 2 s longer (the median try): reached."),
        (1_900.0, 3.1, "2,000 alerts/s: not reached; 10,000 at once at most 2 s longer (the median try): not reached."),
    ],
)
def test_a_target_that_is_missed_is_named(rate: float, relayed: float, words: str) -> None:
    """The line does not depend on a reader's eye."""
    assert words in text(rate, relayed)


def test_bodies_are_what_the_relay_follows() -> None:
    """A post holds as many alerts as it is to, each of its own and with a sender."""
    post = read_post(_body([f"h-{number}" for number in range(POST)], 3), 4_000_000_000.0)
    assert post is not None
    copies = [one for one in post.copies if isinstance(one, Copy)]
    assert (len({one.labels for one in copies}), {one.sender for one in copies}) == (POST, {"prometheus-3:9090"})


@pytest.mark.slow
@pytest.mark.redis
def test_both_measurements_come_to_an_end(
    kafka: ApacheKafka, fresh_redis: RedisServer, tmp_path: Path, unique_name: str
) -> None:
    """A short load is taken without a refusal, and a real Prometheus is through with its burst."""
    cluster = Cluster(kafka, fresh_redis, tmp_path, unique_name, partitions=2)
    try:
        load = measure_load(cluster, 2.0)
        took = measure_burst(cluster, "burst", relayed=True, count=200)
    finally:
        cluster.close()
    assert (load.refused, load.alerts_per_second > 0, load.memory_megabytes[0] > 0) == (0, True, True)
    assert took > 0
