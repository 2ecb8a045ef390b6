"""The shipped JSON Schemas are those of the types, and agree with the decoder."""

import json
import re
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from msgspec import UNSET
from msgspec.structs import replace

from stream.core.errors import BadRecord
from stream.core.events import Event, Raised, decode_event, encode_event
from stream.core.records import (
    Challenge,
    Decision,
    DecisionName,
    Enriched,
    Flag,
    Level,
    Like,
    Mode,
    Outcome,
    Proof,
    ProofState,
    Push,
    Score,
    Why,
    Whys,
    decode_decision,
    decode_enriched,
    decode_outcome,
    encode_record,
)
from stream.core.schemas import schema_files, schemas
from tests.core.logs import LAW
from tests.core.test_events import ACTED, RAISED, events, json_values, moments, names
from tests.servers.kafka import ROOT

TOPICS = ["alerts.events", "alerts.enriched", "alerts.outcomes", "alerts.decisions"]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FORMATS = FormatChecker([])


@FORMATS.checks("date-time")
def is_date_time(value: object) -> bool:
    """RFC 3339, as `date-time` demands; the date must exist."""
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value):
        return False
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return False
    return True


def validator(topic: str) -> Draft202012Validator:
    """A validator of the shipped file, formats checked."""
    return Draft202012Validator(json.loads((ROOT / "schemas" / f"{topic}.json").read_text()), format_checker=FORMATS)


EVENTS, ENRICHED, OUTCOMES, DECISIONS = (validator(topic) for topic in TOPICS)
shares = st.floats(0, 1)
flags = st.lists(st.sampled_from(get_args(Flag)), max_size=3)
counts = st.integers(0, 2**40)
likes = st.builds(Like, st.sampled_from(get_args(Level)), counts, counts)
pushes = st.builds(Push, names, st.floats(-20, 20))
whys = st.builds(Why, counts, counts, st.lists(st.integers(0, 1), max_size=8), st.none() | moments)
raises = events.filter(lambda event: isinstance(event, Raised))
challenges = st.none() | st.builds(Challenge, names, shares)
bands = st.sampled_from(["likely_noise", "unsure", "likely_actionable", "unscored"])
evidence = st.sampled_from(["strong", "some", "weak", "none"])
reasons = st.sampled_from([None, "no_model", "model_failed", "history_unavailable"])
scores = st.builds(Score, st.none() | shares, bands, st.none() | names, evidence, reasons, challenges)
vectors = st.sampled_from([UNSET, None]) | st.binary(max_size=8)
enriched = st.builds(
    Enriched,
    raises,
    scores,
    st.none() | st.builds(Whys, whys, whys, st.none() | likes, st.none() | pushes),
    flags,
    moments,
    names,
    st.none() | names,
    vectors,
)
outcomes = st.builds(
    Outcome, names, names, names, names, moments, st.sampled_from(["actionable", "noise", "unknown"]), moments, names,
    names, st.none() | names, st.dictionaries(names, shares, max_size=2), evidence,
    st.none() | st.integers(0, 1), flags, st.none() | names, st.none() | names, st.dictionaries(names, names),
    st.none() | names, st.sampled_from([None, "person", "automation"]),
)  # fmt: skip


proofs = st.builds(Proof, counts, shares, st.none() | shares, shares, st.sampled_from(get_args(ProofState)))
decisions = st.builds(
    Decision, alert_id=names, team=names, rule=names, entity=names, episode=st.none() | names, raised_at=moments,
    decision=st.sampled_from(get_args(DecisionName)), by_rule=st.none() | names, rule_version=st.none() | names,
    mode=st.none() | st.sampled_from(get_args(Mode)), probability=st.none() | shares, model=st.none() | names,
    p_act=shares, until=st.none() | moments, proof=st.none() | proofs, why=names, decided_at=moments,
)  # fmt: skip


@pytest.mark.parametrize("topic", TOPICS)
def test_schemas_are_schemas(topic: str) -> None:
    """Each is valid by its own dialect, says which topic it is of, and describes every field of every record."""
    schema = schemas()[topic]
    Draft202012Validator.check_schema(schema)
    assert (schema["title"], schema["$schema"].rpartition("/")[0][-7:]) == (topic, "2020-12")
    for name, part in schema["$defs"].items():
        assert part["title"] == name
        assert part["description"]
        for field in part["properties"].values():
            assert field["description"]


