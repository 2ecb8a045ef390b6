"""The parts of the settings that concern what comes in, the page and rules: a part a room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from stream.config.servers import Count, Name, Port, Seconds
from stream.core import limits

HeaderNames = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=limits.FORWARDED_HEADERS)]
Addresses = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=limits.ALERTMANAGERS)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
VERDICT_KINDS: Mapping[Literal["acted", "dismissed"], str] = {"acted": "worked", "dismissed": "dismissed"}


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
    digest_at: Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?\Z")] = field(
        default="", name="closer_digest_at"
    )
    """When each owner's digest is posted to the webhooks among the targets, such as 07:00 (UTC); empty = never."""
    salt: str = field(default="", name="closer_salt")
    """Of the draws of hold-outs; empty = the deployment's name."""
    none_decisions: bool = field(default=False, name="closer_none_decisions")
    """Whether alerts that no rule matches are published as decided `none`; relays that set labels need it."""
    replay: bool = field(default=False, name="closer_replay")
    """Whether the log is a replay: rules decide about alerts of any age, and none acts."""


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
