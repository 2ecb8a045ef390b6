"""The history that an alert's page reads from Redis, beside what the scorer writes."""

from operator import neg
from pathlib import Path

import pytest

from stream.config import make_settings
from stream.core import state
from stream.core.occlusion import LEAST
from stream.models.artifact import golden_matrix
from stream.models.model import load_model
from stream.scorer.history import Meta, encode_meta
from stream.triage.history import AWAY, NAMES, HistoryReader, decode_meta, levels_of
from stream.triage.models import ModelReader
from tests.servers.kafka import ROOT
from tests.triage.records import NOW

SIMULATED = ROOT / "deploy" / "problems" / "simulated.toml"


def test_the_scorers_meta_is_read() -> None:
    """Generation and time are read from what the scorer writes, whatever it adds behind them."""
    meta = Meta(1_042, "topic", 3, "actionable@9f2c01ab", 5, 7, NOW, 0, "noeviction", "")
    found = decode_meta(encode_meta(meta))
    assert (found.generation, found.time) == (7, NOW)


def test_a_level_in_words() -> None:
    """Counts of all time, the share of the last weeks, and the last outcomes, newest first."""
    level = state.new_state(float(int(NOW // state.EPOCH)))
    epoch = level[state.LANDMARK]
    for number, acted in enumerate((True, False, False)):
        at = NOW - 300.0 + number
        state.add_raises([level], at, epoch)
        state.add_outcomes([level], at, epoch, acted)
    (found,) = levels_of(NAMES[:2], [state.pack_state(level), None], NOW)
    assert (found.name, found.words, found.recent) == ("this team", "acted on 1 of 3", "33 % acted on")
    assert found.outcomes == [0, 0, 1]
    assert found.last_acted_at == NOW - 300.0


def test_a_redis_that_is_away_is_a_sentence() -> None:
    """Where nothing listens the reader says so, and reports it."""
    seen: list[bool] = []
    reader = HistoryReader("redis://127.0.0.1:1/0", "d", "t", "murmur2", lambda: 3, 0.2, seen.append)
    assert reader.read("payments", "disk_full", "db-7") == AWAY
    assert not reader.ping()
    assert seen == [False, False]
    reader.close()


def test_before_kafka_answered_no_partition_is_guessed() -> None:
    """The partition of a team is known once the topic's count is."""
    reader = HistoryReader("redis://127.0.0.1:1/0", "d", "t", "murmur2", lambda: 0, 0.2, lambda up: None)
    assert "Kafka has not answered yet" in reader.read("payments", "disk_full", "db-7")
    reader.close()


def reader_of(store: Path, cache: Path) -> ModelReader:
    """A reader of a store, whose Prometheus is away."""
    settings = make_settings(model_store=str(store), model_cache=str(cache), problem=str(SIMULATED))
    return ModelReader(settings.models, settings.load_problem(), settings.deployment, "http://127.0.0.1:1")


def test_what_pushed_a_score_of_the_shipped_model(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The champion is asked again; another version, and features that are not its own, are a sentence each."""
    store = request.config.rootpath / "model_artifacts"
    version = (store / "CHAMPION").read_text("utf-8").strip()
    model = load_model(store / version, make_settings(problem=str(SIMULATED)).load_problem())
    alert = golden_matrix(model.manifest)[0]
    reader = reader_of(store, tmp_path)
    found = reader.pushes(version, alert.astype("<f4").tobytes())
    assert isinstance(found, list)
    (pushes,) = model.occlusion.pushes(alert[None], model.predict)
    assert [abs(push.by) for push in found] == sorted((round(abs(by), 2) for by in pushes if abs(by) >= LEAST), key=neg)
    assert "is no champion any more" in str(reader.pushes("2020-01-01-00000000", b""))
    assert "does not hold the features" in str(reader.pushes(version, b"\0" * 8))
    assert "does not hold the features" in str(reader.pushes(version, b"\0" * 7))


def test_the_shipped_model_is_shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Champion with manifest, card and report; Prometheus away is a sentence beside it."""
    reader = reader_of(request.config.rootpath / "model_artifacts", tmp_path_factory.mktemp("cache"))
    found = reader.read()
    (model,) = found.models
    assert (model.role, model.has_report) == ("champion", True)
    assert model.manifest.version in model.card
    assert "can't be reached" in found.drift_error
    assert (reader.report(model.manifest.version) or b"").lstrip().lower().startswith(b"<!doctype html>")
    assert reader.report("../../etc") is None


def test_an_empty_store_has_no_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder without a model is how everyone starts: nothing, and no error."""
    empty = tmp_path_factory.mktemp("empty")
    found = reader_of(empty, empty).read()
    assert (found.models, found.error) == ([], "")
