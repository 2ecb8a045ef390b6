"""The AsyncAPI 3.0 document of the topics, made from the table of topics and the schemas; `schemas/asyncapi.json`.

noisegate is the application: it receives what others write, and sends what others read.
"""

import json
from collections.abc import Mapping
from typing import Any

from stream.core.records import FAILURES
from stream.core.schemas import schemas
from stream.core.topics import TOPICS, Topic

_DAY_MS = 86_400_000
_TEAM_KEY = {"type": "string", "description": "The alert's team, in UTF-8"}
FAILED_HEADERS: Mapping[str, str] = {
    "reason": f"Why it could not be used: {', '.join(FAILURES)}, or a reason of the room that read it",
    "detail": "The same in words, at most 1,000 characters",
    "topic": "The topic that it came from, or what it was posted as",
    "partition": "Its partition there",
    "offset": "Its offset there; -1 for what never was in a topic",
    "length": "The length of its whole value in bytes",
    "sha256": "The SHA-256 of its whole value in hexadecimal",
    "room": "Which room could not use it; absent for the scorer",
    "key_length": "The length of its whole key, where the key is cut",
    "key_sha256": "The SHA-256 of its whole key, where the key is cut",
}
"""The headers of a record of `alerts.failed`, each a text in UTF-8, and what they hold."""


def make_asyncapi(version: str) -> dict[str, Any]:
    """The document for a version of noisegate."""
    documents = schemas()
    components: dict[str, Any] = {}
    messages: dict[str, Any] = {"Failed": _failed_message()}
    for topic in TOPICS.values():
        if topic.record is not None:
            parts = documents[topic.default_name]["$defs"]
            components |= {f"{topic.role}.{name}": _renamed(part, topic.role) for name, part in parts.items()}
            messages |= {name: _message(topic, name, parts[name]) for name in _names(topic)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "noisegate",
            "version": version,
            "description": "Scores operations alerts: the probability that the owning team will act on each one. "
            "Unknown fields are to be ignored. Delivery is at least once.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _SERVER},
        "channels": {topic.role: _channel(topic) for topic in TOPICS.values()},
        "operations": dict(_operation(*one) for one in _directions()),
        "components": {"messages": messages, "schemas": components},
    }


def asyncapi_text(version: str) -> str:
    """The text of the file `asyncapi.json`."""
    return json.dumps(make_asyncapi(version), indent=2, ensure_ascii=False) + "\n"


_SERVER = {
    "host": "{bootstrap_servers}",
    "protocol": "kafka",
    "description": "Your Kafka",
    "variables": {
        "bootstrap_servers": {
            "default": "127.0.0.1:9092",
            "description": "The setting kafka_bootstrap_servers: host:port of some brokers, separated by commas",
        }
    },
}


def _names(topic: Topic) -> list[str]:
    """The types of the topic's records; the channel's messages have their names."""
    if topic.record is None:
        return ["Failed"]
    return [one.__name__ for one in getattr(topic.record, "__args__", (topic.record,))]


def _channel(topic: Topic) -> dict[str, Any]:
    forever = topic.retention_days is None
    return {
        "address": topic.default_name,
        "title": topic.meaning,
        "description": f"{topic.description} The setting {topic.setting} holds its name.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {
            "kafka": {
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": -1 if topic.retention_days is None else round(topic.retention_days * _DAY_MS),
                    **({"retention.bytes": -1} if forever else {}),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _directions() -> list[tuple[str, Topic]]:
    """What noisegate does with each topic that others write or read."""
    received = [("receive", topic) for topic in TOPICS.values() if "you" in topic.written_by]
    return received + [("send", topic) for topic in TOPICS.values() if "you" in topic.read_by]


def _operation(action: str, topic: Topic) -> tuple[str, dict[str, Any]]:
    operation = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.role}"},
        "summary": topic.meaning,
        "messages": [{"$ref": f"#/channels/{topic.role}/messages/{name}"} for name in _names(topic)],
    }
    return f"{action}{topic.role.capitalize()}", operation


def _message(topic: Topic, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    keyless = name == "Tick"
    return {
        "name": name,
        "title": name,
        "summary": schema["description"],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{topic.role}.{name}"},
        "bindings": {"kafka": {**({} if keyless else {"key": _TEAM_KEY}), "bindingVersion": "0.5.0"}},
    }


def _failed_message() -> dict[str, Any]:
    return {
        "name": "Failed",
        "title": "Failed",
        "summary": "The raw bytes of a record that could not be used, cut at a limit.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in FAILED_HEADERS.items()},
            "required": ["reason", "detail", "topic", "partition", "offset", "length", "sha256"],
        },
    }


def _renamed(part: Any, role: str) -> Any:
    """A schema's part with its references to where AsyncAPI keeps schemas, by role: topics may differ in a type."""
    if isinstance(part, dict):
        return {
            key: f"#/components/schemas/{role}.{value.rpartition('/')[2]}" if key == "$ref" else _renamed(value, role)
            for key, value in part.items()
        }
    return [_renamed(one, role) for one in part] if isinstance(part, list) else part
