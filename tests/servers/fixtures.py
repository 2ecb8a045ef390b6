"""The fixtures that every test may ask for; `tests/conftest.py` re-exports them."""

import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from stream.dev.embedded import EMBEDDED_FAUST_SETTINGS, EMBEDDED_LIBRDKAFKA_SETTINGS, EmbeddedBroker
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.availability import unavailable
from tests.servers.kafka import ROOT, ApacheKafka, KafkaUnavailable
from tests.servers.prometheus import PrometheusServer
from tests.servers.redis import RedisServer

SHARED_DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Broker:
    """A running broker, embedded or Apache Kafka, and the client settings that it needs beyond its address."""

    name: str
    bootstrap_servers: str
    faust_settings: Mapping[str, float]
    librdkafka_settings: Mapping[str, int]


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """The embedded broker, one for all tests: use `unique_name` in topic names."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_of_session() -> Iterator[ApacheKafka]:
    """Behind `kafka`."""
    with _apache_kafka(session_ms=9_000) as kafka:  # it is stopped in order and never killed
        yield kafka


@pytest.fixture
def kafka(kafka_of_session: ApacheKafka) -> ApacheKafka:
    """Apache Kafka, one for all tests, started again if a test left it stopped: use `unique_name` in topic names."""
    kafka_of_session.start()
    return kafka_of_session


@pytest.fixture
def fresh_kafka() -> Iterator[ApacheKafka]:
    """An Apache Kafka of the test's own, to stop, kill and restart."""
    with _apache_kafka() as kafka:
        yield kafka


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Both brokers in turn, for a contract that holds on either."""
    if request.param == "kafka":
        kafka: ApacheKafka = request.getfixturevalue("kafka")
        return Broker("kafka", kafka.bootstrap_servers, {}, {})
    embedded: EmbeddedBroker = request.getfixturevalue("embedded_broker")
    return Broker("embedded", embedded.bootstrap_servers, EMBEDDED_FAUST_SETTINGS, EMBEDDED_LIBRDKAFKA_SETTINGS)


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[Callable[[str], RedisServer]]:
    """Behind `redis_of_session`: the server of a program, started when it is first asked for."""
    with ExitStack() as servers:
        yield cache(lambda program: servers.enter_context(_redis_server(program)))


@pytest.fixture(scope="session", params=[pytest.param("redis", marks=pytest.mark.redis), "valkey"])
def redis_of_session(request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]) -> RedisServer:
    """Behind `redis_url`."""
    return redis_servers(request.param)


@pytest.fixture
def redis_url(redis_of_session: RedisServer) -> str:
    """Redis and Valkey in turn, empty."""
    redis_of_session.start()
    redis_of_session.flush()
    return redis_of_session.url


@pytest.fixture
def fresh_redis() -> Iterator[RedisServer]:
    """A durable Redis of the test's own, to stop, kill, restart, flush and restore."""
    with _redis_server("redis", durable=True) as server:
        yield server


@pytest.fixture(scope="module")
def prometheus() -> Iterator[PrometheusServer]:
    """A Prometheus of the module's own, empty."""
    try:
        server = PrometheusServer()
    except FileNotFoundError as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture
def alertmanager() -> Iterator[AlertmanagerServer]:
    """An Alertmanager of the test's own, without alerts."""
    try:
        server = AlertmanagerServer()
    except FileNotFoundError as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program that checks and tests rules."""
    return _installed("promtool")


@pytest.fixture(scope="session")
def amtool() -> str:
    """The program that checks Alertmanager's configuration."""
    return _installed("amtool")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real event logs, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        unavailable("the real event logs (../shared/data beside the project) are not here")
    return SHARED_DATA


@pytest.fixture
def unique_name() -> str:
    """A name that no other test uses, for topics, groups and deployments on shared servers."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def no_swallowed_errors(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which an error was logged and nobody noticed, unless it is marked `expects_errors`."""
    yield
    if request.node.get_closest_marker("expects_errors") is None:
        records = [*caplog.get_records("setup"), *caplog.get_records("call")]
        errors = [f"{record.name}: {record.getMessage()}" for record in records if record.levelno >= logging.ERROR]
        if errors:
            pytest.fail("logged as errors: " + "; ".join(errors), pytrace=False)


def _apache_kafka(session_ms: int = 3_000) -> ApacheKafka:
    try:
        return ApacheKafka(session_ms=session_ms)
    except KafkaUnavailable as error:
        unavailable(str(error))


def _installed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        unavailable(f"{program} is not installed")
    return found


def _redis_server(program: str, *, durable: bool = False) -> RedisServer:
    try:
        return RedisServer(program, durable=durable)
    except FileNotFoundError as error:
        unavailable(str(error))
