"""One frozen `Settings` of parts, read once from the environment and an optional TOML file."""

import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import fields

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.problem import Problem, parse_problem
from stream.files import AnyPath

PREFIX = "NOISEGATE_"
_KAFKA = "NOISEGATE_KAFKA_"
OTHER_TEAMS = "other"
_SECRET = ("redis_url", "intake_alertmanagers", "relay_alertmanagers", "relay_upstream_headers")  # may hold a password
_INLINE = (  # in the environment inline TOML
    "team_groups",
    "quiet_receivers",
    "relay_upstream_headers",
    "triage_verdicts",
)
_LISTS = (  # in the environment separated by commas, or inline TOML
    "intake_alertmanagers",
    "relay_alertmanagers",
    "relay_forward_headers",
    "closer_rules",
    "severities",
    "triage_cors_origins",
    "triage_hosts",
    "triage_reasons",
    "triage_shift_ends",
)
_PACKAGE = Path(__file__).parent
EXAMPLE_PLACES = (_PACKAGE / "shipped" / "simulated.toml", _PACKAGE.parent / "deploy" / "problems" / "simulated.toml")

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]
Group = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", max_length=40)]
Patterns = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=limits.GROUP_PATTERNS)]
Addresses = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=limits.ALERTMANAGERS)]
HeaderNames = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=limits.FORWARDED_HEADERS)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
VERDICT_KINDS: Mapping[Literal["acted", "dismissed"], str] = {"acted": "worked", "dismissed": "dismissed"}
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


class SourceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How other systems' bodies are read, by the intake and the relay."""

    options: Path | None = field(default=None, name="sources")
    """A TOML file: how each source is read, over the defaults."""
    agents: Path | None = None
    """A TOML file: who did what a source tells of, a person or automation; over the shipped tables."""
    pseudonym_key: Path = Path("~/.local/share/noisegate/pseudonym.key")
    """The key of people's pseudonyms: one file for every intake and relay of a deployment; made where it is missing."""


class IntakeSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the intake listens, whom it believes, and what it takes at a time."""

    host: str = field(default="127.0.0.1", name="intake_host")
    port: Port = field(default=9_110, name="intake_port")
    """0 chooses a free one, which the log names."""
    auth: Path | None = field(default=None, name="intake_auth")
    """A TOML file with hashed tokens and signing secrets, a table a source."""
    tls_certificate: Path | None = field(default=None, name="intake_tls_certificate")
    """A PEM file; with it the intake speaks HTTPS only."""
    tls_key: Path | None = field(default=None, name="intake_tls_key")
    alertmanagers: list[Annotated[str, Meta(min_length=1)]] = field(default_factory=list, name="intake_alertmanagers")
    """URLs of the Alertmanagers whose silences and alerts are read back."""
    quiet_receivers: list[Annotated[str, Meta(min_length=1)]] = field(default_factory=list, name="quiet_receivers")
    """Alertmanager's receivers that show nobody anything: what only they get is `muted`."""
    watch_seconds: Seconds = field(default=15.0, name="intake_watch_seconds")
    """How often they are read."""
    body_bytes: Count = field(default=limits.BODY_BYTES, name="intake_body_bytes")
    """A larger body is refused, unpacked or not: 10,000 alerts take about 6 MB."""
    posts: Count = field(default=256, name="intake_posts")
    """Posts that are worked on at a time; one more is answered 503 and may be sent again."""
    waiting_bytes: Count = field(default=64 * 1024 * 1024, name="intake_waiting_bytes")
    """Bytes of all bodies that are worked on at a time, unpacked; beyond them a post is answered 503."""
    waiting_records: Count = field(default=20_000, name="intake_waiting_records")
    """Records that wait for Kafka's acknowledgement; beyond them a post is answered 503."""
    publish_seconds: Seconds = field(default=3.0, name="intake_publish_seconds")
    """A record that Kafka has not acknowledged for so long: 503. PagerDuty waits 5 s for its answer."""


class RelaySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the relay listens, the Alertmanagers behind it, and what it adds."""

    host: str = field(default="127.0.0.1", name="relay_host")
    port: Port = field(default=9_111, name="relay_port")
    """0 chooses a free one, which the log names."""
    path_prefix: str = field(default="", name="relay_path_prefix")
    """What stands before /api/v2/alerts, as `path_prefix` in prometheus.yml."""
    auth: Path | None = field(default=None, name="relay_auth")
    """A TOML file with hashes of bearer tokens and of passwords; without it everybody who reaches the port may post."""
    tls_certificate: Path | None = field(default=None, name="relay_tls_certificate")
    """A PEM file; with it the relay speaks HTTPS only."""
    tls_key: Path | None = field(default=None, name="relay_tls_key")
    alertmanagers: Addresses = field(default_factory=list, name="relay_alertmanagers")
    """Addresses of all Alertmanagers, with path prefix, and with user:password@ where they ask for it."""
    timeout_seconds: Seconds = field(default=10.0, name="relay_timeout_seconds")
    """How long an Alertmanager may take to answer."""
    upstream_token: Path | None = field(default=None, name="relay_upstream_token")
    """A file with the bearer token that the Alertmanagers ask for."""
    upstream_headers: dict[str, str] = field(default_factory=dict, name="relay_upstream_headers")
    """Headers that the Alertmanagers want, such as X-Scope-OrgID."""
    upstream_ca: Path | None = field(default=None, name="relay_upstream_ca")
    upstream_certificate: Path | None = field(default=None, name="relay_upstream_certificate")
    """A PEM file with the relay's own certificate, where the Alertmanagers ask for one."""
    upstream_key: Path | None = field(default=None, name="relay_upstream_key")
    tenant_header: str = field(default="X-Scope-OrgID", name="relay_tenant_header")
    """The header that names a sender's tenant: it goes on, also with posts of the relay's own; empty = none."""
    forward_headers: HeaderNames = field(
        default_factory=lambda: ["traceparent", "tracestate"], name="relay_forward_headers"
    )
    """More headers of a sender that go on with its post, and with no other."""
    resolve_minutes: Annotated[float, Meta(gt=0)] = field(default=5.0, name="relay_resolve_minutes")
    """An alert without endsAt has ended when it was not heard of for so long."""
    page_url: str = field(default="", name="relay_page_url")
    """The annotation noisegate_url, with {team} and {alert_id} to be filled in; empty = no such annotation."""
    labels: bool = field(default=False, name="relay_labels")
    """Whether decisions of rules set the label `noisegate`, by which Alertmanager can route."""
    wait_seconds: Annotated[float, Meta(gt=0, le=5)] = field(default=0.3, name="relay_wait_seconds")
    """With relay_labels: how long a new firing waits for its decision before it goes on."""


class CloserSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which rules there are, what they may do, and where it is done."""

    rules: list[Path] = field(default_factory=list, name="closer_rules")
    """Files of rules (TOML), and folders of such files."""
    targets: Path | None = field(default=None, name="closer_targets")
    """A TOML file of the systems that pause and close; without one decisions and events are all that is written."""
    oldest_seconds: Annotated[float, Meta(ge=1, le=3_600)] = field(default=300.0, name="closer_oldest_seconds")
    """An alert that was raised longer ago is decided on, and never acted on."""
    model_days: Annotated[float, Meta(gt=0)] = field(default=90.0, name="closer_model_days")
    """No rule acts by a model that was made longer ago."""
    salt: str = field(default="", name="closer_salt")
    """Of the draws of hold-outs; empty = the deployment's name."""
    none_decisions: bool = field(default=False, name="closer_none_decisions")
    """Whether alerts that no rule matches are published as decided `none`; relays that set labels need it."""


class TriageSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the page listens, who may use it, and what its buttons write."""

    host: str = field(default="127.0.0.1", name="triage_host")
    port: Port = field(default=9_113, name="triage_port")
    """0 chooses a free one, which the log names."""
    auth: Path | None = field(default=None, name="triage_auth")
    """A TOML file with people's tokens, roles and the proxy that signs them in; needed beyond loopback."""
    hosts: list[Name] = field(default_factory=list, name="triage_hosts")
    """More host names by which browsers reach a page on loopback."""
    hours: Annotated[float, Meta(gt=0, le=24 * 31)] = field(default=24.0, name="triage_hours")
    """What is read back at start."""
    verdicts: dict[Literal["acted", "dismissed"], Name] = field(
        default_factory=lambda: dict(VERDICT_KINDS), name="triage_verdicts"
    )
    """The kinds of action that the buttons write; the problem file must decide by them."""
    reasons: list[Name] = field(
        default_factory=lambda: ["fixed", "false alarm", "duplicate", "benign", "known"], name="triage_reasons"
    )
    """The reasons that a verdict can name."""
    reason_required: bool = field(default=False, name="triage_reason_required")
    undo_seconds: Annotated[float, Meta(ge=0, le=60)] = field(default=8.0, name="triage_undo_seconds")
    """How long a verdict can be undone before it is published."""
    shift_ends: Annotated[list[TimeOfDay], Meta(min_length=1, max_length=24)] = field(
        default_factory=lambda: ["08:00", "20:00"], name="triage_shift_ends"
    )
    """When shifts end, in `triage_time_zone`: what "snooze to the end of the shift" means."""
    time_zone: Name = field(default="UTC", name="triage_time_zone")
    cors_origins: list[Name] = field(default_factory=list, name="triage_cors_origins")
    """Origins whose pages may read /v1/scores, such as https://alerts.example.org."""
    notice: str = field(default="", name="triage_notice")
    """A sentence at the head of every page, such as that this is a test system."""


class GeneralSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What concerns every room."""

    deployment: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)] = "noisegate"
    """Names the consumer group and begins every Redis key."""
    problem: Path | None = None
    """The problem file: what is being predicted. There is no default: it is for who owns the alerts to say."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    severities: list[Name] = field(default_factory=lambda: ["info", "low", "warning", "medium", "high", "critical"])
    """The severities of alerts, from low to high."""


