"""One frozen `Settings`, read once from the environment and an optional TOML file; parts of it are passed down."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.problem import Problem, parse_problem

PREFIX = "NOISEGATE_"
_KAFKA = "NOISEGATE_KAFKA_"
OTHER_TEAMS = "other"
_PACKAGE = Path(__file__).parent
EXAMPLE_PLACES = (_PACKAGE / "shipped" / "simulated.toml", _PACKAGE.parent / "deploy" / "problems" / "simulated.toml")

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]
Group = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", max_length=40)]
Patterns = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=limits.GROUP_PATTERNS)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Partitioner = Literal["murmur2_random", "murmur2", "consistent_random", "consistent"]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting. In the environment: NOISEGATE_ and the name in capitals; in the TOML file: the name."""

    deployment: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)] = "noisegate"
    """Names the consumer group and begins every Redis key."""
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka: dict[str, str] = {}
    """More Kafka client settings by librdkafka's names; in the environment NOISEGATE_KAFKA_SECURITY_PROTOCOL=SSL."""
    partitioner: Partitioner = "murmur2_random"
    """How the producers of alerts.events choose a team's partition; Java's default is murmur2."""
    events_topic: str = "alerts.events"
    enriched_topic: str = "alerts.enriched"
    outcomes_topic: str = "alerts.outcomes"
    failed_topic: str = "alerts.failed"
    problem: Path | None = None
    """The problem file: what is being predicted. There is no default: it is for who owns the alerts to say."""

    agents: Path | None = None
    """A TOML file over the shipped table of who did it, by source; deploy/agents.toml shows it."""
    pseudonym_key: Path = Path("~/.local/share/noisegate/pseudonym.key")
    """The key of people's pseudonyms, made where it is missing; all intakes and relays need the same."""

    redis_url: str = "redis://127.0.0.1:6379/0"
    """redis:// or rediss://, with user and password where Redis has ACLs."""
    history_timeout_seconds: Seconds = 2.0
    """Redis away for longer: alerts are published unscored until it is back."""
    history_cache_levels: Count = 50_000
    """Level states a worker keeps in memory over all its partitions; what is in Redis is not bounded by it."""

    model_store: Annotated[str, Meta(min_length=1)] = "~/.local/share/noisegate/models"
    """Versions and the pointers CHAMPION and CHALLENGER: a folder, or an URL that fsspec knows (s3://bucket/prefix).

    A folder that does not exist is an empty store: alerts are unscored until a model is promoted in it.
    """
    model_cache: Path = Path("~/.cache/noisegate/models")
    """Copies of versions on this machine; a worker starts with the last good one when the store fails."""
    model_keys: Path | None = None
    """A PEM file with Ed25519 public keys: only models signed by one of them are served or promoted."""
    model_poll_seconds: Seconds = 5.0
    retrain_promotes: bool = False
    """`noisegate retrain` promotes the present challenger first, where its evidence from serving allows it."""
    challenger_seconds: Seconds = 0.5
    """A batch waits so long for the challenger once all else is done; one that takes longer is dropped."""

    start_from: Literal["earliest", "latest"] = "earliest"
    """Where a deployment begins that has neither history nor a committed offset."""
    tick_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """How often time is moved in a quiet partition in which something is due; 0 = never, as in replays."""

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
    bad_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """More than this share of the last `bad_window` records bad: log and metric ring."""
    bad_window: Count = 1_000
    stop_on_bad: bool = False
    """Then end the process instead."""

    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 9_108
    """/metrics, /livez and /readyz; 0 = none."""
    team_groups: Annotated[dict[Group, Patterns], Meta(max_length=limits.TEAM_GROUPS)] = {}
    """Teams that metrics show by name of a group: {money = ["payments", "pay-*"]}; who is in none is `other`."""
    series_keep_seconds: Seconds = 3_600.0
    """How long the series of a model stay on /metrics after it was last served or counted."""
    prometheus_url: str = "http://127.0.0.1:9090"
    """Where `noisegate report` asks."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    session_timeout_seconds: Seconds = 10.0
    heartbeat_seconds: Seconds = 3.0
    rebalance_timeout_seconds: Seconds = 30.0
    fetch_wait_seconds: Seconds = 0.5
    """How long a fetch may wait for records; the embedded broker waits needlessly, so little there."""
    broker_end_offsets: bool = True
    """Whether ListOffsets can be trusted for the log's end; it can't with the embedded broker."""

    def load_problem(self) -> Problem:
        """The problem file, read and checked.

        Raises:
            SettingsError: none is named, or the file can't be read.
            ProblemError: it can't be used.
        """
        if self.problem is None:
            example = example_problem()
            raise SettingsError(
                "no problem file is named, so nothing says what is being predicted; set NOISEGATE_PROBLEM (or "
                "`problem` in the settings file) to one: docs/PROBLEM.md of the project says how it is written"
                f"{f', and {example} is an example' if example else ''}"
            )
        return load_problem(self.problem)


def example_problem() -> Path | None:
    """The simulated organisation's problem file: in a wheel it is in the package, in a clone beside it."""
    return next((place for place in EXAMPLE_PLACES if place.is_file()), None)


def load_problem(path: Path) -> Problem:
    """Read and check a problem file."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except RuntimeError:
        raise SettingsError(f"problem = {str(path)!r} can't be read: this user has no home folder") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"problem = {str(path)!r} can't be read: {reason}; name a problem file") from None
    return parse_problem(text, str(path))


def load_settings(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Settings from a TOML file (`file`, or what NOISEGATE_SETTINGS names) and, over it, the environment.

    Raises:
        SettingsError: naming key and value.
    """
    env = os.environ if environment is None else environment
    path = file or (Path(env["NOISEGATE_SETTINGS"]) if env.get("NOISEGATE_SETTINGS") else None)
    values: dict[str, Any] = _read(path) if path else {}
    kafka = {str(key): str(value) for key, value in values.pop("kafka", {}).items()}
    known = {field.name for field in msgspec.structs.fields(Settings)}
    for key, value in env.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or key == "NOISEGATE_SETTINGS":
            continue
        if name == "team_groups":
            values[name] = _inline(value)
        elif name in known and name != "kafka":
            values[name] = value
        elif key.startswith(_KAFKA):
            kafka[key.removeprefix(_KAFKA).lower().replace("_", ".")] = value
        else:
            raise SettingsError(f"{key} is set, but noisegate has no such setting; see README, Settings")
    return _convert({**values, "kafka": kafka}, str(path) if path else "the environment")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {str(path)!r} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {str(path)!r} is not TOML: {error}") from None


def _convert(values: dict[str, Any], source: str) -> Settings:
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            shown = "***" if name == "redis_url" else repr(value)
            raise SettingsError(f"{name} = {shown} ({source}): {error}") from None
    settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    if not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("redis_url must begin with redis://, rediss:// or unix://")
    if OTHER_TEAMS in settings.team_groups:
        raise SettingsError(f"team_groups names a group {OTHER_TEAMS!r}, which is who is in no group; rename it")
    return settings


def _inline(value: str) -> Any:
    """The value of an inline TOML table; what is none is left for the check of its type to refuse."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("it must be a path")
