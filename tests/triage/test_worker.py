"""What becomes of acts on their way to Kafka."""

import asyncio
from concurrent.futures import Future

import pytest

from stream.config import make_settings
from stream.core.errors import BrokerError, KafkaAway, RecordRefused, SettingsError
from stream.core.events import decode_event
from stream.kafka.records import Output, Part
from stream.metrics.triage import TriageMetrics
from stream.triage.worker import Triage, publish_acts
from tests.servers.kafka import ROOT
from tests.triage.records import acted

SIMULATED = ROOT / "deploy" / "problems" / "simulated.toml"


class FakePublisher:
    """A publisher that takes records, but for alerts of which it holds an error."""

    def __init__(self, errors: dict[str, BrokerError]) -> None:
        self.errors = errors
        self.outputs: list[Output] = []

    def publish(self, output: Output) -> "Future[tuple[Part, int]]":
        """A future that is done."""
        future: Future[tuple[Part, int]] = Future()
        event = decode_event(output.value)
        error = self.errors.get(getattr(event, "alert_id", ""))
        if error is None:
            self.outputs.append(output)
            future.set_result((Part(output.topic, 0), len(self.outputs)))
        else:
            future.set_exception(error)
        return future


@pytest.mark.slow
@pytest.mark.expects_errors
def test_what_kafka_may_take_later_is_given_back(caplog: pytest.LogCaptureFixture) -> None:
    """While Kafka is away an act waits; one refused for good is counted and named in the log; the others are out."""
    publisher = FakePublisher({"A2": KafkaAway("away", "wait"), "A3": RecordRefused("refused", "raise the limit")})
    metrics = TriageMetrics()
    acts = [acted(f"A{n}") for n in range(1, 5)]
    left = asyncio.run(publish_acts(publisher, "alerts.events", acts, metrics))
    assert left == acts[1:2]
    assert [decode_event(output.value) for output in publisher.outputs] == [acts[0], acts[3]]
    assert {(output.topic, output.key) for output in publisher.outputs} == {("alerts.events", b"payments")}
    assert metrics.registry.get_sample_value("noisegate_triage_acts_refused_total") == 1
    assert "a verdict can't be published: refused; raise the limit" in caplog.text


@pytest.mark.slow
def test_a_button_that_teaches_nothing_stops_the_start() -> None:
    """A kind that the problem file does not decide by is refused before anything is opened, with the line to add."""
    settings = make_settings(
        problem=str(SIMULATED), triage_port=0, triage_verdicts={"acted": "fixed", "dismissed": "dismissed"}
    )
    with pytest.raises(SettingsError, match=r"triage_verdicts: acted = 'fixed'.*actionable = \[.*\"fixed\"\]"):
        Triage(settings)


@pytest.mark.slow
def test_beyond_loopback_it_does_not_start_without_access() -> None:
    """A page for others needs a file that says who may use it."""
    with pytest.raises(SettingsError, match="triage_host"):
        Triage(make_settings(problem=str(SIMULATED), triage_host="0.0.0.0", triage_port=0))