def test_the_shipped_files_are_those_of_the_types() -> None:
    """`noisegate schema --out schemas` would change nothing."""
    shipped = {file.name: file.read_text() for file in (ROOT / "schemas").glob("alerts.*")}
    assert shipped == schema_files()
    assert set(shipped) == {f"{topic}.json" for topic in TOPICS}


@LAW
@given(events)
def test_every_event_is_valid(event: Event) -> None:
    """What `encode_event` writes passes the schema."""
    EVENTS.validate(json.loads(encode_event(event)))


@LAW
@given(st.sampled_from([RAISED, ACTED]), st.sampled_from([*RAISED, *ACTED, "other"]), json_values | st.just(...))
def test_schema_and_decoder_agree(example: dict[str, Any], name: str, value: Any) -> None:
    """With any value in any field, or none, the schema accepts what the decoder accepts; only NUL it can't see."""
    document = {key: field for key, field in {**example, name: value}.items() if field is not ...}
    try:
        decode_event(json.dumps(document).encode())
    except BadRecord as error:
        if error.reason in ("bad_field", "unknown_type"):  # the other reasons are not the schema's
            assert not EVENTS.is_valid(document)
    else:
        assert EVENTS.is_valid(document)


@pytest.mark.parametrize(
    "change",
    [{"kind": "escalated@person"}, {"kind": "x@automation"}, {"agent": "bot"}, {"until": "soon"}, {"reason": 1}],
)
def test_the_schema_refuses_what_no_action_may_say(change: dict[str, Any]) -> None:
    """A kind that ends in an agent, another agent, an end that is no time."""
    assert EVENTS.is_valid({**ACTED, "agent": "person", "reason": "known", "until": "2026-03-02T00:00:00Z"})
    assert not EVENTS.is_valid({**ACTED, **change})


@pytest.mark.parametrize(
    "change",
    [{"team": ""}, {"team": "x" * 257}, {"at": "yesterday"}, {"at": "2026-02-30T00:00:00Z"}, {"labels": {"k": 1}}],
)
def test_the_schema_refuses_what_is_over_a_limit(change: dict[str, Any]) -> None:
    """Limits and formats stand in the schema."""
    assert EVENTS.is_valid(RAISED)
    assert not EVENTS.is_valid({**RAISED, **change})


@pytest.mark.slow
@LAW
@given(enriched)
def test_every_enriched_record_is_valid(record: Enriched) -> None:
    """What the types can say of a scored alert passes the schema."""
    ENRICHED.validate(json.loads(encode_record(record)))


@LAW
@given(outcomes)
def test_every_outcome_is_valid(record: Outcome) -> None:
    """What the types can say of an outcome passes the schema."""
    OUTCOMES.validate(json.loads(encode_record(record)))


@LAW
@given(decisions)
def test_every_decision_is_valid(record: Decision) -> None:
    """What the types can say of a decision passes the schema, and comes back as it was."""
    DECISIONS.validate(json.loads(encode_record(record)))
    assert decode_decision(encode_record(record)) == record


def test_features_are_base64_and_absent_unless_given() -> None:
    """The vector that a model read stands as text in the record, and not at all where nobody asked for it."""
    alert = Raised(NOW, "a", "t", "r", "e")
    bare = Enriched(alert, Score(0.5, "unsure", "m", "some"), None, [], NOW, "t/0/1")
    assert "features" not in json.loads(encode_record(bare))
    full = replace(bare, features=b"\x00\x00\x80?")
    assert json.loads(encode_record(full))["features"] == "AACAPw=="
    assert decode_enriched(encode_record(full)) == full


def test_records_of_earlier_releases_are_still_read() -> None:
    """Outcomes are kept for good: one without the newer fields has none of what they say."""
    old = {
        "alert_id": "a", "team": "t", "rule": "r", "entity": "e", "raised_at": RAISED["at"], "outcome": "noise",
        "decided_at": RAISED["at"], "by": "dismissed", "problem": "p@1", "model": None, "scores": {},
        "evidence": "none", "last_outcome": None, "flags": [],
    }  # fmt: skip
    OUTCOMES.validate(old)
    outcome = decode_outcome(json.dumps(old).encode())
    assert (outcome.severity, outcome.source, outcome.labels, outcome.episode, outcome.agent) == (
        None,
        None,
        {},
        None,
        None,
    )
