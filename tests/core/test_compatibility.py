"""Every kind of change is found where it is, and breaks those whom it breaks; the present schemas keep the promise."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stream.core.compatibility import EFFECTS, Change, Kind, compare_schemas
from stream.core.schemas import schemas
from tests.core.logs import LAW
from tests.servers.kafka import ROOT

Node = dict[str, Any]
BREAKS: dict[str, str] = {}  # topic and path of a deliberate break since the last release: what programs have to do
READ, WRITTEN = "alerts.outcomes", "alerts.events"  # a topic that others only read, and one that they only write


def releases() -> list[Path]:
    """The folders of released schemas, oldest first."""
    folders = [path for path in (ROOT / "schemas" / "released").iterdir() if path.is_dir()]
    return sorted(folders, key=lambda path: [int(part) for part in path.name.split(".")])


def document(**properties: Node) -> Node:
    """A schema of one record type, of which no field is required."""
    return {"$ref": "#/$defs/R", "$defs": {"R": {"title": "R", "type": "object", "properties": properties}}}


def required(schema: Node, *names: str) -> Node:
    """The same with required fields."""
    changed = copy.deepcopy(schema)
    changed["$defs"]["R"]["required"] = list(names)
    return changed


def union(*tags: str) -> Node:
    """A schema of records told apart by a field `type`."""
    parts = {tag: {"type": "object", "properties": {"type": {"enum": [tag]}}} for tag in tags}
    return {"anyOf": [{"$ref": f"#/$defs/{tag}"} for tag in tags], "$defs": parts}


def allow_null(*others: Node) -> Node:
    """One of these, or null."""
    return {"anyOf": [*others, {"type": "null"}]}


TEXT: Node = {"type": "string"}
CASES: list[tuple[str, Node, Node, Kind, str]] = [
    ("record", union("a"), union("a", "b"), "record_added", "$"),
    ("record gone", union("a", "b"), union("a"), "record_removed", "$"),
    ("field", document(), document(x=TEXT), "field_added", "$.x"),
    ("required field", document(), required(document(x=TEXT), "x"), "required_field_added", "$.x"),
    ("field gone", document(x=TEXT), document(), "field_removed", "$.x"),
    ("optional", required(document(x=TEXT), "x"), document(x=TEXT), "field_made_optional", "$.x"),
    ("required", document(x=TEXT), required(document(x=TEXT), "x"), "field_made_required", "$.x"),
    ("null", document(x=TEXT), document(x=allow_null(TEXT)), "null_added", "$.x"),
    ("no null", document(x=allow_null(TEXT)), document(x=TEXT), "null_removed", "$.x"),
    ("wider number", document(x={"type": "integer"}), document(x={"type": "number"}), "type_added", "$.x"),
    ("value", document(x={"enum": ["a"]}), document(x={"enum": ["a", "b"]}), "value_added", "$.x"),
    ("value gone", document(x={"enum": ["a", "b"]}), document(x={"enum": ["a"]}), "value_removed", "$.x"),
    ("values open", document(x={"enum": ["a"]}), document(x=TEXT), "value_added", "$.x"),
    ("values closed", document(x=TEXT), document(x={"enum": ["a"]}), "value_removed", "$.x"),
    ("longer", document(x={**TEXT, "maxLength": 1}), document(x={**TEXT, "maxLength": 2}), "limit_loosened", "$.x"),
    ("shorter", document(x={**TEXT, "maxLength": 2}), document(x={**TEXT, "maxLength": 1}), "limit_tightened", "$.x"),
    ("no limit", document(x={**TEXT, "maxLength": 2}), document(x=TEXT), "limit_loosened", "$.x"),
    ("a limit", document(x=TEXT), document(x={**TEXT, "minLength": 1}), "limit_tightened", "$.x"),
    ("smaller", document(x={**TEXT, "minLength": 2}), document(x={**TEXT, "minLength": 1}), "limit_loosened", "$.x"),
    ("default", document(x={**TEXT, "default": "a"}), document(x={**TEXT, "default": "b"}), "default_changed", "$.x"),
    ("pattern", document(x=TEXT), document(x={**TEXT, "pattern": "^a"}), "constraint_changed", "$.x"),
    ("format", document(x={**TEXT, "format": "date-time"}), document(x=TEXT), "constraint_changed", "$.x"),
    (
        "in a list",
        document(x={"type": "array", "items": {"enum": ["a"]}}),
        document(x={"type": "array", "items": {"enum": ["a", "b"]}}),
        "value_added",
        "$.x[]",
    ),
    (
        "in a map",
        document(x={"type": "object", "additionalProperties": TEXT}),
        document(x={"type": "object", "additionalProperties": allow_null(TEXT)}),
        "null_added",
        "$.x.*",
    ),
    (
        "a map's names",
        document(x={"type": "object", "propertyNames": {"maxLength": 1}}),
        document(x={"type": "object", "propertyNames": {"maxLength": 2}}),
        "limit_loosened",
        "$.x.*<name>",
    ),
    (
        "no map",
        document(x={"type": "object", "additionalProperties": TEXT}),
        document(x={"type": "object"}),
        "constraint_changed",
        "$.x",
    ),
]


@pytest.mark.parametrize(("old", "new", "kind", "path"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_one_change_is_one_finding(old: Node, new: Node, kind: Kind, path: str) -> None:
    """Its kind, its place, and the reason of each side that it breaks; the way back is found, too."""
    for topic, reason in ((READ, EFFECTS[kind].on_readers), (WRITTEN, EFFECTS[kind].on_writers)):
        (change,) = compare_schemas({topic: old}, {topic: new})
        assert (change.kind, change.topic, change.path) == (kind, topic, path)
        assert change.breaks == (() if reason is None else (reason,))
        assert compare_schemas({topic: new}, {topic: old})
        assert compare_schemas({topic: old}, {topic: old}) == []


def test_a_type_that_changes_is_two_findings() -> None:
    """The earlier type goes and another comes; a number where there was a whole one takes all that there was."""
    old, new = document(x=TEXT), document(x={"type": "integer"})
    assert [one.kind for one in compare_schemas({READ: old}, {READ: new})] == ["type_added", "type_removed"]
    narrower = compare_schemas({READ: document(x={"type": "number"})}, {READ: new})
    assert [one.kind for one in narrower] == ["type_added", "type_removed"]


def test_topics_come_and_go() -> None:
    """A new topic is fine; one that is gone breaks whoever reads or writes it, both where nobody knows it any more."""
    (added,) = compare_schemas({}, {READ: document()})
    assert (added.kind, added.breaks) == ("topic_added", ())
    (removed,) = compare_schemas({READ: document()}, {})
    assert (removed.kind, removed.breaks) == ("topic_removed", ("readers get nothing more",))
    (unknown,) = compare_schemas({"alerts.gone": document()}, {})
    assert len(unknown.breaks) == 2


def test_words_are_no_change() -> None:
    """Titles, descriptions and the names of types may be edited."""
    old = {"$ref": "#/$defs/A", "$defs": {"A": {"title": "A", "type": "object", "properties": {"x": TEXT}}}}
    new = {
        "$ref": "#/$defs/B",
        "description": "!",
        "$defs": {"B": {"title": "B", "type": "object", "properties": {"x": {**TEXT, "description": "?"}}}},
    }
    assert compare_schemas({READ: old}, {READ: new}) == []


def test_a_finding_is_one_sentence() -> None:
    """It names topic, field, change and reason."""
    change = Change("field_removed", READ, "$.x", "the field is gone", ("readers no longer find it",))
    assert str(change) == "alerts.outcomes $.x: the field is gone; readers no longer find it"


def test_every_kind_of_change_is_tried() -> None:
    """No verdict stands in the table without a case above."""
    tried = {case[3] for case in CASES} | {"type_added", "type_removed", "topic_added", "topic_removed"}
    assert tried == set(EFFECTS)


LEAVES = [TEXT, {"type": "integer"}, {"enum": ["a"]}, {"enum": ["a", "b"]}, {**TEXT, "maxLength": 1}, allow_null(TEXT)]
fields = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(LEAVES), max_size=3)
documents = st.tuples(fields, st.sets(st.sampled_from("xyz"))).map(
    lambda drawn: required(document(**drawn[0]), *sorted(drawn[1] & drawn[0].keys()))
)
records = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(["a", "b", "cc", 1, None]), max_size=3)


@LAW
@given(documents, documents, st.lists(records, max_size=6))
def test_without_a_breaking_change_records_stay_valid(old: Node, new: Node, ones: list[Node]) -> None:
    """What a writer's schema took is taken on, and what a topic's reader finds was allowed by the schema it knows."""
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    known = set(old["$defs"]["R"]["properties"])  # nobody writes or looks at others
    if not any(change.breaks for change in compare_schemas({WRITTEN: old}, {WRITTEN: new})):
        written = [one for one in ones if set(one) <= known and before.is_valid(one)]
        assert [one for one in written if not after.is_valid(one)] == []
    if not any(change.breaks for change in compare_schemas({READ: old}, {READ: new})):
        seen = [{name: value for name, value in one.items() if name in known} for one in ones if after.is_valid(one)]
        assert [one for one in seen if not before.is_valid(one)] == []


@pytest.mark.parametrize("folder", releases(), ids=lambda path: path.name)
def test_released_schemas_are_schemas(folder: Path) -> None:
    """Each release has a folder with a valid schema for every topic of its time, and nothing else."""
    for path in folder.iterdir():
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        assert path.name == f"{schema['title']}.json"


def breaking_changes() -> dict[str, str]:
    """What breaks programs since the last release: topic and path, with the finding."""
    last = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in releases()[-1].iterdir()}
    assert set(last) >= {"alerts.events", "alerts.enriched", "alerts.outcomes", "alerts.decisions"}
    found = [change for change in compare_schemas(last, schemas()) if change.breaks]
    return {f"{change.topic} {change.path}": str(change) for change in found}


def test_nothing_breaks_since_the_last_release() -> None:
    """Programs that read or write the topics go on working with this version, but for what BREAKS lists."""
    assert [finding for where, finding in breaking_changes().items() if where not in BREAKS] == []


def test_every_listed_break_is_one() -> None:
    """An entry that no change needs must go; each says what programs have to do."""
    assert set(BREAKS) - set(breaking_changes()) == set()
    assert all(BREAKS.values())


@pytest.mark.parametrize(
    ("topic", "edit", "found"),
    [
        ("alerts.enriched", lambda d: d["Score"]["properties"].pop("band"), "$.score.band: the field is gone"),
        ("alerts.enriched", lambda d: d["Raised"]["required"].remove("rule"), "$.alert.rule: the field may be left"),
        ("alerts.decisions", lambda d: d["Decision"]["properties"]["decision"]["enum"].append("mute"), "'mute' is new"),
        ("alerts.events", lambda d: d["Acted"]["required"].append("agent"), "$.agent: the field may no longer"),
        (
            "alerts.events",
            lambda d: d["Raised"]["properties"]["team"].update(maxLength=9),
            "$.team: its maxLength is 9",
        ),
    ],
)
def test_a_planted_change_is_found(topic: str, edit: Callable[[Node], object], found: str) -> None:
    """In the real schemas, through references and unions."""
    changed = copy.deepcopy(schemas())
    edit(changed[topic]["$defs"])
    (change,) = compare_schemas(schemas(), changed)
    assert change.breaks
    assert found in str(change)
