"""The retraining loop: who becomes challenger, who does not, what is noted, and what keeps a second run out."""

import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream.config import Settings, change_settings, load_settings
from stream.core.errors import LabError, StoreAway
from stream.core.events import Event, Tick, encode_event
from stream.core.records import Outcome, encode_record
from stream.core.topics import TOPICS
from stream.dev.embedded import EmbeddedBroker
from stream.kafka.clients import producer_settings
from stream.kafka.topics import Topics, topic_configs
from stream.lab import retraining, store_state
from stream.lab.lock import retrain_lock
from stream.lab.reporting.retrain_report import RetrainResult, write
from stream.lab.retraining import PAGE, RetrainRequest, retrain
from stream.models.artifact import FINDINGS, verify
from stream.models.changes import Change
from stream.models.manifest import Manifest
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.store import Store
from stream.progress import Progress
from tests.lab import logs
from tests.lab.judging.test_compare_versions import ALERTS, changing_log
from tests.lab.test_weights import acting_log
from tests.models.conftest import trained

__all__ = ["trained"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
EARLY = logs.START + timedelta(minutes=10 * ALERTS * 0.7)
Run = Callable[..., RetrainResult]


@pytest.fixture
def settings(tmp_path: Path, unique_name: str) -> Settings:
    """A store and a cache of the test's own."""
    problem = tmp_path / "problem.toml"
    problem.write_text(logs.PROBLEM_TEXT)
    env = {
        "NOISEGATE_PROBLEM": str(problem),
        "NOISEGATE_MODEL_STORE": str(tmp_path / "store"),
        "NOISEGATE_MODEL_CACHE": str(tmp_path / "cache"),
        "NOISEGATE_DEPLOYMENT": unique_name,
    }
    return load_settings(env)


@pytest.fixture
def store(settings: Settings) -> Store:
    """The store of these settings."""
    return Store(settings.models.store)


@pytest.fixture
def run(settings: Settings) -> Run:
    """One retraining on the log until a time; promotions are refused unless `promote` says otherwise."""

    def call(
        until: datetime | None = None,
        promote: Callable[[str], str | None] = lambda version: "no",
        now: datetime = NOW,
        settings: Settings = settings,
        then: Sequence[Event] = (),
        **asked: str | float | None,
    ) -> RetrainResult:
        events = [event for event in changing_log() if until is None or event.at < until]
        events += then
        options = RetrainRequest(**{"judge_days": 3.0, **asked})  # type: ignore[arg-type]  # as a test gives them
        return retrain(settings, options, pulling(events), promote, now=now)

    return call


def pulling(events: list[Event]) -> Callable[[Path, float | None, Progress], dict[str, int]]:
    """What writes these events where a pull would."""

    def pull(path: Path, since: float | None, progress: Progress) -> dict[str, int]:
        with gzip.open(path, "wb") as file:
            file.writelines(encode_event(event) + b"\n" for event in events)
        return {"not_json": 3}

    return pull


@pytest.mark.slow
def test_the_first_version_is_published_and_pointed_at_by_nothing(run: Run, store: Store) -> None:
    """It serves nobody until somebody promotes it; the page beside it is the one that is printed."""
    found = run(EARLY)
    assert found.verdict == "first"
    assert store.versions() == [found.version]
    assert store.pointer(CHAMPION) is None
    assert store.pointer(CHALLENGER) is None
    folder = store.fetch(found.version, Path())
    assert verify(folder).training.split_at == found.data.split_at
    assert (folder / PAGE).read_text() == write(found)
    assert {PAGE, FINDINGS} <= verify(folder).files.keys()
    assert f"`noisegate models promote {found.version}`" in write(found)
    assert "- 3 records on Kafka can't be used: not_json" in write(found)
    assert [(change.verb, change.version) for change in store.changes()] == [("publish", found.version)]


@pytest.mark.slow
def test_decisions_weigh_what_was_held_out(settings: Settings, store: Store) -> None:
    """The closer's decisions are joined to the log: page and manifest give the effective sample size."""
    events, decisions = acting_log()
    request = RetrainRequest(judge_days=2.0)
    found = retrain(settings, request, pulling(events), lambda version: "no", now=NOW, decisions=lambda: decisions)
    assert found.data.weights is not None
    assert found.data.weights == store.manifest(found.version).training.weights
    assert f"effective sample size {found.data.weights.effective:,.0f}" in write(found)
    assert not any("no decision says" in text for text in found.warnings)
    plain = retrain(settings, request, pulling(events), lambda version: "no", now=NOW)
    assert plain.data.weights is None
    assert any("no decision says" in text for text in plain.warnings)


class Away(Store):
    """A store that can't be reached for the first `times` calls of one kind."""

    def __init__(self, url: str, call: str, times: int) -> None:
        super().__init__(url)
        self._call, self._left = call, times

    def _cut(self, call: str) -> None:
        if call == self._call and self._left > 0:
            self._left -= 1
            raise StoreAway(f"{self.url}: the model store can't be reached: the cable is out")

    def fetch(self, version: str, into: Path) -> Path:
        """As the store, when it is there."""
        self._cut("fetch")
        return super().fetch(version, into)

    def publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> str:
        """As the store, when it is there."""
        self._cut("publish")
        return super().publish(manifest, files)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fetch", "publish"])
def test_a_hiccup_of_the_store_is_waited_for(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The champion is found and compared with, and the version published, once the store answers again."""
    first = run(EARLY)
    store.point(CHAMPION, Pointer(first.version))
    monkeypatch.setattr(store_state, "AWAY_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(retraining, "Store", lambda url: Away(url, call, 2))
    found = run(force="as a test")
    assert found.champion == first.version
    assert (found.moved is not None, found.unjudged) == (True, None)
    assert store.pointer(CHALLENGER) == Pointer(found.version)


def test_a_store_away_ends_the_run_before_it_trains(
    run: Run, store: Store, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the champion can't be fetched is not taken for "there is none": nothing is trained, nobody is challenged."""
    shutil.copytree(trained, Path(store.url) / trained.name)
    store.point(CHAMPION, Pointer(trained.name))
    monkeypatch.setattr(store_state, "AWAY_SECONDS", (0.01,))
    monkeypatch.setattr(retraining, "Store", lambda url: Away(url, "fetch", 5))
    with pytest.raises(StoreAway, match="the cable is out"):
        run(EARLY)
    assert store.versions() == [trained.name]
    assert store.pointer(CHALLENGER) is None


@pytest.mark.slow
def test_a_champion_that_is_gone_is_no_first_run(run: Run, store: Store) -> None:
    """Where the log of changes knows a champion, the page says that a rollback restores it."""
    was = Pointer("2026-01-01-aaaa")
    store.note(Change(at=NOW, who="a@b", verb="promote", version=was.default, pointer=CHAMPION, after=was))
    found = run(EARLY)
    assert f"CHAMPION is gone; run `noisegate models rollback`, which restores {was.default}" in found.warnings[0]
    assert found.warnings[0] in write(found)


@pytest.mark.slow
def test_the_split_lies_before_what_has_matured(run: Run) -> None:
    """So many days before the last alert whose horizon and grace have passed: none of them was learnt from."""
    found = run(EARLY, judge_days=2.0)
    matured = found.data.ended_at - timedelta(minutes=65)
    assert found.data.split_at == matured - timedelta(days=2)
    assert found.metrics is not None
    assert 250 < found.metrics.judged <= 2 * 144 + 1


@pytest.mark.slow
def test_a_quiet_time_moves_no_split(run: Run) -> None:
    """Where nothing was raised for weeks and only ticks came, the last days that hold alerts are judged by."""
    found = run(EARLY, then=[Tick(EARLY + timedelta(days=40))], judge_days=2.0)
    assert EARLY - timedelta(days=2, hours=1) < found.data.split_at < EARLY - timedelta(days=2)
    assert found.metrics is not None
    assert found.metrics.judged > 250


@pytest.mark.slow
def test_a_failed_gate_is_kept_out_of_shadow_unless_forced(run: Run, store: Store) -> None:
    """Three days have no intervals, so the gate fails: status 2 and no challenger, but for a reason, which is noted."""
    first = run(EARLY)
    store.point(CHAMPION, Pointer(first.version))
    refused = run()
    assert (refused.verdict, refused.status) == ("refused", 2)
    assert refused.version in store.versions()
    assert store.pointer(CHALLENGER) is None
    assert store.pointer(CHAMPION) == Pointer(first.version)
    assert any("too few days for an interval" in fault for fault in refused.faults)
    assert "**not** the challenger" in write(refused)

    forced = run(now=NOW + timedelta(days=1), force="we want to look at it")
    assert (forced.verdict, forced.status) == ("challenger", 0)
    assert store.pointer(CHALLENGER) == Pointer(forced.version)
    last = store.changes()[-1]
    assert (last.verb, last.version, last.forced, last.reason) == (
        "challenge",
        forced.version,
        True,
        "we want to look at it",
    )
    assert "That was forced (we want to look at it)" in write(forced)


@pytest.mark.slow
def test_the_same_log_teaches_nothing_new(run: Run, store: Store) -> None:
    """Run twice in a day on the same log: the same version, and its pointers stay."""
    first = run(EARLY)
    store.point(CHAMPION, Pointer(first.version))
    again = run(EARLY)
    assert (again.version, again.verdict) == (first.version, "there_already")
    assert store.pointer(CHALLENGER) is None
    assert store.versions() == [first.version]


@pytest.mark.slow
def test_it_is_judged_beside_the_champion(run: Run, store: Store) -> None:
    """On what matured after both splits; a champion that can't be read is told, and does not stand in the way."""
    first = run(EARLY)
    store.point(CHAMPION, Pointer(first.version, {"team-0": "2026-01-01-dead"}))
    found = run(force="a test")
    assert found.moved is not None
    assert (found.moved.comparison.champion, found.moved.comparison.challenger) == (first.version, found.version)
    assert found.metrics is not None
    assert found.moved.comparison.matured == found.metrics.judged
    page = write(found)
    assert "| Brier score (less is better) |" in page
    assert "Some teams are served by 2026-01-01-dead" in page

    store.point(CHAMPION, Pointer("2026-01-01-dead"))
    found = run(now=NOW + timedelta(days=1), force="a test")
    assert found.moved is None
    assert "The champion can't be judged on this log" in write(found)


def outcome(number: int, scores: dict[str, float], problem: str) -> Outcome:
    """A live outcome, one every ten minutes."""
    at = NOW + timedelta(minutes=10 * number)
    values = ("actionable" if number % 3 else "noise", at + timedelta(hours=1), "worked", problem, None, scores)
    return Outcome(f"live-{number}", "team-0", "rule", "host", at, *values, "some", None, [])  # type: ignore[arg-type]


@pytest.fixture
def live(settings: Settings, embedded_broker: EmbeddedBroker, unique_name: str) -> Settings:
    """The settings with an embedded Kafka, whose topics are empty."""
    topics = {f"{role}_topic": f"{unique_name}.{role}" for role in TOPICS}
    made = change_settings(settings, kafka_bootstrap_servers=embedded_broker.bootstrap_servers, **topics)
    Topics(made).create(2, 1, topic_configs())
    return made


def serve(settings: Settings, versions: tuple[str, str], count: int) -> None:
    """Outcomes that both versions scored live."""
    problem = settings.load_problem().id
    producer = Producer({**producer_settings(settings), "log_level": 0})
    for number in range(count):
        scores = dict.fromkeys(versions, 0.4 + number % 5 / 10)
        producer.produce(settings.topics.outcomes, encode_record(outcome(number, scores, problem)), "team-0")
    assert producer.flush(60) == 0


@pytest.mark.slow
def test_a_challenger_is_promoted_only_where_the_settings_say_so(run: Run, store: Store, live: Settings) -> None:
    """Without the setting nobody is asked; with it the present challenger is, before the new one takes its place."""
    first = run(EARLY)
    store.point(CHAMPION, Pointer(first.version))
    second = run(EARLY + timedelta(hours=12), force="a test")
    assert store.pointer(CHALLENGER) == Pointer(second.version)
    serve(live, (first.version, second.version), 120)

    third = run(now=NOW + timedelta(days=1), settings=live, force="a test", promote=pytest.fail)
    assert store.pointer(CHAMPION) == Pointer(first.version)
    assert (third.replaced, third.promoted) == (second.version, None)
    assert third.live_comparison is not None
    assert 100 < third.live_comparison.matured < 120
    assert "It was replaced before it could be judged" in write(third)

    asked: list[str] = []

    def promoting(version: str) -> str | None:
        asked.append(version)
        if len(asked) == 1:
            return "412 of 500 alerts"
        store.point(CHAMPION, Pointer(version))
        return None

    promotes = change_settings(live, retrain_promotes=True)
    fourth = run(now=NOW + timedelta(days=2), settings=promotes, force="a test", promote=promoting)
    assert (fourth.promoted, fourth.not_promoted) == (None, "412 of 500 alerts")
    assert "It was not promoted: 412 of 500 alerts." in write(fourth)
    fifth = run(now=NOW + timedelta(days=3), settings=promotes, force="a test", promote=promoting)
    assert asked == [third.version, fourth.version]
    assert (fifth.promoted, fifth.champion, fifth.replaced) == (fourth.version, fourth.version, None)
    assert store.pointer(CHALLENGER) == Pointer(fifth.version)
    assert f"{fourth.version} was promoted before this training" in write(fifth)


@pytest.mark.slow
def test_a_second_run_is_kept_out(run: Run, settings: Settings) -> None:
    """While one is at work; a run that was killed leaves no lock behind."""
    with retrain_lock(settings), pytest.raises(LabError, match=r"another retraining of .* is at work on this machine"):
        run()
    code = (
        "import os, stream.config, stream.lab.lock as lock\n"
        "held = lock.retrain_lock(stream.config.load_settings())\n"
        "held.__enter__()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    env = {"NOISEGATE_MODEL_CACHE": str(settings.models.cache), "NOISEGATE_DEPLOYMENT": settings.deployment}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False, timeout=120).returncode == -9
    with retrain_lock(settings), retrain_lock(change_settings(settings, deployment="another")):
        assert (settings.models.cache / f"retrain-{settings.deployment}.lock").exists()


@pytest.mark.slow
def test_what_can_not_be_used_is_told_in_one_sentence(run: Run, settings: Settings, store: Store) -> None:
    """A log that is too short, an empty reason, a cache that can't be written; nothing is published."""
    with pytest.raises(LabError, match=r"spans 11\.\d days, too few to judge on the last 30 days"):
        run(EARLY, judge_days=30.0)
    with pytest.raises(LabError, match="3 records on Kafka can't be used: not_json; leave them out with --skip-bad"):
        run(EARLY, skip_bad=False)
    with pytest.raises(LabError, match="--force is empty"):
        run(EARLY, force=" ")
    (settings.models.cache.parent / "file").write_text("")
    with pytest.raises(LabError, match="set NOISEGATE_MODEL_CACHE"):
        run(EARLY, settings=change_settings(settings, model_cache=settings.models.cache.parent / "file" / "below"))
    assert store.versions() == []
    assert store.changes() == []
