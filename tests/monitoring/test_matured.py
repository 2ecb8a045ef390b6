"""How far alerts have matured, over partitions of which one is quiet, as Prometheus computes it from real workers."""

import pytest

from stream.config import make_settings
from stream.core.events import Acted, Raised, seconds
from stream.monitoring.queries import quality
from stream.monitoring.queries.service import DEFAULT_JOB
from tests.scorer.logs import PROBLEM, START, at
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import Log, Rig
from tests.scorer.shown import text_of
from tests.scorer.test_clocks import append_ticks_of_all
from tests.servers.prometheus import Exposed, PrometheusServer

HOUR = 3_600.0


@pytest.mark.slow
@pytest.mark.parametrize("every", [60.0, 0.0])
def test_a_quiet_partition_does_not_hold_the_others_back(prometheus: PrometheusServer, every: float) -> None:
    """With ticks, all alerts raised before now less the wait have matured; in a replay time stands where it was."""
    log = Log(2)
    quiet, busy = (next(f"t{n}" for n in range(50) if log._choose(f"t{n}") == part) for part in (0, 1))
    log.append(Raised(START, "A", quiet, "r", "e"))
    log.append(Acted(at(60), "A", quiet, "a-1", "worked"))
    rig = Rig(log, PROBLEM, MemoryHistory(), make_settings(tick_seconds=every))
    rig.now = seconds(at(70))
    rig.run()
    for day in (3, 6):  # by the first the verdicts have matured by ticks, so that nothing is due up to the second
        rig.now = seconds(at(day * 24 * HOUR))
        log.append(Raised(at(day * 24 * HOUR - 5), f"B{day}", busy, "r", "e"))
        rig.run()
        while append_ticks_of_all(rig):
            rig.now += every + 1.0
            rig.run()
    labels = {"job": f"{DEFAULT_JOB}-{every:g}", "instance": "a"}
    prometheus.backfill([Exposed(rig.now, labels, text_of(rig.metrics))])
    found = prometheus.query(quality.matured_until(), rig.now + 1.0)
    until = next(one.value for one in found if one.labels["job"] == labels["job"])
    wait = PROBLEM.due_seconds * (1 + 1 / 32)
    expected = rig.now - wait if every else seconds(at(60)) - wait
    assert until == pytest.approx(expected, abs=120.0)
