"""The decoder: everything that is an event passes, everything else fails under a named reason."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import (
    Acted,
    Event,
    Raised,
    Tick,
    decode_event,
    encode_event,
    moment,
    seconds,
    unknown_fields,
)
from stream.core.kinds import AGENT_ENDING
from stream.core.records import FAILURES
from tests.core.logs import LAW

RAISED: dict[str, Any] = {
    "type": "raised",
    "at": "2026-03-01T10:00:00Z",
    "alert_id": "INC1",
    "team": "payments",
    "rule": "disk_full",
    "entity": "db-7",
    "severity": "high",
    "source": "alertmanager",
    "title": "Disk 91% on db-7",
    "labels": {"env": "prod"},
}
ACTED: dict[str, Any] = {
    "type": "acted",
    "at": "2026-03-01T10:04:00Z",
    "alert_id": "INC1",
    "team": "payments",
    "action_id": "INC1-1",
    "kind": "worked",
    "actor": "9b97e7f7fd",
    "agent": "person",
    "reason": "known issue",
    "until": "2026-03-02T10:00:00Z",
}

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = texts.filter(bool)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
any_time = st.floats(limits.FLOOR_SECONDS, limits.CEILING_SECONDS - 1)
moments = st.builds(lambda at, zone: moment(at).astimezone(zone), any_time, zones | st.just(UTC))
maybe = st.none() | texts
kinds = names.filter(lambda kind: not AGENT_ENDING.search(kind))
events: st.SearchStrategy[Event] = (
    st.builds(
        Raised, moments, names, names, names, names, maybe, maybe, maybe, st.dictionaries(texts, texts, max_size=4)
    )
    | st.builds(
        Acted,
        moments,
        names,
        names,
        names,
        kinds,
        maybe,
        st.sampled_from([None, "person", "automation"]),
        maybe,
        st.none() | moments,
    )
    | st.builds(Tick, moments)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def reason(value: bytes) -> str:
    """Why the decoder refuses."""
    with pytest.raises(BadRecord) as failed:
        decode_event(value)
    assert failed.value.reason in FAILURES
    assert str(failed.value) == f"{failed.value.reason}: {failed.value.detail}"
    return failed.value.reason


def changed(example: dict[str, Any], **fields: Any) -> bytes:
    """The example as JSON with fields replaced; ... takes one out."""
    merged = {**example, **fields}
    return json.dumps({key: value for key, value in merged.items() if value is not ...}).encode()


@LAW
@given(events)
def test_decoding_undoes_encoding(event: Event) -> None:
    """decode(encode(x)) = x for any event, and its time in seconds says the same moment to the microsecond."""
    assert decode_event(encode_event(event)) == event
    assert moment(seconds(event.at)) == event.at


@LAW
@given(events, st.data())
def test_a_damaged_event_fails_by_name(event: Event, data: st.DataObject) -> None:
    """Cut an event, or change any of its bytes: it decodes, or fails with a listed reason, and nothing else."""
    value = bytearray(encode_event(event))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    survives(bytes(value[: data.draw(st.integers(0, len(value)))]))
    survives(bytes(value))


@LAW
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_fail_by_name(value: bytes) -> None:
    """Any bytes and any JSON give an event, or a listed reason, and nothing else."""
    survives(value)


@LAW
@given(st.sampled_from([RAISED, ACTED]), st.data())
def test_any_value_in_any_field_fails_by_name(example: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in a field, be it of any type, the event decodes or fails with a listed reason."""
    survives(changed(example, **{data.draw(st.sampled_from([*example, "other"])): data.draw(json_values)}))


def survives(value: bytes) -> None:
    """An event that can be handled everywhere, or a listed reason."""
    try:
        event = decode_event(value)
    except BadRecord as error:
        assert error.reason in FAILURES  # noqa: PT017  # both ways are right
        return
    assert decode_event(encode_event(event)) == event
    text = repr(event)
    assert "\\x00" not in text.replace("\\\\", "")
    text.encode()  # no lone surrogate, which no key or record could hold


