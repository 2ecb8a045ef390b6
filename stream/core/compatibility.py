"""How the schemas of two versions differ, and whether programs that read or write the topics can live with it.

A topic that others read stays readable for them, and its records of earlier versions stay readable for noisegate. A
topic that others write goes on taking what they write. EFFECTS holds the verdict on every kind of change.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from stream.core.topics import TOPICS

Kind = Literal[
    "topic_added",
    "topic_removed",
    "record_added",
    "record_removed",
    "field_added",
    "required_field_added",
    "field_removed",
    "field_made_optional",
    "field_made_required",
    "null_added",
    "null_removed",
    "type_added",
    "type_removed",
    "value_added",
    "value_removed",
    "limit_loosened",
    "limit_tightened",
    "default_changed",
    "constraint_changed",
]


class Effect(NamedTuple):
    """Why a kind of change breaks programs that read a topic, and programs that write it; None where it does not."""

    on_readers: str | None
    on_writers: str | None


EFFECTS: Mapping[Kind, Effect] = {
    "topic_added": Effect(None, None),
    "topic_removed": Effect("readers get nothing more", "records have nowhere to go"),
    "record_added": Effect("readers do not know this type of record", None),
    "record_removed": Effect("records of this type are still in the topic", "records of this type are refused"),
    "field_added": Effect(None, None),
    "required_field_added": Effect("records that are in the topic already lack it", "records without it are refused"),
    "field_removed": Effect("readers no longer find it", "what writers put in it is ignored"),
    "field_made_optional": Effect("readers may not find it", None),
    "field_made_required": Effect("records that are in the topic may lack it", "records without it are refused"),
    "null_added": Effect("readers may find null where there was always a value", None),
    "null_removed": Effect("records that are in the topic may hold null", "records with null are refused"),
    "type_added": Effect("readers may find a type that they do not expect", None),
    "type_removed": Effect("records that are in the topic hold the earlier type", "the earlier type is refused"),
    "value_added": Effect("readers that switch on the value do not know it", None),
    "value_removed": Effect("records that are in the topic hold it", "records with it are refused"),
    "limit_loosened": Effect("readers may find more than they have room for", None),
    "limit_tightened": Effect("records that are in the topic may exceed it", "records that exceed it are refused"),
    "default_changed": Effect(
        "a record without the field means something else", "leaving the field out means something else"
    ),
    "constraint_changed": Effect("other values may come than before", "values that were accepted may be refused"),
}
_LIMITS = {  # 1: a larger one is looser; -1: a smaller one
    **dict.fromkeys(("maxLength", "maxProperties", "maxItems", "maximum"), 1),
    **dict.fromkeys(("minLength", "minProperties", "minItems", "minimum"), -1),
}
_TEXT = frozenset({"title", "description", "$schema", "$id", "$defs", "examples", "discriminator"})
_STRUCTURE = frozenset(
    {"$ref", "anyOf", "type", "enum", "default", "properties", "required", "items", "additionalProperties"}
)
Node = Mapping[str, Any]


class Change(NamedTuple):
    """One difference: what kind, in which topic, where in its records, and what changed.

    `breaks` holds the reasons why programs outside noisegate break; empty where they do not.
    """

    kind: Kind
    topic: str
    path: str
    detail: str
    breaks: tuple[str, ...]

    def __str__(self) -> str:
        where = f"{self.topic} {self.path}".rstrip()
        return f"{where}: {self.detail}" + "".join(f"; {reason}" for reason in self.breaks)


def compare_schemas(old: Mapping[str, Node], new: Mapping[str, Node]) -> list[Change]:
    """The changes from one version's schemas to another's, both by the topic's default name."""
    changes = []
    for topic in sorted(old.keys() | new.keys()):
        for kind, path, detail in _topic_changes(topic, old, new):
            changes.append(Change(kind, topic, path, detail, _reasons(topic, kind)))
    return changes


def _reasons(topic: str, kind: Kind) -> tuple[str, ...]:
    known = next((one for one in TOPICS.values() if one.default_name == topic), None)
    effect = EFFECTS[kind]
    reads, writes = known is None or "you" in known.read_by, known is None or "you" in known.written_by
    found = [effect.on_readers if reads else None, effect.on_writers if writes else None]
    return tuple(reason for reason in found if reason is not None)


_Found = Iterator[tuple[Kind, str, str]]


def _topic_changes(topic: str, old: Mapping[str, Node], new: Mapping[str, Node]) -> _Found:
    if topic not in new:
        yield "topic_removed", "", "the topic is gone"
    elif topic not in old:
        yield "topic_added", "", "the topic is new"
    else:
        yield from _Comparison(old[topic], new[topic]).changes()


