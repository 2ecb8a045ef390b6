"""What leaves: `Enriched`, `Outcome` and `Decision` records, and the reasons under which a record fails."""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from stream.core.events import At, Raised
from stream.core.kinds import Agent

Band = Literal["likely_noise", "unsure", "likely_actionable", "unscored"]
Evidence = Literal["strong", "some", "weak", "none"]
Reason = Literal["no_model", "model_failed", "history_unavailable"]
Flag = Literal[
    "flood",
    "visibility_only",
    "late",
    "held_out",
    "challenger_failed",
    "maintenance",
    "cut",
    "labels_cut",
    "simulated",
]
OutcomeName = Literal["actionable", "noise", "unknown"]
DecisionName = Literal["would_pause", "would_close", "pause", "close", "release", "hold_out", "blocked", "none"]
Level = Literal["team_rule", "team_rule_entity", "team_entity", "team"]
Mode = Literal["score", "shadow", "pause", "close"]
ProofState = Literal["proven", "failed", "inconclusive"]

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


class Like(Struct, frozen=True, gc=False):
    """The past alerts that the words count: `acted` of the last `decided` of one level."""

    level: Level
    decided: int
    acted: int


class Push(Struct, frozen=True, gc=False):
    """What moved the score most away from the rate in the words: a group of features, and by how many logits."""

    group: str
    by: float


class Whys(Struct, frozen=True, gc=False):
    """The history of the alert's team and rule, and of its team; what the words count, and why a score differs."""

    team_rule: Why
    team: Why
    like: Like | None = None
    push: Push | None = None


class Enriched(Struct, frozen=True, gc=False):
    """One alert, as raised, with its score."""

    alert: Raised
    score: Score
    why: Whys | None
    flags: list[Flag]
    scored_at: At
    offset: str  # topic/partition/offset of the raised record
    episode: str | None = None
    features: bytes | UnsetType | None = UNSET  # float32 in the model's order; base64 in JSON


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
    severity: str | None = None
    source: str | None = None
    labels: dict[str, str] = {}
    episode: str | None = None
    agent: Agent | None = None


class Proof(Struct, frozen=True, gc=False):
    """What a rule's proof rests on: observations, how many of them were acted on, and the bound of the risk."""

    observations: int
    acted: float
    bound: float | None
    limit: float
    state: ProofState


class Decision(Struct, frozen=True, gc=False, kw_only=True):
    """What a rule did to an alert, would have done, or was kept from doing, and why."""

    alert_id: str
    team: str
    rule: str
    entity: str
    episode: str | None
    raised_at: At
    decision: DecisionName
    by_rule: str | None
    rule_version: str | None
    mode: Mode | None
    probability: float | None
    model: str | None
    p_act: float
    until: At | None
    proof: Proof | None
    why: str
    decided_at: At


encode_record = msgspec.json.Encoder().encode
decode_enriched = msgspec.json.Decoder(Enriched).decode
decode_outcome = msgspec.json.Decoder(Outcome).decode
decode_decision = msgspec.json.Decoder(Decision).decode