def test_the_documented_examples_decode() -> None:
    """The events of the documentation are what they say."""
    assert decode_event(changed(RAISED)) == Raised(
        datetime(2026, 3, 1, 10, tzinfo=UTC), "INC1", "payments", "disk_full", "db-7", "high", "alertmanager",
        "Disk 91% on db-7", {"env": "prod"},
    )  # fmt: skip
    acted = decode_event(changed(ACTED))
    assert isinstance(acted, Acted)
    assert (acted.kind, acted.actor, acted.agent, acted.reason) == ("worked", "9b97e7f7fd", "person", "known issue")
    assert acted.until == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert decode_event(b'{"type":"tick","at":"2026-03-01T10:05:00Z"}') == Tick(datetime(2026, 3, 1, 10, 5, tzinfo=UTC))


def test_unknown_fields_are_ignored_and_optional_ones_may_lack() -> None:
    """Fields nobody knows change nothing; without severity, source, title and labels an alert is whole."""
    assert decode_event(changed(RAISED, other={"a": [1]})) == decode_event(changed(RAISED))
    bare = decode_event(changed(RAISED, severity=..., source=None, title=..., labels=...))
    assert isinstance(bare, Raised)
    assert (bare.severity, bare.source, bare.title, bare.labels) == (None, None, None, {})
    assert set(json.loads(encode_event(bare))) == {"type", "at", "alert_id", "team", "rule", "entity"}


@pytest.mark.parametrize("name", ["severity", "source", "title", "labels"])
def test_null_means_absent_in_every_optional_field(name: str) -> None:
    """An optional field that is null is the same event as one without it; `labels` is no exception."""
    assert decode_event(changed(RAISED, **{name: None})) == decode_event(changed(RAISED, **{name: ...}))


def test_null_labels_hide_no_other_fault() -> None:
    """A wrong field beside a null `labels` is named as it is without."""
    with pytest.raises(BadRecord, match=r"bad_field: .*`[$].team`"):
        decode_event(changed(RAISED, labels=None, team=3))
    assert reason(changed(RAISED, labels={"env": None})) == "bad_field"


def test_unknown_fields_are_named() -> None:
    """What nothing reads is told by name, as it comes; what another type of event has counts as unknown, too."""
    value = changed(RAISED, tiem="10:00", kind="worked")
    assert unknown_fields(decode_event(value), value) == ["tiem", "kind"]
    for example in (RAISED, ACTED):
        assert unknown_fields(decode_event(changed(example)), changed(example)) == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"type":"tick","at":"2026-03-01T10:05:00Z"} {}',
        b"\xff\xfe",
        b"\x00",
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_told(value: bytes) -> None:
    """Empty values, text, two documents, other encodings and a byte order mark are not JSON."""
    assert reason(value) == "not_json"


@pytest.mark.parametrize("value", [b"null", b"[]", b'"raised"', b"1", b"{}"])
def test_json_that_is_no_event_is_told(value: bytes) -> None:
    """JSON of another shape is a bad field, not a crash."""
    assert reason(value) == "bad_field"


@pytest.mark.parametrize("unknown", ["dropped", "", "Raised", None, 3, ["raised"]])
def test_an_unknown_type_is_told(unknown: Any) -> None:
    """A `type` that is none of the three has a reason of its own."""
    assert reason(changed(RAISED, type=unknown)) == "unknown_type"


@pytest.mark.parametrize("name", ["at", "alert_id", "team", "rule", "entity"])
def test_a_missing_field_is_named(name: str) -> None:
    """A raise without a required field fails, and the detail names it."""
    for value in (changed(RAISED, **{name: ...}), changed(RAISED, **{name: None}), changed(RAISED, **{name: ""})):
        with pytest.raises(BadRecord, match=f"bad_field: .*`{name}`|bad_field: .*`[$].{name}`"):
            decode_event(value)


