"""Apache Kafka and redis-server beside the contenders, and a contender's process; each gone when its block ends."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from redis import Redis

from benchmarks import topics
from benchmarks.contenders import Contender
from benchmarks.model import make_model
from benchmarks.setting import Setting, arguments
from stream.dev.process import ServerProcess, free_port
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[1]


class Bench(Struct, frozen=True):
    """The servers that run, and the folder with the model."""

    kafka: ApacheKafka
    redis: RedisServer
    models: Path

    def setting(self, name: str) -> Setting:
        """A run of its own on these servers: topics made, Redis empty."""
        setting = Setting(name, self.kafka.bootstrap_servers, self.redis.url, str(self.models), free_port())
        topics.create(setting)
        with Redis.from_url(self.redis.url) as client:
            client.flushall()
        return setting

    @property
    def processes(self) -> dict[str, ServerProcess]:
        """The servers, by the name under which their CPU is told."""
        return {"kafka": self.kafka, "redis": self.redis}


@contextmanager
def servers() -> Iterator[Bench]:
    """Kafka, Redis without persistence, and the model."""
    with tempfile.TemporaryDirectory() as folder, ApacheKafka() as kafka, RedisServer("redis") as redis:
        bench = Bench(kafka, redis, Path(folder))
        make_model(Setting("model", "", "", "").problem(), bench.models)
        yield bench


def process(contender: Contender, setting: Setting) -> ServerProcess:
    """The contender's process, not yet started."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return ServerProcess(
        contender.name,
        arguments(contender.module, setting),
        ready=lambda: True,  # its first output tells
        environ={**os.environ, "PYTHONPATH": path},
    )