class _Comparison:
    """Two schema documents side by side, each with its `$defs`."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new

    def changes(self) -> _Found:
        """All of them, from the root down."""
        yield from self._node(self._old, self._new, "$")

    def _node(self, old: Node, new: Node, path: str) -> _Found:
        """Changes of one value: of the types that it may have, then of each type that both versions allow."""
        before, after = _types(old, self._old), _types(new, self._new)
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                if not (name == "integer" and "number" in after):
                    yield _of_type(name, "removed"), path, f"{_shown(name)} is no longer allowed"
            elif name not in before:
                yield _of_type(name, "added"), path, f"{_shown(name)} is allowed"
            else:
                yield from self._type(before[name], after[name], path)
        if old.get("default") != new.get("default") and "default" in old and "default" in new:
            yield "default_changed", path, f"its default is {new['default']!r}, not {old['default']!r}"

    def _type(self, old: Node, new: Node, path: str) -> _Found:
        yield from _values(old, new, path)
        yield from _limits(old, new, path)
        for name in sorted((old.keys() | new.keys()) - _TEXT - _STRUCTURE - _LIMITS.keys() - {"propertyNames"}):
            if old.get(name) != new.get(name):
                yield "constraint_changed", path, f"its {name} is {new.get(name)!r}, not {old.get(name)!r}"
        yield from self._fields(old, new, path)
        for name, step in (("items", "[]"), ("additionalProperties", ".*"), ("propertyNames", ".*<name>")):
            if name in old and name in new:
                yield from self._node(old[name], new[name], path + step)
            elif name in old or name in new:
                yield "constraint_changed", path, f"its {name} is {new.get(name)!r}, not {old.get(name)!r}"

    def _fields(self, old: Node, new: Node, path: str) -> _Found:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() | after.keys()):
            here = f"{path}.{name}"
            if name not in after:
                yield "field_removed", here, "the field is gone"
            elif name not in before:
                needed = name in needed_after
                yield (
                    "required_field_added" if needed else "field_added",
                    here,
                    ("a required field is new" if needed else "an optional field is new"),
                )
            else:
                if name in needed_before - needed_after:
                    yield "field_made_optional", here, "the field may be left out"
                elif name in needed_after - needed_before:
                    yield "field_made_required", here, "the field may no longer be left out"
                yield from self._node(before[name], after[name], here)


def _types(node: Node, document: Node) -> dict[str, Node]:
    """The types that a value may have, each with its schema; an object of a tagged union is a type by its tag."""
    while "$ref" in node:
        node = document["$defs"][node["$ref"].rpartition("/")[2]]
    found: dict[str, Node] = {}
    for one in node.get("anyOf", ()):
        found |= _types(one, document)
    if "anyOf" in node:
        return found
    tags = node.get("properties", {}).get("type", {}).get("enum", ())
    if len(tags) == 1:
        return {f"record {tags[0]}": node}
    if "enum" in node:
        return {_NAMES.get(type(value), "string"): node for value in node["enum"]}
    return {str(node.get("type", "any")): node}


_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _of_type(name: str, change: Literal["added", "removed"]) -> Kind:
    """The kind of change that a type's coming or going is."""
    if name == "null":
        return "null_added" if change == "added" else "null_removed"
    if name.startswith("record "):
        return "record_added" if change == "added" else "record_removed"
    return "type_added" if change == "added" else "type_removed"


def _shown(name: str) -> str:
    return name if name == "null" or name.startswith("record ") else f"type {name}"


def _values(old: Node, new: Node, path: str) -> _Found:
    before, after = old.get("enum"), new.get("enum")
    if before is None or after is None:
        if before is not None:
            yield "value_added", path, "any value is allowed, no longer only those of a list"
        elif after is not None:
            yield "value_removed", path, "only values of a list are allowed"
        return
    for value in sorted(set(before) ^ set(after), key=str):
        if value in after:
            yield "value_added", path, f"the value {value!r} is new"
        else:
            yield "value_removed", path, f"the value {value!r} is gone"


def _limits(old: Node, new: Node, path: str) -> _Found:
    for name, sign in _LIMITS.items():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        looser = after is None or (before is not None and sign * (after - before) > 0)
        detail = f"its {name} is {'gone' if after is None else after}, not {'unlimited' if before is None else before}"
        yield "limit_loosened" if looser else "limit_tightened", path, detail
