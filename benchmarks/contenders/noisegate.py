"""noisegate: its command `noisegate run scorer`, nothing switched off, no setting but names and addresses."""

import os
import sys
from pathlib import Path

from benchmarks.setting import Setting, from_arguments


def environment(setting: Setting) -> dict[str, str]:
    """The scorer's settings; everything that is not said here is at its default."""
    settings = setting.settings()
    told = {
        "DEPLOYMENT": settings.deployment,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PARTITIONER": settings.kafka.partitioner,
        "EVENTS_TOPIC": settings.topics.events,
        "ENRICHED_TOPIC": settings.topics.enriched,
        "OUTCOMES_TOPIC": settings.topics.outcomes,
        "FAILED_TOPIC": settings.topics.failed,
        "PROBLEM": str(settings.problem),
        "REDIS_URL": settings.redis.url,
        "MODEL_STORE": settings.models.store,
        "MODEL_CACHE": str(settings.models.cache),
        "METRICS_PORT": str(setting.metrics_port),
    }
    return {f"NOISEGATE_{name}": value for name, value in told.items()}


if __name__ == "__main__":
    command = Path(sys.executable).with_name("noisegate")
    os.execve(command, [str(command), "run", "scorer"], {**os.environ, **environment(from_arguments())})
