"""Apache Kafka itself, in one process, from jars that Maven fetches once into `.cache/kafka`."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions
from filelock import FileLock

from stream.dev.process import LOOPBACK, ServerProcess, accepts, free_port

ROOT = Path(__file__).parents[2]
POM = ROOT / "tests" / "kafka" / "pom.xml"
CACHE = ROOT / ".cache" / "kafka"
MAVEN_SECONDS = 600
FORMAT_SECONDS = 60
START_SECONDS = 120
STOP_SECONDS = 30

JAVA = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=300
broker.session.timeout.ms={session_ms}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class KafkaUnavailable(RuntimeError):
    """This machine can't run Apache Kafka; the message says what is missing."""


class ApacheKafka(ServerProcess):
    """One broker and controller (KRaft) on loopback. Port and data stay over stop, kill and start.

    Raises KafkaUnavailable where Java, Maven or the jars are missing.

    Args:
        folder: where its data and its log are.
        session_ms: a broker that stands still for longer is fenced; one that was killed is back only after it.
    """

    def __init__(self, folder: Path | None = None, session_ms: int = 3_000) -> None:
        self.port, self._session_ms = free_port(), session_ms
        self._controller_port = free_port()
        self._java = [*JAVA, "-cp", f"{jars()}/*"]
        super().__init__(
            "Apache Kafka",
            [*self._java, "kafka.Kafka", "server.properties"],
            ready=lambda: accepts(self.port) and _serves(self.bootstrap_servers),
            folder=folder,
            deadline_seconds=START_SECONDS,
        )

    @property
    def bootstrap_servers(self) -> str:
        """Host and port, as every Kafka client wants them."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start and wait until it serves; the first time its data folder is formatted."""
        if not (self.folder / "data").exists():
            self._format()
        super().start()

    def grow(self, topic: str, partitions: int) -> None:
        """Raise a topic's count of partitions; returns once producers find them and no record for one is refused."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(60)
        deadline = time.monotonic() + START_SECONDS
        while len(admin.list_topics(topic, timeout=30).topics[topic].partitions) < partitions:
            assert time.monotonic() < deadline, f"{topic} does not grow"
            time.sleep(0.05)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, it takes connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """SIGTERM: a controlled shutdown."""
        super().stop(grace_seconds)

    def _format(self) -> None:
        properties = PROPERTIES.format(
            host=LOOPBACK,
            port=self.port,
            controller_port=self._controller_port,
            data=self.folder / "data",
            session_ms=self._session_ms,
        )
        (self.folder / "server.properties").write_text(properties)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would be read as an option.
        arguments = ["format", "--config", "server.properties", f"--cluster-id={cluster_id}"]
        with self.log.open("ab") as log:
            subprocess.run(
                [*self._java, "kafka.tools.StorageTool", *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=FORMAT_SECONDS,
                check=True,
            )


def jars() -> Path:
    """The folder with Kafka's jars, fetched when this pom's are not there yet."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise KafkaUnavailable(f"{program} is not installed, so Apache Kafka can't be started")
    folder = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with FileLock(CACHE / "fetch.lock"):  # several workers come here at once
            if not folder.exists():
                _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={temporary}/jars"]
        maven = subprocess.run(
            ["mvn", "--batch-mode", "--quiet", "--file", str(POM), *goal],
            capture_output=True,
            text=True,
            timeout=MAVEN_SECONDS,
        )
        if maven.returncode != 0:
            raise KafkaUnavailable(f"Maven can't fetch Apache Kafka: {maven.stdout.strip()[-500:]}")
        (Path(temporary) / "jars").rename(folder)


def _serves(bootstrap_servers: str) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
