"""The examples for Kafka Connect and Flink name topics, fields and values that there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from stream.core.schemas import schemas
from stream.core.topics import TOPICS
from tests.servers.kafka import ROOT

EXAMPLES = ROOT / "deploy" / "examples"
CONNECT = sorted((EXAMPLES / "connect").glob("*.json"))
FLINK = (EXAMPLES / "flink" / "noisegate.sql").read_text(encoding="utf-8")
POSTGRES = (EXAMPLES / "connect" / "postgres.sql").read_text(encoding="utf-8")
SIMPLE = {"STRING": {"string"}, "DOUBLE": {"number"}, "BIGINT": {"integer"}, "TIMESTAMP_LTZ(3)": {"date-time"}}
Node = dict[str, Any]


@pytest.mark.parametrize("path", CONNECT, ids=lambda path: path.name)
def test_a_connector_reads_our_topics_as_they_are(path: Any) -> None:
    """Each configuration is texts by key, names topics that there are, and reads committed records as text."""
    config = json.loads(path.read_text(encoding="utf-8"))
    assert all(isinstance(value, str) for value in config.values())
    assert set(config["topics"].split(",")) <= {topic.default_name for topic in TOPICS.values()}
    assert config["value.converter"] == "org.apache.kafka.connect.storage.StringConverter"
    assert config["consumer.override.isolation.level"] == "read_committed"
    for name in config.get("transforms", "").split():
        assert f"transforms.{name}.type" in config


def test_there_is_a_table_for_each_topic_of_the_sink() -> None:
    """Debezium writes a topic to the table of its name with underscores, and the wrapped text to a column there."""
    config = json.loads((EXAMPLES / "connect" / "postgres_sink.json").read_text(encoding="utf-8"))
    tables = set(re.findall(r"CREATE TABLE (\w+)", POSTGRES))
    assert {topic.replace(".", "_") for topic in config["topics"].split(",")} == tables
    assert f"{config['transforms.wrap.field']} jsonb NOT NULL" in POSTGRES


def types_of(node: Node, document: Node) -> list[Node]:
    """The schemas of a value, without null and with references followed."""
    if "$ref" in node:
        return types_of(document["$defs"][node["$ref"].rpartition("/")[2]], document)
    if "anyOf" in node:
        return [found for one in node["anyOf"] for found in types_of(one, document)]
    return [] if node.get("type") == "null" else [node]


def field(document: Node, *steps: str) -> Node:
    """The schema of a field; KeyError where there is none."""
    (node,) = types_of(document, document)
    for step in steps:
        (node,) = types_of(node["properties"][step], document)
    return node


def test_every_field_of_the_views_is_one() -> None:
    """Each path into `record` leads to a field of that topic's records; the words that are compared are values."""
    statements = [one for one in POSTGRES.split(";") if "FROM alerts_" in one or "CREATE INDEX" in one]
    assert len(statements) == 6
    for statement in statements:
        (table,) = set(re.findall(r"(?:FROM|ON) (alerts_\w+)", statement))
        document = schemas()[table.replace("_", ".")]
        paths = re.findall(r"record((?: ->>? '\w+')+)", statement)
        assert paths
        for path in paths:
            assert field(document, *re.findall(r"'(\w+)'", path)), path
    outcome = field(schemas()["alerts.outcomes"], "outcome")
    assert {"noise", "unknown"} <= set(outcome["enum"])


def split_top(text: str) -> Iterator[str]:
    """The parts of a list between commas that stand in no brackets."""
    depth, part = 0, ""
    for sign in text:
        depth += (sign in "<(") - (sign in ">)")
        if sign == "," and not depth:
            yield part.strip()
            part = ""
        else:
            part += sign
    yield part.strip()


def check_type(kind: str, node: Node, document: Node, where: str) -> None:
    """Assert that a Flink type takes what a schema allows."""
    kind = " ".join(kind.split())
    outer, _, inner = kind.partition("<")
    inner = inner.removesuffix(">").strip()
    for one in types_of(node, document):
        if outer == "ROW":
            check_columns(list(split_top(inner)), one, document, where)
        elif outer == "ARRAY":
            check_type(inner, one["items"], document, f"{where}[]")
        elif outer == "MAP":
            key, value = split_top(inner)
            assert key == "STRING"
            check_type(value, one["additionalProperties"], document, f"{where}.*")
        else:
            found = "string" if "enum" in one else one.get("format", one["type"])
            assert found in SIMPLE[kind] or (kind == "STRING" and one["type"] == "string"), f"{where}: {kind}"


def check_columns(columns: list[str], node: Node, document: Node, where: str) -> None:
    """Assert that each column is a field of the right type; metadata and watermarks are the table's own."""
    for column in columns:
        name, _, kind = column.partition(" ")
        if name != "WATERMARK" and " METADATA " not in kind:
            name = name.strip("`")
            check_type(kind, node["properties"][name], document, f"{where}.{name}")


def tables() -> dict[str, tuple[str, list[str]]]:
    """The tables of the Flink example: topic and columns by name."""
    found = re.findall(r"CREATE TABLE (\w+) \((.*?)\n\) WITH \((.*?)\);", FLINK, re.DOTALL)
    return {
        name: (re.findall(r"'topic' = '([^']+)'", options)[0], list(split_top(" ".join(columns.split()))))
        for name, columns, options in found
    }


@pytest.mark.parametrize("name", ["enriched", "outcomes", "decisions"])
def test_a_flink_table_has_the_fields_of_its_topic(name: str) -> None:
    """Every column, also nested, is a field of the topic's records, of a type that takes what stands there."""
    topic, columns = tables()[name]
    document = schemas()[topic]
    assert topic == f"alerts.{name}"
    assert len(columns) > 5
    check_columns(columns, field(document), document, "$")


def test_flink_reads_committed_records() -> None:
    """Java's clients do not by themselves."""
    assert FLINK.count("'properties.isolation.level' = 'read_committed'") == len(tables()) == 3


@pytest.mark.parametrize(
    ("column", "error"),
    [("nowhere STRING", KeyError), ("rule DOUBLE", AssertionError), ("flags ARRAY<DOUBLE>", AssertionError)],
)
def test_a_wrong_column_is_found(column: str, error: type[Exception]) -> None:
    """The check above sees a field that is none, another type, and another type within a list."""
    document = schemas()["alerts.outcomes"]
    with pytest.raises(error):
        check_columns([column], field(document), document, "$")
