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
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "PARTITIONER": settings.partitioner,
        "EVENTS_TOPIC": settings.events_topic,
        "ENRICHED_TOPIC": settings.enriched_topic,
        "OUTCOMES_TOPIC": settings.outcomes_topic,
        "FAILED_TOPIC": settings.failed_topic,
        "PROBLEM": str(settings.problem),
        "REDIS_URL": settings.redis_url,
        "MODEL_STORE": settings.model_store,
        "MODEL_CACHE": str(settings.model_cache),
        "METRICS_PORT": str(setting.metrics_port),
    }
    return {f"NOISEGATE_{name}": value for name, value in told.items()}


if __name__ == "__main__":
    command = Path(sys.executable).with_name("noisegate")
    os.execve(command, [str(command), "run", "scorer"], {**os.environ, **environment(from_arguments())})
