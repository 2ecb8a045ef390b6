"""`noisegate topics`: made once, described, and warned about."""

import pytest

from stream.config import load_settings
from stream.dev.embedded import EmbeddedBroker
from stream.kafka import Topics
from tests.cli.conftest import Run


@pytest.fixture
def env(embedded_broker: EmbeddedBroker, unique_name: str) -> dict[str, str]:
    """Settings whose topics nobody else uses."""
    roles = ("events", "enriched", "outcomes", "failed")
    return {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in roles} | {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }


def test_created_once_and_described(run: Run, env: dict[str, str]) -> None:
    """All four topics are made with the partitions asked for, a second time nothing is; events are kept for ever."""
    first = run("topics", "create", "--partitions", "3", "--json", env=env).json
    again = run("topics", "create", "--json", env=env).json
    assert len(first["created"]) == 4
    assert (again["created"], sorted(again["there_already"])) == ([], sorted(first["created"]))
    assert "with 3 partitions; nothing was changed" in run("topics", "create", "--partitions", "8", env=env).out
    described = run("topics", "describe", "--json", env=env).json
    assert [topic["partitions"] for topic in described["topics"]] == [3, 3, 3, 3]
    assert described["topics"][0]["retention_ms"] == -1
    assert described["warnings"] == []


def test_limited_retention_is_warned_about(run: Run, env: dict[str, str]) -> None:
    """Where events are thrown away, `describe` says for how long they are kept and how to mend it."""
    assert run("topics", "create", "--retention-days", "7", env=env).status == 0
    ran = run("topics", "describe", env=env)
    assert "is kept for 7 days only" in ran.out
    assert "retention.ms" in ran.out


def test_missing_topics_are_described_as_missing(run: Run, env: dict[str, str]) -> None:
    """`describe` works before `create`."""
    ran = run("topics", "describe", env=env)
    assert ran.status == 0
    assert ran.out.count("missing") == 4


def test_missing_topic_is_one_sentence(run: Run, env: dict[str, str]) -> None:
    """Reading what is not there says which verb makes it."""
    ran = run("tail", "enriched", "--until-idle", "1", env=env)
    assert ran.status == 1
    assert "run `noisegate topics create`" in ran.err


def test_topics_are_those_of_the_settings(run: Run, env: dict[str, str]) -> None:
    """Names come from the settings."""
    run("topics", "create", env=env)
    assert Topics(load_settings(env)).require("events", "failed")
