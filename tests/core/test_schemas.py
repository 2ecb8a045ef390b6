"""The shipped JSON Schemas are those of the types, and agree with the decoder."""

import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from stream.core.errors import BadRecord
from stream.core.events import Event, Raised, decode_event, encode_event
from stream.core.records import Challenge, Enriched, Outcome, Score, Why, Whys, encode_record
from stream.core.schemas import schemas, write
from tests.core.logs import LAW
from tests.core.test_events import ACTED, RAISED, events, json_values, moments, names
from tests.servers.kafka import ROOT

TOPICS = ["alerts.events", "alerts.enriched", "alerts.outcomes"]
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


EVENTS, ENRICHED, OUTCOMES = (validator(topic) for topic in TOPICS)
shares = st.floats(0, 1)
flags = st.lists(st.sampled_from(["flood", "visibility_only", "late", "held_out", "challenger_failed"]), max_size=3)
counts = st.integers(0, 2**40)
whys = st.builds(Why, counts, counts, st.lists(st.integers(0, 1), max_size=8), st.none() | moments)
raises = events.filter(lambda event: isinstance(event, Raised))
challenges = st.none() | st.builds(Challenge, names, shares)
bands = st.sampled_from(["likely_noise", "unsure", "likely_actionable", "unscored"])
evidence = st.sampled_from(["strong", "some", "weak", "none"])
reasons = st.sampled_from([None, "no_model", "model_failed", "history_unavailable"])
scores = st.builds(Score, st.none() | shares, bands, st.none() | names, evidence, reasons, challenges)
enriched = st.builds(Enriched, raises, scores, st.none() | st.builds(Whys, whys, whys), flags, moments, names)
outcomes = st.builds(
    Outcome, names, names, names, names, moments, st.sampled_from(["actionable", "noise", "unknown"]), moments, names,
    names, st.none() | names, st.dictionaries(names, shares, max_size=2), evidence,
    st.none() | st.integers(0, 1), flags,
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


def test_the_shipped_files_are_those_of_the_types(tmp_path: Any) -> None:
    """`python -m stream.core.schemas schemas` would change nothing."""
    write(tmp_path)
    shipped = {file.name: file.read_text() for file in (ROOT / "schemas").iterdir()}
    assert shipped == {file.name: file.read_text() for file in tmp_path.iterdir()}
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
    [{"team": ""}, {"team": "x" * 257}, {"at": "yesterday"}, {"at": "2026-02-30T00:00:00Z"}, {"labels": {"k": 1}}],
)
def test_the_schema_refuses_what_is_over_a_limit(change: dict[str, Any]) -> None:
    """Limits and formats stand in the schema."""
    assert EVENTS.is_valid(RAISED)
    assert not EVENTS.is_valid({**RAISED, **change})


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
