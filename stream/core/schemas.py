"""JSON Schemas (2020-12) of what stands on the topics, made from the types; shipped in `schemas/`.

After a change of the types write them again, a test compares: `python -m stream.core.schemas schemas`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from stream.core.events import Acted, Raised, Tick
from stream.core.records import Challenge, Enriched, Outcome, Score, Why, Whys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TOPICS: dict[str, tuple[Any, str]] = {
    "alerts.events": (
        Raised | Acted | Tick,
        "What happened: one JSON object a record, keyed by team. Unknown fields are ignored, an optional one may be "
        "null, no text may hold NUL.",
    ),
    "alerts.enriched": (
        Enriched,
        "An alert with its score, keyed by team. It may come again: the first scored one stands.",
    ),
    "alerts.outcomes": (Outcome, "What became of an alert, keyed by team. A correction replaces what came before."),
}
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
    },
    Acted: {
        "type": "What happened",
        "at": "When it was done: RFC 3339, event time",
        "alert_id": "The alert acted on",
        "team": "The alert's owner when it was raised, and the record's key",
        "action_id": "Names one action of the alert; the same id again is a repetition",
        "kind": "What was done, such as worked, escalated, dismissed; the problem file says which kinds decide",
        "actor": "A pseudonym of who did it",
    },
    Tick: {"type": "What happened", "at": "The time that has come: RFC 3339"},
    Enriched: {
        "alert": "As raised",
        "score": "What is said of it",
        "why": "The history behind it; null while history can't be reached, and where the record is a repetition",
        "flags": "What is special about it",
        "scored_at": "Wall-clock time of scoring",
        "offset": "topic/partition/offset of the raised record",
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
    Whys: {"team_rule": "Of the alert's team and rule", "team": "Of all the team's rules"},
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
        "by": "The deciding action's kind, or expiry, or correction",
        "problem": "Name and digest of the problem file that decided",
        "model": "The version that had scored it",
        "scores": "Probability by model version, as kept with the history",
        "evidence": "As it was when scored",
        "last_outcome": "The last outcome of its team and rule when raised: 1 acted on, 0 not, null for none",
        "flags": "What is special about it",
    },
}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each topic's records, by topic."""
    return {topic: _schema(topic, *described) for topic, described in TOPICS.items()}


def _schema(topic: str, of: Any, description: str) -> dict[str, Any]:
    (schema,), parts = msgspec.json.schema_components([of], ref_template="#/$defs/{name}")
    for struct, texts in TEXTS.items():
        for name, field in parts.get(struct.__name__, {}).get("properties", {}).items():
            field["description"] = texts[name]
    if topic == "alerts.events":
        _allow_null(parts["Raised"]["properties"], "labels")  # as any other optional field; the decoder makes it {}
    head = {"$schema": DIALECT, "$id": f"urn:noisegate:{topic}", "title": topic, "description": description}
    return {**head, **schema, "$defs": dict(sorted(parts.items()))}


def _allow_null(properties: dict[str, Any], name: str) -> None:
    field = properties[name]
    told = {key: field.pop(key) for key in ("description", "default")}
    properties[name] = {"anyOf": [field, {"type": "null"}], **told}


def write(folder: Path) -> None:
    """Write one file a topic."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{topic}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