class Settings(GeneralSettings, frozen=True, kw_only=True):
    """Every setting, in parts, one an area.

    In the environment and in the TOML file a setting has a flat name: NOISEGATE_METRICS_PORT and `metrics_port` are
    `settings.metrics.port`.
    """

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    topics: TopicSettings = field(default_factory=TopicSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    lane: LaneSettings = field(default_factory=LaneSettings)
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    sources: SourceSettings = field(default_factory=SourceSettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    closer: CloserSettings = field(default_factory=CloserSettings)
    triage: TriageSettings = field(default_factory=TriageSettings)

    def load_problem(self) -> Problem:
        """The problem file, read and checked.

        Raises:
            SettingsError: none is named, or the file can't be read.
            ProblemError: it can't be used.
        """
        if self.problem is None:
            example = example_problem()
            raise SettingsError(
                "no problem file is set, so noisegate does not know what to predict",
                "set NOISEGATE_PROBLEM (or "
                "`problem` in the settings file) to one: the project's docs/PROBLEM.md explains how to write it"
                f"{f', and {example} is an example' if example else ''}",
            )
        return load_problem(self.problem)


PARTS: dict[str, type[Struct]] = {
    one.name: one.type for one in fields(Settings) if isinstance(one.type, type) and issubclass(one.type, Struct)
}


def setting_names() -> list[str]:
    """The flat name of every setting, as in the settings file."""
    return list(_kinds())


def make_settings(**values: Any) -> Settings:
    """Settings from values by their flat names; all others have their defaults.

    Raises:
        SettingsError: naming key and value.
    """
    return _convert(values, "arguments")


def setting_values(settings: Settings) -> dict[str, Any]:
    """Every setting's value by its flat name, in the order of the parts."""
    values = {one.encode_name: getattr(settings, one.name) for one in fields(GeneralSettings)}
    for name, kind in PARTS.items():
        values |= {one.encode_name: getattr(getattr(settings, name), one.name) for one in fields(kind)}
    return values


def change_settings(settings: Settings, **values: Any) -> Settings:
    """The settings with other values by their flat names; errors as `make_settings`."""
    return _convert({**setting_values(settings), **values}, "arguments")


def example_problem() -> Path | None:
    """The simulated organisation's problem file: in a wheel it is in the package, in a clone beside it."""
    return next((place for place in EXAMPLE_PLACES if place.is_file()), None)


def zone_of(name: str) -> tzinfo:
    """A time zone by its name; UTC is known on machines without a table of zones, too.

    Raises:
        KeyError, ValueError, OSError: there is none of that name.
    """
    return UTC if name == "UTC" else ZoneInfo(name)


def load_problem(path: AnyPath) -> Problem:
    """Read and check a problem file."""
    path = Path(path)
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except RuntimeError:
        raise SettingsError(f"problem = {str(path)!r} can't be read: this user has no home folder") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"problem = {str(path)!r} can't be read: {reason}", "name a problem file") from None
    return parse_problem(text, str(path))


def load_settings(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Settings from a TOML file (`file`, or what NOISEGATE_SETTINGS names) and, over it, the environment.

    Raises:
        SettingsError: naming key and value.
    """
    values, _, source = _gather(environment, file)
    return _convert(values, source)


def setting_origins(environment: Mapping[str, str] | None = None, file: Path | None = None) -> dict[str, str]:
    """Where each setting that is set comes from: a variable's name or the file's path, by the setting's flat name.

    A setting that is missing has its default. Kafka client settings are `kafka.NAME`. Errors as `load_settings`.
    """
    return _gather(environment, file)[1]


def _gather(environment: Mapping[str, str] | None, file: Path | None) -> tuple[dict[str, Any], dict[str, str], str]:
    """The values by flat name, where each comes from, and the place that an error names."""
    env = os.environ if environment is None else environment
    path = file or (Path(env["NOISEGATE_SETTINGS"]) if env.get("NOISEGATE_SETTINGS") else None)
    values: dict[str, Any] = _read(path) if path else {}
    client = values.pop("kafka", {})
    if not isinstance(client, dict):
        raise SettingsError(
            f"kafka = {client!r} ({path}) is not a table", "write it as [kafka] with one line a setting"
        )
    kafka = {str(key): str(value) for key, value in client.items()}
    origins = dict.fromkeys([*values, *(f"kafka.{key}" for key in kafka)], str(path))
    known = set(setting_names())
    for key, value in env.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or key == "NOISEGATE_SETTINGS":
            continue
        if name in _INLINE:
            values[name] = _inline(value)
        elif name in _LISTS:
            values[name] = _inline(value) if value.lstrip().startswith("[") else _listed(value)
        elif name in known and name != "kafka":
            values[name] = value
        elif key.startswith(_KAFKA):
            setting = key.removeprefix(_KAFKA).lower().replace("_", ".")
            kafka[setting], name = value, f"kafka.{setting}"
        else:
            raise SettingsError(f"{key} is set, but noisegate has no such setting", "see README, Settings")
        origins[name] = key
    return {**values, "kafka": kafka}, origins, str(path) if path else "the environment"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {str(path)!r} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {str(path)!r} is not TOML: {error}") from None


def _kinds() -> dict[str, type[Struct]]:
    """The part that each setting is in, by its flat name."""
    kinds: tuple[type[Struct], ...] = (GeneralSettings, *PARTS.values())
    return {one.encode_name: kind for kind in kinds for one in fields(kind)}


def _convert(values: dict[str, Any], source: str) -> Settings:
    kinds = _kinds()
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, kinds.get(name, GeneralSettings), strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            shown = "***" if name in _SECRET else repr(value)
            raise SettingsError(f"{name} = {shown} ({source}): {error}") from None
    nested = {name: _own(kind, values) for name, kind in PARTS.items()}
    settings = msgspec.convert({**_own(GeneralSettings, values), **nested}, Settings, strict=False, dec_hook=_path)
    if not settings.redis.url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError("redis_url must begin with redis://, rediss:// or unix://")
    _check_triage(settings.triage)
    if OTHER_TEAMS in settings.metrics.team_groups:
        raise SettingsError(
            f"team_groups names a group {OTHER_TEAMS!r}, which is reserved for teams in no group", "rename it"
        )
    return settings


def _check_triage(triage: TriageSettings) -> None:
    missing = sorted(set(VERDICT_KINDS) - set(triage.verdicts))
    if missing:
        raise SettingsError(f"triage_verdicts = {triage.verdicts!r} lacks {missing[0]!r}", "name a kind for it")
    try:
        zone_of(triage.time_zone)
    except (KeyError, ValueError, OSError):
        raise SettingsError(
            f"triage_time_zone = {triage.time_zone!r} is no time zone", "write it as Europe/Berlin"
        ) from None


def _own(kind: type[Struct], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are settings of one part."""
    names = {one.encode_name for one in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",") if one.strip()]


def _inline(value: str) -> Any:
    """The value of an inline TOML table; what is none is left for the check of its type to refuse."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path) and value:
        return Path(value)
    raise ValueError("it must be a path")
