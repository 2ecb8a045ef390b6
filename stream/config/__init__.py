"""One frozen `Settings` of parts, read once from the environment and an optional TOML file.

servers        how Kafka, Redis and the model store are reached; the lane, the scorer and metrics
rooms          intake, relay, closer and page
settings       all parts together, and the problem file
load           from the environment and a file
"""

from stream.config.load import (
    OTHER_TEAMS,
    change_settings,
    load_settings,
    make_settings,
    setting_names,
    setting_origins,
    setting_values,
)
from stream.config.rooms import CloserSettings, IntakeSettings, RelaySettings, TriageSettings
from stream.config.servers import ModelSettings, Partitioner
from stream.config.settings import Settings, example_problem, load_problem, zone_of

__all__ = [
    "OTHER_TEAMS",
    "CloserSettings",
    "IntakeSettings",
    "ModelSettings",
    "Partitioner",
    "RelaySettings",
    "Settings",
    "TriageSettings",
    "change_settings",
    "example_problem",
    "load_problem",
    "load_settings",
    "make_settings",
    "setting_names",
    "setting_origins",
    "setting_values",
    "zone_of",
]
