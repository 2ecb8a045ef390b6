"""What the scorer's room publishes passes the shipped schemas."""

import json

import pytest

from stream.core.events import encode_event
from tests.core.test_schemas import ENRICHED, EVENTS, OUTCOMES
from tests.scorer.logs import PROBLEM, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.models import Says
from tests.scorer.rig import Log, Rig


@pytest.mark.slow
def test_published_records_pass_their_schemas() -> None:
    """Scored and unscored alerts, repetitions, floods, outcomes and corrections of a random log, each by its schema."""
    kinds: set[str] = set()
    for model in (None, Says("2026-03-01-5a3e", lambda alert: 0.25)):
        events = random_log(7, alerts=200, late_seconds=900.0)
        log = Log()
        for event in events:
            log.append(event)
            EVENTS.validate(json.loads(encode_event(event)))
        rig = Rig(log, PROBLEM, MemoryHistory(), model=model)
        rig.run((13,))
        for output in rig.publisher.outputs:
            if output.topic == "alerts.enriched":
                ENRICHED.validate(json.loads(output.value))
                kinds.update([json.loads(output.value)["score"]["band"], *json.loads(output.value)["flags"]])
            elif output.topic == "alerts.outcomes":
                OUTCOMES.validate(json.loads(output.value))
                kinds.add(json.loads(output.value)["by"])
    assert {"unscored", "unsure", "late", "visibility_only", "expiry", "correction", "worked"} <= kinds