@pytest.mark.parametrize("name", ["at", "alert_id", "team", "action_id", "kind"])
def test_a_missing_field_of_an_action_is_named(name: str) -> None:
    """The same for an action."""
    assert reason(changed(ACTED, **{name: ...})) == "bad_field"


@pytest.mark.parametrize("wrong", [7, 1.5, True, [], {"a": "b"}])
def test_a_wrong_type_is_told(wrong: Any) -> None:
    """Numbers, flags, lists and objects are not texts, and nothing is converted in silence."""
    for name in ("at", "alert_id", "team", "rule", "entity", "severity", "source", "title"):
        assert reason(changed(RAISED, **{name: wrong})) == "bad_field"
    assert reason(changed(RAISED, labels={"env": wrong})) == "bad_field"
    assert reason(changed(RAISED, labels=["env"])) == "bad_field"


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("alert_id", limits.ID_LENGTH),
        ("team", limits.NAME_LENGTH),
        ("rule", limits.NAME_LENGTH),
        ("entity", limits.NAME_LENGTH),
        ("severity", limits.NAME_LENGTH),
        ("source", limits.NAME_LENGTH),
        ("title", limits.TITLE_LENGTH),
    ],
)
def test_a_text_over_its_limit_is_told(name: str, most: int) -> None:
    """A text of the limit's length passes, one character more fails; characters count, not bytes."""
    assert getattr(decode_event(changed(RAISED, **{name: "ü" * most})), name) == "ü" * most
    assert reason(changed(RAISED, **{name: "x" * (most + 1)})) == "bad_field"


@pytest.mark.parametrize(
    ("name", "most"), [("action_id", 256), ("kind", 256), ("actor", 256), ("alert_id", 256), ("reason", 1_000)]
)
def test_a_text_of_an_action_over_its_limit_is_told(name: str, most: int) -> None:
    """The same for an action."""
    assert getattr(decode_event(changed(ACTED, **{name: "x" * most})), name) == "x" * most
    assert reason(changed(ACTED, **{name: "x" * (most + 1)})) == "bad_field"


@pytest.mark.parametrize("kind", ["escalated@person", "escalated@automation", "@person", "a@b@person"])
def test_a_kind_that_ends_in_an_agent_is_told(kind: str) -> None:
    """Problem files narrow kinds so; an event says it in `agent`, and its kind would never be found."""
    with pytest.raises(BadRecord, match=r"bad_field: .*kind.*give who did it as `agent`"):
        decode_event(changed(ACTED, kind=kind))
    for good in (f"{kind}s", f"{kind} ", "mail@example", "person", "x@Person"):
        assert isinstance(decode_event(changed(ACTED, kind=good)), Acted)


@pytest.mark.parametrize(
    "fields", [{"agent": "bot"}, {"agent": ""}, {"until": "tomorrow"}, {"until": "2026-03-01T00:00:00"}]
)
def test_what_an_action_may_not_say_is_told(fields: dict[str, str]) -> None:
    """An agent is a person or automation; a snooze ends at a moment that names its zone."""
    assert reason(changed(ACTED, **fields)) == "bad_field"


def test_labels_over_their_limits_are_told() -> None:
    """Too many labels, too long a name and too long a value fail."""
    many = {f"l{number}": "x" for number in range(limits.LABELS)}
    for good in (many, {"k" * limits.LABEL_KEY_LENGTH: "v" * limits.LABEL_VALUE_LENGTH}, {}):
        event = decode_event(changed(RAISED, labels=good))
        assert isinstance(event, Raised)
        assert event.labels == good
    for bad in ({**many, "more": "x"}, {"k" * 129: "v"}, {"k": "v" * 1_001}):
        assert reason(changed(RAISED, labels=bad)) == "bad_field"
