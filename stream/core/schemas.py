"""JSON Schemas (2020-12) of what stands on the topics, made from the types; shipped in `schemas/`.

After a change of the types write them again with `noisegate schema --out schemas`; a test compares. `asyncapi.py`
makes the AsyncAPI document of them, and `compatibility.py` compares them with those of another version.
"""

import json
from typing import Any

import msgspec

from stream.core.events import Acted, Raised, Tick
from stream.core.records import Challenge, Decision, Enriched, Like, Outcome, Proof, Push, Score, Why, Whys
from stream.core.topics import TOPICS, Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXTS: dict[type, dict[str, str]] = {
    Raised: {
        "type": "What happened",
        "at": "When it was raised: RFC 3339, event time",
        "alert_id": "Names one firing; the same id again is a repetition",
        "team": "The owner when raised, and the record's key",
        "rule": "The alerting rule that fired",
        "entity": "What it fired for: a host, a service, a queue",
        "severity": "In the source's own words",
        "source": "The system that raised it",
        "title": "For people to read",
        "labels": "Whatever else is known; the problem file may name some for history",
        "cut": "Whether a text for people was cut, or labels were left out, as they were over a limit",
    },
    Acted: {
        "type": "What happened",
        "at": "When it was done: RFC 3339, event time",
        "alert_id": "The alert acted on",
        "team": "The alert's owner when it was raised, and the record's key",
        "action_id": "Names one action of the alert; the same id again is a repetition",
        "kind": "What was done, such as worked, escalated, dismissed; the problem file says which kinds decide",
        "actor": "A pseudonym of who did it",
        "agent": "Whether a person or automation did it: a bot, a policy, a monitor; null where nobody says",
        "reason": "Why, in words",
        "until": "When a snooze ends: RFC 3339",
    },
    Tick: {"type": "What happened", "at": "The time that has come: RFC 3339"},
    Enriched: {
        "alert": "As raised",
        "score": "What is said of it",
        "why": "The history behind it; null while history can't be reached, and where the record is a repetition",
        "flags": "What is special about it",
        "scored_at": "Wall-clock time of scoring",
        "offset": "topic/partition/offset of the raised record",
        "episode": "Names its episode: close firings of one team, rule and entity; null while history is away",
        "features": "What the model read: float32, little-endian, in the order of its manifest; by setting",
    },
    Score: {
        "probability": "That the owning team will act, from 0 to 1; null where there is none, see reason",
        "band": "The probability in words",
        "model": "The version that scored",
        "evidence": "How much history it rests on; none: people are shown `not enough history`",
        "reason": "Why there is no probability",
        "challenger": "What the next model would have said",
    },
    Challenge: {"model": "The challenger's version", "probability": "Its probability, from 0 to 1"},
    Whys: {
        "team_rule": "Of the alert's team and rule",
        "team": "Of all the team's rules",
        "like": "The past alerts that words for people count; null where too few are known, and without a score",
        "push": "What moved the score most away from the rate in the words; null unless they lie over 25 points apart",
    },
    Like: {
        "level": "What the past alerts have in common with this one",
        "decided": "How many of the last outcomes are counted",
        "acted": "Those acted on",
    },
    Push: {
        "group": "The features that moved it: entity, rule, team, recent, repeat, pause, load, hour, weekday, "
        "severity, source or label.NAME",
        "by": "By how many logits; below zero it made action less probable",
    },
    Why: {
        "decided": "Outcomes known",
        "acted": "Those acted on",
        "last": "The last of them, newest first: 1 acted on, 0 not; at most eight",
        "last_acted_at": "When one was acted on last",
    },
    Outcome: {
        "alert_id": "The alert",
        "team": "Its owner when raised",
        "rule": "Its rule",
        "entity": "Its entity",
        "raised_at": "When it was raised",
        "outcome": "actionable, noise, or unknown: nobody can say",
        "decided_at": "When the outcome became known, in event time",
        "by": "The deciding action's kind, or expiry, maintenance or correction",
        "problem": "Name and digest of the problem file that decided",
        "model": "The version that had scored it",
        "scores": "Probability by model version, as kept with the history",
        "evidence": "As it was when scored",
        "last_outcome": "The last outcome of its team and rule when raised: 1 acted on, 0 not, null for none",
        "flags": "What is special about it",
        "severity": "As raised",
        "source": "As raised",
        "labels": "As raised; flagged `labels_cut` where some are left out",
        "episode": "As in its enriched record",
        "agent": "Who did the deciding action: person or automation; null where nobody did, or nobody says",
    },
    Proof: {
        "observations": "Hours of a team in which the rule matched and that count",
        "acted": "The sum of their shares acted on",
        "bound": "The upper bound of the risk",
        "limit": "The rule's limit on risk",
        "state": "Whether the rule is proven to keep the limit",
    },
    Decision: {
        "alert_id": "The alert",
        "team": "Its owner when raised",
        "rule": "Its rule",
        "entity": "Its entity",
        "episode": "As in its enriched record",
        "raised_at": "When it was raised",
        "decision": "What was decided; none: no rule matches",
        "by_rule": "The rule's name",
        "rule_version": "A hash of what the rule matches and risks",
        "mode": "How far the rule may go",
        "probability": "The score that it was decided by",
        "model": "The version that scored",
        "p_act": "The chance that something was done to the alert: 0 in shadow, else 1 minus the hold-out's share",
        "until": "When a pause or closure ends by itself",
        "proof": "What the rule's proof stood at",
        "why": "The decision in words",
        "decided_at": "When, by the broker's clock",
    },
}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each topic's records, by the topic's default name; of topics whose records are JSON."""
    return {topic.default_name: _schema(topic) for topic in TOPICS.values() if topic.record is not None}


def _schema(topic: Topic) -> dict[str, Any]:
    (schema,), parts = msgspec.json.schema_components([topic.record], ref_template="#/$defs/{name}")
    for struct, texts in TEXTS.items():
        for name, field in parts.get(struct.__name__, {}).get("properties", {}).items():
            field["description"] = texts[name]
    if topic.role == "events":
        _allow_null(parts["Raised"]["properties"], "labels")  # as any other optional field; the decoder makes it {}
    name = topic.default_name
    head = {"$schema": DIALECT, "$id": f"urn:noisegate:{name}", "title": name, "description": topic.description}
    return {**head, **schema, "$defs": dict(sorted(parts.items()))}


def _allow_null(properties: dict[str, Any], name: str) -> None:
    field = properties[name]
    annotations = {key: field.pop(key) for key in ("description", "default")}
    properties[name] = {"anyOf": [field, {"type": "null"}], **annotations}


def schema_files() -> dict[str, str]:
    """The text of each schema file by its name."""
    return {
        f"{topic}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for topic, schema in schemas().items()
    }
