"""The journey on one laptop: embedded broker and Valkey, the topics, and a real scorer and page beside them."""

import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import stream
from stream.config import Settings, load_settings
from stream.core.errors import EmbeddedServerFailed
from stream.dev.embedded import EMBEDDED_FAUST_SETTINGS, EmbeddedBroker, EmbeddedValkey
from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port
from stream.kafka.topics import Topics, topic_configs

PARTITIONS = 4
START_SECONDS = 60.0
DRAIN_SECONDS = 25.0
_POLL_SECONDS = 0.05
_TAIL_LENGTH = 400


class RoomProcess(ServerProcess):
    """`python -m stream run ROOM` with settings from `environment` alone; `port` is its health server's."""

    def __init__(self, room: str, name: str, environment: dict[str, str], port: int) -> None:
        self.port = port
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("NOISEGATE_")}
        package = str(Path(stream.__file__).parent.parent)
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        self._room = room
        super().__init__(
            name,
            [sys.executable, "-m", "stream", "run", room],
            ready=lambda: True,  # it takes seconds: the methods that await are for that
            environ={**inherited, "PYTHONPATH": path, **environment},
        )

    def faults(self) -> list[str] | None:
        """What /readyz says is missing, or notes below its "ok"; None while nobody answers."""
        text = self._get("/readyz")
        return None if text is None else [line for line in text.splitlines() if line not in ("", "ok")]

    def check(self) -> None:
        """Raise EmbeddedServerFailed if it is gone."""
        if not self.running:
            raise EmbeddedServerFailed(f"{self.name} ended by itself: {self.last_words()}")

    def last_words(self) -> str:
        """The end of its log, and where the whole of it is kept for the person who looks for the cause."""
        handle, kept = tempfile.mkstemp(prefix=f"noisegate-{self._room}-", suffix=".log")
        os.close(handle)
        shutil.copyfile(self.log, kept)
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() or ["nothing"]
        return f"its log ends with {lines[-1][:_TAIL_LENGTH]} (all of it is in {kept})"

    def stop(self, grace_seconds: float = DRAIN_SECONDS) -> None:
        """SIGTERM, and time to drain."""
        super().stop(grace_seconds)

    def _await(self, missing: str, ready: Callable[[list[str]], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check()
            faults = self.faults()
            if faults is not None and ready(faults):
                return
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(f"{self.name} {missing} within {START_SECONDS:.0f} s: {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def _get(self, path: str) -> str | None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class ScorerProcess(RoomProcess):
    """The scorer."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        super().__init__("scorer", "the scorer", environment, port)

    def counters(self) -> dict[tuple[str, str], float]:
        """The counters of /metrics: by name and their one label's value; empty while nobody answers."""
        from prometheus_client.parser import text_string_to_metric_families

        families = text_string_to_metric_families(self._get("/metrics") or "")
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in families
            if family.type == "counter"
            for sample in family.samples
        }

    def folded(self) -> int:
        """How many records it is done with: folded and written, or failed."""
        counted = self.counters()
        done = sum(value for (name, _), value in counted.items() if name == "noisegate_events_total")
        bad = sum(
            value
            for (name, reason), value in counted.items()
            if name == "noisegate_records_failed_total" and reason != "unknown_alert"  # these were folded
        )
        return int(done + bad)

    def await_assigned(self) -> None:
        """Wait until it owns its partitions."""
        self._await("owned no partitions", lambda faults: not any("partitions" in fault for fault in faults))

    def await_model(self) -> None:
        """Wait until it serves a model: /readyz has nothing to note then."""

        def served(faults: list[str]) -> bool:
            if self.counters().get(("noisegate_model_refused_total", "")):
                raise EmbeddedServerFailed(f"the scorer refused the model: {self.last_words()}")
            return not faults

        self._await("served no model", served)


class TriageProcess(RoomProcess):
    """The triage page, at `url`, of what is published from its start on.

    Args:
        environment: settings that reach the servers.
        page_port: where it is served; 0 takes a free one.
        verdicts: the kinds that its buttons write.
        notice: a sentence at the head of the page.
    """

    def __init__(self, environment: dict[str, str], page_port: int, verdicts: dict[str, str], notice: str = "") -> None:
        page_port, port = page_port or free_port(), free_port()
        self.url = f"http://{LOOPBACK}:{page_port}/"
        buttons = ", ".join(f"{action} = {json.dumps(kind)}" for action, kind in verdicts.items())
        own = {
            "NOISEGATE_TRIAGE_PORT": str(page_port),
            "NOISEGATE_TRIAGE_VERDICTS": f"{{{buttons}}}",
            "NOISEGATE_TRIAGE_HOURS": "0.0001",
            "NOISEGATE_TRIAGE_NOTICE": notice,
            "NOISEGATE_METRICS_PORT": str(port),
        }
        super().__init__("triage", "the triage page", {**environment, **own}, port)

    def await_served(self) -> None:
        """Wait until it is served and follows the topics."""
        self._await("was not served", lambda faults: not faults)


class CloserProcess(RoomProcess):
    """A closer that follows a replay from its begin, so no rule acts, however old the alerts are.

    Args:
        environment: settings that reach the servers.
        rules: a file of rules, or a folder of them.
    """

    def __init__(self, environment: dict[str, str], rules: Path) -> None:
        port = free_port()
        own = {
            "NOISEGATE_CLOSER_RULES": str(rules.resolve()),
            "NOISEGATE_CLOSER_REPLAY": "true",
            "NOISEGATE_PROMETHEUS_URL": "",
            "NOISEGATE_FETCH_WAIT_SECONDS": "0.2",  # a decision can wait, and fetches cost the broker
            "NOISEGATE_METRICS_PORT": str(port),
        }
        super().__init__("closer", "the closer", {**environment, **own}, port)

    def await_judged(self) -> None:
        """Wait until each rule has a standing, and decides."""
        self._await(
            "judged no rules", lambda faults: not any("not judged" in one or "partitions" in one for one in faults)
        )


class Stack:
    """What runs: the settings by which everything is reached, also as environment, and the scorer."""

    def __init__(self, settings: Settings, environment: dict[str, str], scorer: ScorerProcess) -> None:
        self.settings = settings
        self.environment = environment
        self.scorer = scorer


@contextmanager
def running_stack(problem: Path, models: Path, log_level: str = "info") -> Iterator[Stack]:
    """Broker, Valkey, topics and a scorer that has been started but need not be ready; gone with the block.

    Raises:
        EmbeddedServerFailed: something did not come up.
    """
    with EmbeddedBroker() as broker, EmbeddedValkey() as valkey, tempfile.TemporaryDirectory() as cache:
        port = free_port()
        environment = embedded_environment(broker, valkey) | {
            "NOISEGATE_PROBLEM": str(problem.resolve()),
            "NOISEGATE_MODEL_STORE": str(models.resolve()),
            "NOISEGATE_MODEL_CACHE": cache,
            "NOISEGATE_METRICS_PORT": str(port),
            "NOISEGATE_LOG_LEVEL": log_level,
            "NOISEGATE_ENRICHED_FEATURES": "true",
        }
        settings = load_settings(environment)
        Topics(settings).create(PARTITIONS, 1, topic_configs())
        try:
            with ScorerProcess(environment, port) as scorer:
                yield Stack(settings, environment, scorer)
        finally:  # asked to end, the broker waits for its clients; it keeps nothing, so there is nothing to wait for
            broker.kill()


@contextmanager
def running_servers(kafka_port: int, redis_port: int, partitions: int) -> Iterator[dict[str, str]]:
    """Broker, Valkey and the topics on ports of choice, 0 for free ones; yields the settings that reach them.

    Raises:
        EmbeddedServerFailed: a port is in use, or something did not come up.
    """
    for port, option in ((kafka_port, "--kafka-port"), (redis_port, "--redis-port")):
        if port and accepts(port):
            raise EmbeddedServerFailed(f"port {port} is in use", f"name another with {option}; 0 takes a free one")
    with EmbeddedBroker(kafka_port or None) as broker, EmbeddedValkey(redis_port or None) as valkey:
        environment = server_environment(broker, valkey)
        Topics(load_settings(environment)).create(partitions, 1, topic_configs())
        try:
            yield environment
        finally:  # as in `running_stack`
            broker.kill()


def server_environment(broker: EmbeddedBroker, valkey: EmbeddedValkey) -> dict[str, str]:
    """Settings, as environment, by which everything reaches the embedded servers."""
    return {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "NOISEGATE_REDIS_URL": valkey.url,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
        "NOISEGATE_FETCH_WAIT_SECONDS": "0.02",
        "NOISEGATE_SESSION_TIMEOUT_SECONDS": str(EMBEDDED_FAUST_SETTINGS["broker_session_timeout"]),
        "NOISEGATE_REBALANCE_TIMEOUT_SECONDS": str(EMBEDDED_FAUST_SETTINGS["broker_rebalance_timeout"]),
        "NOISEGATE_HEARTBEAT_SECONDS": str(EMBEDDED_FAUST_SETTINGS["broker_heartbeat_interval"]),
    }


def embedded_environment(broker: EmbeddedBroker, valkey: EmbeddedValkey) -> dict[str, str]:
    """The settings of `server_environment` and those of a replay, which needs no ticks and waits for its model."""
    return server_environment(broker, valkey) | {"NOISEGATE_TICK_SECONDS": "0", "NOISEGATE_MODEL_POLL_SECONDS": "0.2"}
