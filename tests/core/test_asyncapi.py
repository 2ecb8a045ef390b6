"""The AsyncAPI document is whole: every reference leads somewhere, and it says what topics and schemas say."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from stream import __version__
from stream.core.asyncapi import FAILED_HEADERS, asyncapi_text, make_asyncapi
from stream.core.errors import BadRecord
from stream.core.schemas import schemas
from stream.core.topics import TOPICS
from stream.kafka.failed import failed_output
from stream.kafka.records import Part
from tests.core.test_events import ACTED, RAISED
from tests.servers.kafka import ROOT

DOCUMENT = make_asyncapi("1.2.3")


def references(node: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    """What a reference within the document leads to."""
    node = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_the_shipped_file_is_that_of_the_code() -> None:
    """`noisegate schema --out schemas` would change nothing."""
    assert (ROOT / "schemas" / "asyncapi.json").read_text(encoding="utf-8") == asyncapi_text(__version__)


def test_every_reference_leads_somewhere() -> None:
    """From operations to channels and messages, from there to schemas, and within those."""
    found = set(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        assert resolve(reference), reference
    used = {one.rpartition("/")[2] for one in found if one.startswith("#/components/schemas/")}
    assert used == set(DOCUMENT["components"]["schemas"])


def test_it_has_the_form_of_version_3() -> None:
    """The parts that the specification demands, with its words for directions; ids of the allowed characters."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert {"host", "protocol"} <= set(DOCUMENT["servers"]["kafka"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert all(one["$ref"].startswith(f"{channel}/messages/") for one in operation["messages"])
    for name in DOCUMENT["components"]["schemas"]:
        assert name.replace(".", "").isalnum()


@pytest.mark.parametrize("role", TOPICS)
def test_a_channel_is_its_topic(role: str) -> None:
    """Name, retention and who may write or read it."""
    topic, channel = TOPICS[role], DOCUMENT["channels"][role]
    kept = channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"]
    assert (channel["address"], kept) == (
        topic.default_name,
        -1 if topic.retention_days is None else topic.retention_days * 86_400_000,
    )
    actions = {one["action"] for one in DOCUMENT["operations"].values() if one["channel"]["$ref"].endswith(f"/{role}")}
    wanted = {"receive"} if "you" in topic.written_by else set()
    assert actions == wanted | ({"send"} if "you" in topic.read_by else set())


@pytest.mark.parametrize(("example", "name"), [(RAISED, "Raised"), (ACTED, "Acted")])
def test_payloads_are_the_schemas(example: dict[str, Any], name: str) -> None:
    """An event passes by its message's payload, resolved within the document, and a wrong one does not."""
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    validator = Draft7Validator({**payload, "components": DOCUMENT["components"]})
    assert validator.is_valid(example)
    assert not validator.is_valid({**example, "team": ""})
    parts = schemas()["alerts.events"]["$defs"]
    assert json.loads(json.dumps(resolve(payload["$ref"]))) == parts[name]


def test_failed_headers_are_those_that_are_written() -> None:
    """Every header of a failed record is described, and those that each has are required."""
    schema = DOCUMENT["components"]["messages"]["Failed"]["headers"]
    least = failed_output("f", Part("t", 0), 1, b"k", b"v", BadRecord("nul", "?"))
    most = failed_output("f", Part("t", 0), 1, b"k" * 5_000, b"v", BadRecord("nul", "?"), "intake")
    assert {name for name, _ in least.headers or ()} == set(schema["required"])
    assert {name for name, _ in most.headers or ()} == set(schema["properties"]) == set(FAILED_HEADERS)
