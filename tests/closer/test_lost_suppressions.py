"""What rules did in the last day, from the decisions themselves, on either broker."""

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from stream.closer.lost_suppressions import Lost, LostSuppressions, find_suppressions
from stream.config import load_settings
from stream.core.decisions import Brakes
from stream.core.errors import HistoryAway
from stream.core.events import encode_event, moment
from stream.core.records import Decision, encode_record
from stream.core.suppressions import release, suppression_of
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from tests.core.outcomes import T0, enriched
from tests.core.test_decisions import decided, situation
from tests.servers.fixtures import Broker


def made(alert_id: str, share: float = 0.0, brakes: Brakes = Brakes()) -> Decision:  # noqa: B008 - frozen
    """A decision on an alert."""
    return decided(enriched(alert_id), situation(share=share, brakes=brakes))


@pytest.mark.slow
def test_what_is_not_back_is_found_with_its_times(broker: Broker, unique_name: str) -> None:
    """Of the teams that are asked for, with all that targets know an alert by; a copy of a pause after its release
    changes nothing, nor does junk."""
    settings = load_settings(
        {
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "NOISEGATE_DECISIONS_TOPIC": f"{unique_name}.decisions",
            "NOISEGATE_EVENTS_TOPIC": f"{unique_name}.events",
            "NOISEGATE_BROKER_END_OFFSETS": str(broker.name == "kafka").lower(),
        }
    )
    with pytest.raises(HistoryAway, match="can't be found again"):  # the room tries again, as while Redis is away
        find_suppressions(settings, lambda team: True)
    Topics(settings).create(1, 1, topic_configs())
    paused, back, held_out = made("paused"), made("back"), made("held-out", share=1.0)
    assert (paused.decision, held_out.decision) == ("pause", "hold_out")
    one = suppression_of(back, enriched("back").alert.severity)
    assert one is not None
    braked = made("blocked", brakes=Brakes(everything="no"))
    records = [paused, back, release(one, "its pause ended", T0 + 600.0), back, held_out, braked]
    producer = Producer({**producer_settings(settings), "log_level": 0})
    raised = replace(enriched("paused").alert, labels={"alertname": "DiskFull"}, source="alertmanager", severity="low")
    for event in (raised, replace(raised, at=moment(T0 + 60.0), severity="high"), replace(raised, alert_id="other")):
        producer.produce(settings.topics.events, encode_event(event), b"payments")
    producer.produce(settings.topics.events, b'{"type":"raised"}', b"payments")
    for value in (*map(encode_record, records), b'{"decision":"pause"}'):
        producer.produce(settings.topics.decisions, value, b"payments")
    assert producer.flush(60) == 0
    found = find_suppressions(settings, lambda team: team == "payments")
    ((suppression, alert),) = found.held
    assert (suppression.alert_id, suppression.since, suppression.until) == ("paused", T0 + 1.0, T0 + 601.0)
    assert (alert, suppression.severity) == (raised, "low")
    assert found.acted == {("payments", "back"): T0 + 600.0, ("payments", "held-out"): T0 + 1.0}
    assert find_suppressions(settings, lambda team: False).held == []


def test_the_partitions_of_an_assignment_share_one_reading() -> None:
    """Each takes its own teams of it; a later assignment reads anew, as others may have decided meanwhile."""
    one = suppression_of(made("A1"), enriched("A1").alert.severity)
    assert one is not None
    readings: list[int] = []

    def find() -> Lost:
        readings.append(1)
        return Lost([(one, enriched("A1").alert)], {("payments", "A2"): T0, ("search", "A3"): T0})

    lost = LostSuppressions(find)
    ours = lost.take("first", lambda team: team == "payments")
    assert ([held.alert_id for held, _ in ours.held], ours.acted) == (["A1"], {("payments", "A2"): T0})
    assert lost.take("first", lambda team: team == "search") == Lost([], {("search", "A3"): T0})
    assert len(readings) == 1
    lost.take("second", lambda team: True)
    assert len(readings) == 2
