"""`noisegate report`: what it says when it can't."""

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("verb", ["drift", "quality"])
def test_no_prometheus_is_one_sentence(run: Run, verb: str) -> None:
    """Without Prometheus it says where it looked, and which setting to mend."""
    ran = run("report", verb, env={"NOISEGATE_PROMETHEUS_URL": "http://127.0.0.1:1"})
    assert ran.status == 1
    assert ran.err.startswith("noisegate: Prometheus at http://127.0.0.1:1 can't be reached")
    assert "set prometheus_url" in ran.err
    assert ran.err.count("\n") == 1


def test_an_unknown_window_is_one_sentence(run: Run) -> None:
    """A window over which nothing is recorded is refused with those that there are."""
    ran = run("report", "quality", "--since", "3d")
    assert (ran.status, ran.out) == (1, "")
    assert "24h, 7d" in ran.err
