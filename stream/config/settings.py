"""All settings together, and the problem file that they name."""

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field
from msgspec.structs import fields

from stream.config.rooms import CloserSettings, IntakeSettings, RelaySettings, SourceSettings, TriageSettings
from stream.config.servers import (
    KafkaSettings,
    LaneSettings,
    MetricsSettings,
    ModelSettings,
    Name,
    RedisSettings,
    ScorerSettings,
    TopicSettings,
)
from stream.core.errors import SettingsError
from stream.core.problem import Problem, parse_problem
from stream.files import AnyPath

_PACKAGE = Path(__file__).parents[1]
EXAMPLE_PLACES = (_PACKAGE / "shipped" / "simulated.toml", _PACKAGE.parent / "deploy" / "problems" / "simulated.toml")


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
