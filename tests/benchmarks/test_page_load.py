"""What the triage page's server bears, with ceilings ten times as wide as what is aimed at."""

import pytest

from benchmarks.page_load import IN, restart_seconds, taken_per_second, viewer_seconds


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.slow
def test_a_restart_reads_full_topics_in_time() -> None:
    """A process on four topics of twelve partitions each is ready within 50 s."""
    took, used = restart_seconds(1, 500)
    assert 0.0 < took < 50.0
    assert 0.0 < used < 50.0


@pytest.mark.slow
def test_a_hundred_viewers_get_an_alert_in_time() -> None:
    """While 200 alerts a second come, one is with the last of a hundred viewers within 10 s."""
    assert viewer_seconds(4) < 10.0


@pytest.mark.slow
def test_more_alerts_are_taken_in_than_come() -> None:
    """One core takes at least a tenth of 5,000 alerts a second in."""
    assert taken_per_second(0.3) > IN / 10
