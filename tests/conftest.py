"""Fixtures for all tests, and the marks that follow from what a test asks for."""

import gc
import os
import signal
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings

from tests.servers.fixtures import (
    alertmanager,
    amtool,
    broker,
    embedded_broker,
    fresh_kafka,
    fresh_redis,
    kafka,
    kafka_of_session,
    no_swallowed_errors,
    prometheus,
    promtool,
    redis_of_session,
    redis_servers,
    redis_url,
    shared_data,
    unique_name,
)
from tests.servers.kafka import KafkaUnavailable, jars

__all__ = [
    "alertmanager",
    "amtool",
    "broker",
    "embedded_broker",
    "fresh_kafka",
    "fresh_redis",
    "kafka",
    "kafka_of_session",
    "no_swallowed_errors",
    "prometheus",
    "promtool",
    "redis_of_session",
    "redis_servers",
    "redis_url",
    "shared_data",
    "unique_name",
]

MARK_OF_FIXTURE = {
    "fresh_kafka": "kafka",
    "fresh_redis": "redis",
    "kafka": "kafka",
    "scored": "slow",
    "shared_data": "data",
    "world": "slow",
}
# The same examples in every run, so that a change is judged by what it changed; `make fuzz` draws new ones.
settings.register_profile("fast", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("fuzz", max_examples=2000, deadline=None)
settings.load_profile("fast")
gc.disable()  # until all tests are collected: their modules stay
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in its background; tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait for a server, or for a time to pass."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file run in one worker; so do those that share a costly fixture, but for `--dist loadfile`."""
    if config.getoption("dist") == "loadfile":
        return None
    from tests.scheduler import FixtureScheduling

    return FixtureScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a server is marked with it."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARK_OF_FIXTURE:
                item.add_marker(MARK_OF_FIXTURE[fixture])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Kafka's jars are fetched here, outside any test's time-out; a failure is told by the fixture."""
    gc.enable()
    gc.set_threshold(10_000, 20, 20)
    gc.freeze()  # modules and tests stay until the end: no collection need look at them
    if any(item.get_closest_marker("kafka") for item in session.items) and not session.config.option.collectonly:
        with suppress(KafkaUnavailable):
            jars()
