"""What leaves: `Enriched` and `Outcome` records, and the reasons under which a record fails."""

from typing import Literal

import msgspec
from msgspec import Struct

from stream.core.events import At, Raised

Band = Literal["likely_noise", "unsure", "likely_actionable", "unscored"]
Evidence = Literal["strong", "some", "weak", "none"]
Reason = Literal["no_model", "model_failed", "history_unavailable"]
Flag = Literal["flood", "visibility_only", "late", "held_out", "challenger_failed", "simulated"]
OutcomeName = Literal["actionable", "noise", "unknown"]

FAILURES = {
    "too_large": "the record is over the size limit; its value is cut",
    "not_json": "the value is not JSON text in UTF-8",
    "unknown_type": "`type` is none of raised, acted, tick",
    "bad_field": "a field is missing, of the wrong type or over its limit",
    "nul": "a text holds the character NUL",
    "before_floor": "`at` lies before the year 2000",
    "beyond_skew": "`at` lies later than its Kafka record timestamp allows",
    "misrouted": "the record is in another partition than its team's",
    "unknown_alert": "the ledger holds no alert of the action's id: not raised so far, or raised too long ago",
    "refused_by_topic": "Kafka refused an output record, such as one over its topic's max.message.bytes",
}


class Challenge(Struct, frozen=True, gc=False):  # gc=False: it is part of no cycle, nor are the others
    """What the challenger said of the same alert, in shadow."""

    model: str
    probability: float


class Score(Struct, frozen=True, gc=False):
    """The probability that the owning team will act, and what it rests on."""

    probability: float | None
    band: Band
    model: str | None
    evidence: Evidence
    reason: Reason | None = None
    challenger: Challenge | None = None


class Why(Struct, frozen=True, gc=False):
    """History in words a person can check: acted on `acted` of the last `decided` like this."""

    decided: int
    acted: int
    last: list[int]  # newest first, 1 = acted on
    last_acted_at: At | None


class Whys(Struct, frozen=True, gc=False):
    """The history of the alert's team and rule, and of its team."""

    team_rule: Why
    team: Why


class Enriched(Struct, frozen=True, gc=False):
    """One alert, as raised, with its score."""

    alert: Raised
    score: Score
    why: Whys | None
    flags: list[Flag]
    scored_at: At
    offset: str  # topic/partition/offset of the raised record


class Outcome(Struct, frozen=True, gc=False):
    """What became of an alert, and what had been said of it."""

    alert_id: str
    team: str
    rule: str
    entity: str
    raised_at: At
    outcome: OutcomeName
    decided_at: At
    by: str
    problem: str
    model: str | None
    scores: dict[str, float]
    evidence: Evidence
    last_outcome: int | None
    flags: list[Flag]


encode_record = msgspec.json.Encoder().encode
decode_enriched = msgspec.json.Decoder(Enriched).decode
decode_outcome = msgspec.json.Decoder(Outcome).decode
