"""`noisegate models promote` asks the outcomes topic whether a challenger did no worse than the champion."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer

from stream.core.problem import parse_problem
from stream.core.records import Outcome, encode_record
from stream.dev.embedded import EmbeddedBroker
from stream.models.changes import Change
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from tests.cli.conftest import Run
from tests.cli.test_models import champion, refused
from tests.cli.versions import A, B, Shop, open_shop
from tests.models.conftest import trained

__all__ = ["trained"]
START = datetime(2026, 1, 5, tzinfo=UTC)
ALERTS, NEEDED = 480, 400  # an alert each hour


@pytest.fixture
def shop(tmp_path: Path, trained: Path, embedded_broker: EmbeddedBroker, run: Run, unique_name: str) -> Shop:
    """A champion and, since before the first alert, a challenger; a broker without outcomes yet."""
    shop = open_shop(tmp_path, f"\n[target]\nmin_outcomes = {NEEDED}\n")
    topics = {
        f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}"
        for role in ("events", "enriched", "outcomes", "failed")
    }
    servers = {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
    }
    shop = Shop(shop.store, shop.folder, {**shop.env, **topics, **servers})
    assert run("topics", "create", env=shop.env).status == 0
    for version in (A, B):
        shop.add(trained, version)
    shop.store.point(CHAMPION, Pointer(A))
    shop.store.point(CHALLENGER, Pointer(B))
    shop.store.note(Change(at=START - timedelta(hours=1), who="a@b", verb="challenge", version=B, after=Pointer(B)))
    return shop


def publish(shop: Shop, alerts: int, noise: tuple[float, float]) -> None:
    """Outcomes of alerts that both scored, a third acted on; each model's scores are off by so much on average."""
    rng = np.random.default_rng(3)
    problem = parse_problem(Path(shop.env["NOISEGATE_PROBLEM"]).read_text())
    producer = Producer({"bootstrap.servers": shop.env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"]})
    for number in range(alerts):
        at = START + timedelta(hours=number)
        acted = number % 3 == 0
        scores = {
            version: float(np.clip((0.8 if acted else 0.2) + rng.normal(0, off), 0.01, 0.99))
            for version, off in zip((A, B), noise, strict=True)
        }
        outcome = Outcome(
            alert_id=f"a{number}",
            team="payments",
            rule="r",
            entity="e",
            raised_at=at,
            outcome="actionable" if acted else "noise",
            decided_at=at + timedelta(minutes=70),
            by="worked" if acted else "expiry",
            problem=problem.id,
            model=A,
            scores=scores,
            evidence="strong",
            last_outcome=0,
            flags=[],
        )
        written = int(outcome.decided_at.timestamp() * 1000)
        producer.produce(shop.env["NOISEGATE_OUTCOMES_TOPIC"], encode_record(outcome), b"payments", timestamp=written)
    producer.flush()


@pytest.mark.slow
def test_a_challenger_as_good_is_promoted(run: Run, shop: Shop) -> None:
    """Refused while outcomes are too few; taken once there are enough and it is no worse."""
    publish(shop, NEEDED // 2, (0.1, 0.05))
    assert f"of {NEEDED} alerts" in refused(run("models", "promote", B, env=shop.env))
    assert champion(shop) == Pointer(A)
    publish(shop, ALERTS, (0.1, 0.05))
    ran = run("models", "promote", B, env=shop.env)
    assert ran.status == 0, ran.err
    assert champion(shop) == Pointer(B)
    assert shop.store.pointer(CHALLENGER) is None
    promoted = next(change for change in shop.store.changes() if change.verb == "promote")
    assert (promoted.forced, promoted.reason) == (False, None)


@pytest.mark.slow
def test_a_challenger_that_is_surely_worse_is_refused(run: Run, shop: Shop) -> None:
    """Also for one team alone; a reason overrides it, and what it overrode is noted."""
    publish(shop, ALERTS, (0.05, 0.6))
    assert "is surely worse" in refused(run("models", "promote", B, env=shop.env))
    assert "is surely worse" in refused(run("models", "promote", B, "--team", "payments", env=shop.env))
    assert run("models", "promote", B, "--team", "payments", "--force", "their wish", env=shop.env).status == 0
    assert champion(shop) == Pointer(A, {"payments": B})
    change = shop.store.changes()[-1]
    assert change.forced
    assert "their wish; overrode: " in str(change.reason)
    assert "is surely worse" in str(change.reason)


def test_what_was_written_before_the_challenge_does_not_count(run: Run, shop: Shop) -> None:
    """A challenge begun anew starts from nothing."""
    publish(shop, ALERTS, (0.1, 0.1))
    begun = START + timedelta(hours=ALERTS - 100)
    shop.store.note(Change(at=begun, who="a@b", verb="challenge", version=B, after=Pointer(B)))
    assert f"of {NEEDED} alerts" in refused(run("models", "promote", B, env=shop.env))
