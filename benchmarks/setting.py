"""What one contender is told: where the servers are, its topics, the problem and the model."""

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from stream.config import make_settings, Partitioner, Settings, load_problem
from stream.core.problem import Problem
from stream.models.model import Model, load_model
from stream.models.store import find

PARTITIONS = 4
PARTITIONER: Partitioner = "murmur2"
PROBLEM = Path(__file__).parent / "problem.toml"


class Setting(Struct, frozen=True):
    """One contender's run; passed to its process as JSON."""

    name: str  # of the run: the consumer group, and what the topics' names begin with
    kafka: str
    redis: str
    models: str
    metrics_port: int = 0

    @property
    def events_topic(self) -> str:
        """Where the load is."""
        return f"{self.name}.events"

    @property
    def enriched_topic(self) -> str:
        """Where the enriched records go."""
        return f"{self.name}.enriched"

    @property
    def outcomes_topic(self) -> str:
        """Where noisegate publishes outcomes."""
        return f"{self.name}.outcomes"

    def problem(self) -> Problem:
        """The benchmark's problem."""
        return load_problem(PROBLEM)

    def model(self) -> Model:
        """The benchmark's model, loaded and warm."""
        return load_model(find(Path(self.models)), self.problem())

    def settings(self) -> Settings:
        """The same as noisegate's settings."""
        return make_settings(
            deployment=self.name,
            kafka_bootstrap_servers=self.kafka,
            partitioner=PARTITIONER,
            events_topic=self.events_topic,
            enriched_topic=self.enriched_topic,
            outcomes_topic=self.outcomes_topic,
            failed_topic=f"{self.name}.failed",
            problem=PROBLEM,
            redis_url=self.redis,
            model_store=self.models,
            model_cache=Path(self.models) / ".cache",
        )


def from_arguments() -> Setting:
    """In the contender's process: the setting that `arguments` passed."""
    return msgspec.json.decode(sys.argv[1], type=Setting)


def arguments(module: str, setting: Setting) -> list[str]:
    """The command that runs a contender's module."""
    return [sys.executable, "-m", module, msgspec.json.encode(setting).decode()]
