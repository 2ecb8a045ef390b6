"""The models' thread: it starts at once, is waited for by who likes, and shows what is in service."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.config import Settings, load_settings
from stream.metrics.scorer import ScorerMetrics
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import Store
from stream.scorer import models as scorer_models
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.models import ModelPoller
from tests.cli.versions import A, Shop, open_shop
from tests.models.conftest import trained
from tests.scorer.shown import shown, total
from tests.waits import until

__all__ = ["trained"]
NO_MODEL = "no model is served: alerts are published unscored"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """An empty store."""
    return open_shop(tmp_path)


@pytest.fixture
def metrics() -> ScorerMetrics:
    """A worker's metrics."""
    return ScorerMetrics()


@pytest.fixture
def models(shop: Shop, metrics: ScorerMetrics, redis_url: str, unique_name: str) -> Iterator[ModelPoller]:
    """A worker's models, not started."""
    names = {"NOISEGATE_REDIS_URL": redis_url, "NOISEGATE_DEPLOYMENT": unique_name}
    settings: Settings = load_settings({**shop.env, **names, "NOISEGATE_MODEL_POLL_SECONDS": "0.02"})
    made = ModelPoller(settings, settings.load_problem(), metrics, lambda: [0], MetricsRecorder(metrics, {}, 60.0))
    yield made
    made.stop()


def test_a_store_that_hangs_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, shop: Shop, metrics: ScorerMetrics, redis_url: str, unique_name: str
) -> None:
    """`start` returns at once; `wait_first` gives up after its time, and answers as soon as the store has."""
    answers = threading.Event()

    class Hanging(Store):
        def pointer_bytes(self, name: str) -> bytes | None:
            answers.wait(60)
            return super().pointer_bytes(name)

    monkeypatch.setattr(scorer_models, "Store", Hanging)
    settings = load_settings({**shop.env, "NOISEGATE_REDIS_URL": redis_url, "NOISEGATE_DEPLOYMENT": unique_name})
    models = ModelPoller(settings, settings.load_problem(), metrics, lambda: [0], MetricsRecorder(metrics, {}, 60.0))
    models.start()
    assert not models.wait_first(0.05)
    before = models.active
    assert models.faults == [NO_MODEL]
    answers.set()
    assert models.wait_first(60.0)
    assert (before.reason, models.active.reason) == ("model_failed", "no_model")
    models.stop()


@pytest.mark.slow
def test_what_serves_is_shown(
    shop: Shop, models: ModelPoller, metrics: ScorerMetrics, trained: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a model the log has the mend; with one its counters are there at zero."""
    models.start()
    assert models.wait_first(60.0)
    assert models.faults == [NO_MODEL]
    assert "there is no such folder, so no model; train a model" in caplog.text
    assert total(metrics, "model_store_up") == 1.0
    shop.add(trained, A)
    shop.store.point(CHAMPION, Pointer(A))
    until(lambda: models.active.champions, 60)
    assert models.faults == []
    until(lambda: shown(metrics, "model_simulated"), 60)  # which is the last of them
    for name in ("model_failures_total", "model_simulated"):
        assert list(shown(metrics, name).values()) == [0.0]
