"""The topics: one table, from which Kafka's settings, the command line, doctor and the schemas are made."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from stream.core import limits
from stream.core.events import Acted, Raised, Tick
from stream.core.records import Decision, Enriched, Outcome

_MONTH_DAYS = 30.0
_ENVELOPE_BYTES = limits.KEY_BYTES + limits.RECORD_BYTES


class Topic(Struct, frozen=True):
    """One topic.

    Attributes:
        role: its name in code; the setting `<role>_topic` holds its name in Kafka.
        record: the type of its records; None for raw bytes.
        meaning: what it holds, in a few words.
        description: what a reader of its records has to know.
        retention_days: how long its records are kept; None: for ever.
        written_by: the rooms that write to it; `you` for other systems.
        read_by: the rooms that read it.
        message_bytes: the size of its largest record, key and Kafka's own bytes included.
    """

    role: str
    record: Any
    meaning: str
    description: str
    retention_days: float | None
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    message_bytes: int

    @property
    def setting(self) -> str:
        """The setting that holds its name."""
        return f"{self.role}_topic"

    @property
    def default_name(self) -> str:
        """Its name unless the setting says otherwise."""
        return f"alerts.{self.role}"


TOPICS: Mapping[str, Topic] = {
    topic.role: topic
    for topic in (
        Topic(
            role="events",
            record=Raised | Acted | Tick,
            meaning="alerts raised and acted on: the source of truth",
            description="What happened: one JSON object a record, keyed by team. Unknown fields are ignored, an "
            "optional one may be null, no text may hold NUL.",
            retention_days=None,
            written_by=("intake", "relay", "triage", "closer", "scorer", "you"),
            read_by=("scorer", "closer", "triage", "lab"),
            message_bytes=limits.EVENT_BYTES + _ENVELOPE_BYTES,
        ),
        Topic(
            role="enriched",
            record=Enriched,
            meaning="alerts with their scores",
            description="An alert with its score, keyed by team. It may come again: the first scored one stands.",
            retention_days=_MONTH_DAYS,
            written_by=("scorer",),
            read_by=("closer", "relay", "triage", "you"),
            message_bytes=limits.EVENT_BYTES + limits.SCORE_BYTES + _ENVELOPE_BYTES,
        ),
        Topic(
            role="outcomes",
            record=Outcome,
            meaning="what became of the alerts: labels and evidence",
            description="What became of an alert, keyed by team. A correction replaces what came before.",
            retention_days=None,
            written_by=("scorer",),
            read_by=("closer", "triage", "lab", "you"),
            message_bytes=limits.OUTCOME_BYTES + _ENVELOPE_BYTES,
        ),
        Topic(
            role="decisions",
            record=Decision,
            meaning="what rules did to alerts, or would have done",
            description="What a rule did to an alert, would have done, or was kept from doing, keyed by team.",
            retention_days=None,
            written_by=("closer",),
            read_by=("relay", "triage", "lab", "you"),
            message_bytes=limits.DECISION_BYTES + _ENVELOPE_BYTES,
        ),
        Topic(
            role="failed",
            record=None,
            meaning="records that could not be used, with the reason",
            description="The raw bytes of a record that could not be used, cut at a limit; the reason and where it "
            "came from stand in the headers.",
            retention_days=_MONTH_DAYS,  # a rebuild asks it what failed as misrouted
            written_by=("intake", "relay", "scorer", "closer", "triage"),
            read_by=("you",),
            message_bytes=limits.FAILED_VALUE_BYTES
            + limits.FAILED_HEADER_BYTES
            + limits.FAILED_KEY_BYTES
            + limits.RECORD_BYTES,
        ),
    )
}
