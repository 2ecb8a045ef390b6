"""The parts of the settings that concern servers, the model store and the lane's rooms."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from stream.core import limits

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]
Group = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", max_length=40)]
Patterns = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=limits.GROUP_PATTERNS)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Partitioner = Literal["murmur2_random", "murmur2", "consistent_random", "consistent"]


class KafkaSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How Kafka is reached."""

    bootstrap_servers: str = field(default="127.0.0.1:9092", name="kafka_bootstrap_servers")
    client: dict[str, str] = field(default_factory=dict, name="kafka")
    """More Kafka client settings by librdkafka's names; in the environment NOISEGATE_KAFKA_SECURITY_PROTOCOL=SSL."""
    partitioner: Partitioner = "murmur2_random"
    """How the producers of alerts.events choose a team's partition; Java's default is murmur2."""
    end_offsets: bool = field(default=True, name="broker_end_offsets")
    """Whether ListOffsets can be trusted for the log's end; it can't with the embedded broker."""


class TopicSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The topics' names."""

    events: str = field(default="alerts.events", name="events_topic")
    enriched: str = field(default="alerts.enriched", name="enriched_topic")
    outcomes: str = field(default="alerts.outcomes", name="outcomes_topic")
    decisions: str = field(default="alerts.decisions", name="decisions_topic")
    failed: str = field(default="alerts.failed", name="failed_topic")


class RedisSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How Redis is reached."""

    url: str = field(default="redis://127.0.0.1:6379/0", name="redis_url")
    """redis:// or rediss://, with user and password where Redis has ACLs."""
    timeout_seconds: Seconds = field(default=2.0, name="history_timeout_seconds")
    """Redis away for longer: alerts are published unscored until it is back."""


class ModelSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where models come from."""

    store: Annotated[str, Meta(min_length=1)] = field(default="~/.local/share/noisegate/models", name="model_store")
    """Versions and the pointers CHAMPION and CHALLENGER: a folder, or an URL that fsspec knows (s3://bucket/prefix).

    A folder that does not exist is an empty store: alerts are unscored until a model is promoted in it.
    """
    cache: Path = field(default=Path("~/.cache/noisegate/models"), name="model_cache")
    """Copies of versions on this machine; a worker starts with the last good one when the store fails."""
    keys: Path | None = field(default=None, name="model_keys")
    """A PEM file with Ed25519 public keys: only models signed by one of them are served or promoted."""
    poll_seconds: Seconds = field(default=5.0, name="model_poll_seconds")
    retrain_promotes: bool = False
    """`noisegate retrain` first promotes the present challenger, if its live comparison allows it."""
    challenger_seconds: Seconds = 0.5
    """A batch waits so long for the challenger once all else is done; one that takes longer is dropped."""


class LaneSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a room reads its topics."""

    start_from: Literal["earliest", "latest"] = "earliest"
    """Where a deployment begins that has neither history nor a committed offset."""
    batch_max_records: Count = 4_000
    batch_max_bytes: Count = 8 * 1024 * 1024
    batch_seconds: Seconds = 0.5
    """Batches are made smaller while one takes longer."""
    topic_check_seconds: Seconds = 3.0
    """How often a worker asks Kafka whether alerts.events still is the topic it was, and whether Kafka is there."""
    drain_seconds: Seconds = 20.0
    """At SIGTERM: what is begun is finished within this time."""
    stall_seconds: Seconds = 120.0
    """Records wait and none is worked on for this long: the process ends with status 70."""
    session_timeout_seconds: Seconds = 10.0
    heartbeat_seconds: Seconds = 3.0
    rebalance_timeout_seconds: Seconds = 30.0
    fetch_wait_seconds: Seconds = 0.5
    """How long a fetch may wait for records; the embedded broker waits needlessly, so little there."""


class ScorerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the scorer folds."""

    history_cache_levels: Count = 50_000
    """Level states a worker keeps in memory over all its partitions; what is in Redis is not bounded by it."""
    tick_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """How often time is moved in a quiet partition in which something is due; 0 = never, as in replays."""
    bad_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """More than this share of the last `bad_window` records bad: log and metric ring."""
    bad_window: Count = 1_000
    stop_on_bad: bool = False
    """Then end the process instead."""
    enriched_features: bool = False
    """Whether enriched records carry the features that the score was made of; they cost throughput."""


class MetricsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is shown of a process, and who asks."""

    host: str = field(default="127.0.0.1", name="metrics_host")
    port: Port = field(default=9_108, name="metrics_port")
    """/metrics, /livez and /readyz; 0 = none."""
    team_groups: Annotated[dict[Group, Patterns], Meta(max_length=limits.TEAM_GROUPS)] = {}
    """Teams that metrics show by name of a group: {money = ["payments", "pay-*"]}; who is in none is `other`."""
    series_keep_seconds: Seconds = 3_600.0
    """How long the series of a model stay on /metrics after it was last served or counted."""
    prometheus_url: str = "http://127.0.0.1:9090"
    """Where `noisegate report` and the closer ask; empty = nowhere, so that no rule acts."""
