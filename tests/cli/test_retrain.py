"""`noisegate retrain`, where it can't begin: one sentence and status 1, nothing trained."""

from pathlib import Path

import pytest

from stream.dev.process import free_port
from stream.dev.shipped import simulated_problem
from tests.cli.conftest import Run


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A Kafka that is not there, and a store and cache of the test's own."""
    return {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "NOISEGATE_PROBLEM": str(simulated_problem()),
        "NOISEGATE_MODEL_STORE": str(tmp_path / "store"),
        "NOISEGATE_MODEL_CACHE": str(tmp_path / "cache"),
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param((), "can't be reached", marks=pytest.mark.slow),  # Kafka is waited for
        (("--since", "yesterday"), "--since yesterday: give a length such as 30d or 12h"),
        (("--force", ""), "--force is empty: say why"),
        (("--trials", "-1"), "trials=-1"),
    ],
)
def test_what_can_not_begin(
    run: Run, env: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    """What is wrong, and how to mend it."""
    ran = run("retrain", *arguments, env=env)
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err.splitlines()[-1]
    assert not (tmp_path / "store").exists()
