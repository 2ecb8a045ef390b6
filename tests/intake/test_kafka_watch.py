"""The watch of Kafka: what is wrong is one sentence, and is forgotten when it is mended."""

import pytest

from stream.core.errors import BrokerError
from stream.intake.kafka_watch import FIRST, KafkaWatch
from stream.metrics.intake import IntakeMetrics


class FakeKafka:
    """Kafka that is away while `fault` is set."""

    def __init__(self) -> None:
        self.fault: BrokerError | None = None
        self.asked: list[tuple[str, ...]] = []

    def require(self, *roles: str) -> dict[str, int]:
        """What was set."""
        self.asked.append(roles)
        if self.fault is not None:
            raise self.fault
        return {}


@pytest.mark.expects_errors
def test_it_says_what_is_wrong_until_it_is_mended(caplog: pytest.LogCaptureFixture) -> None:
    """Before the first look nothing is known; each change is one line in the log."""
    kafka, metrics = FakeKafka(), IntakeMetrics()
    watch = KafkaWatch(kafka, metrics, 3.0)
    assert watch.fault == FIRST
    watch.look()
    assert watch.fault == ""
    kafka.fault = BrokerError("Kafka has no topic alerts.failed", "run `noisegate topics create`")
    for _ in range(3):
        watch.look()
    assert watch.fault == "Kafka has no topic alerts.failed; run `noisegate topics create`"
    assert metrics.registry.get_sample_value("noisegate_intake_kafka_up") == 0
    kafka.fault = None
    watch.look()
    assert watch.fault == ""
    assert metrics.registry.get_sample_value("noisegate_intake_kafka_up") == 1
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "Kafka has no topic alerts.failed",
        "Kafka is back",
    ]
    assert set(kafka.asked) == {("events", "failed")}
