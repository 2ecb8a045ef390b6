"""What goes on: the bytes of a post as they came, or the same alerts with keys added."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.relay.forward import Addition, Copy, Rejected, add, end, read_labels, read_post, rewrite
from stream.sources.fingerprint import fingerprint
from tests.relay.records import expected

NOW = 1_772_359_200.0
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.dictionaries(NAMES, st.text(max_size=12), max_size=5)
ALERTS = st.builds(
    lambda labels, annotations, times, rest: {**rest, **times, "labels": labels, **annotations},
    TEXTS,
    st.just({}) | TEXTS.map(lambda texts: {"annotations": texts}) | st.just({"annotations": None}),
    st.sampled_from(
        [
            {},
            {"startsAt": "2026-03-01T09:00:00Z"},
            {"startsAt": "2026-03-01T09:00:00Z", "endsAt": "0001-01-01T00:00:00Z"},
        ]
    ),
    st.dictionaries(NAMES.filter(lambda name: name not in ("labels", "annotations", "startsAt", "endsAt")), VALUES),
)
POSTS = st.lists(ALERTS | VALUES, max_size=6)
ADDITIONS = st.builds(
    Addition,
    st.dictionaries(st.sampled_from(["noisegate_probability", "noisegate_why", "noisegate_url"]), st.text(max_size=20)),
    st.sampled_from(["", "paused", "closed"]),
)


@pytest.mark.slow
@given(POSTS, st.data(), st.sampled_from([None, 1]), st.booleans())
def test_every_alert_is_equal_but_for_the_keys_added(
    alerts: list[Any], data: st.DataObject, indent: int | None, ascii_only: bool
) -> None:
    """Whatever a post holds, and however it is written, parsing both sides finds the keys added and nothing else."""
    body = json.dumps(alerts, indent=indent, ensure_ascii=ascii_only).encode()
    post = read_post(body, NOW)
    assert post is not None
    additions = [data.draw(ADDITIONS) if isinstance(one, Copy) else Addition() for one in post.copies]
    after = json.loads(rewrite(post, additions))
    assert after == [expected(alert, addition) for alert, addition in zip(alerts, additions, strict=True)]


@given(POSTS, st.sampled_from([None, 1]))
def test_without_an_addition_a_post_goes_on_byte_for_byte(alerts: list[Any], indent: int | None) -> None:
    """Where nothing is added, the very bytes that came go on."""
    body = json.dumps(alerts, indent=indent).encode()
    post = read_post(body, NOW)
    assert post is not None
    assert rewrite(post, [Addition()] * len(alerts)) is body


@given(TEXTS.filter(lambda labels: "noisegate" not in labels), ADDITIONS)
def test_fingerprints_do_not_change(labels: dict[str, str], addition: Addition) -> None:
    """Annotations are no identity; our label is none to us, and a plain alert keeps Alertmanager's own fingerprint."""
    alert = json.dumps({"labels": labels}).encode()
    after = json.loads(add(alert, addition))
    assert fingerprint(after["labels"]) == fingerprint(labels)
    if not addition.label:
        assert after["labels"] == labels


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b"null", b'"x"', b"[", b"[1,", b'[{"labels":{}}', b"[]]", b"\xff\xfe", b"[" * 100_000, b"[1] 2"],
)
def test_what_is_no_list_is_not_taken_apart(body: bytes) -> None:
    """A body that can't be read is for Alertmanager to refuse: it is None here, whatever it is."""
    assert read_post(body, NOW) is None


def test_numbers_keep_their_digits() -> None:
    """A number that no float holds goes on as it was written, beside an annotation that was added."""
    body = b'[{"labels":{"a":"b"},"x":1e400,"y":123456789012345678901234567890.10}]'
    post = read_post(body, NOW)
    assert post is not None
    changed = rewrite(post, [Addition({"k": "v"})])
    assert b'"x":1e400,"y":123456789012345678901234567890.10' in changed


def test_half_a_surrogate_pair_spoils_only_its_own_alert() -> None:
    """An alert with half a character goes on as it came; the one beside it is followed and annotated."""
    body = rb'[{"labels":{"a":"\ud800"}}, {"labels":{"a":"b"}}]'
    post = read_post(body, NOW)
    assert post is not None
    assert [type(one) for one in post.copies] == [Rejected, Copy]
    changed = rewrite(post, [Addition(), Addition({"k": "v"})])
    assert changed == rb'[{"labels":{"a":"\ud800"}},{"labels":{"a":"b"},"annotations":{"k":"v"}}]'


def test_a_senders_own_annotation_stays() -> None:
    """What an alert has under our names is the sender's: nothing is put in its place, be it annotation or label."""
    alert = b'{"labels":{"noisegate":"mine"},"annotations":{"noisegate_why":"mine"}}'
    assert add(alert, Addition({"noisegate_why": "ours"}, "paused")) == alert


@pytest.mark.parametrize("annotations", [b"7", b"[]", b'"x"'])
def test_annotations_that_are_no_object_stay(annotations: bytes) -> None:
    """Nothing can be added to them, so the alert goes on as it came, for Alertmanager to refuse."""
    alert = b'{"labels":{},"annotations":%b}' % annotations
    assert add(alert, Addition({"k": "v"})) == alert


@pytest.mark.parametrize(
    ("fields", "starts_at", "ends_at", "sender"),
    [
        (b"", None, None, ""),
        (b',"startsAt":"2026-03-01T10:00:00.123456789Z"', NOW + 0.123456, None, ""),
        (b',"startsAt":"2026-03-01T11:00:00+01:00","endsAt":"2026-03-01T10:04:00Z"', NOW, NOW + 240, ""),
        (b',"endsAt":"0001-01-01T00:00:00Z","startsAt":""', None, None, ""),
        (b',"endsAt":"0001-01-01T00:00:00.000Z"', None, None, ""),
        (b',"generatorURL":"http://prometheus-0:9090/graph?g0.expr=up"', None, None, "prometheus-0:9090"),
        (b',"generatorURL":7', None, None, ""),
    ],
)
def test_a_copy_has_its_times_and_its_sender(
    fields: bytes, starts_at: float | None, ends_at: float | None, sender: str
) -> None:
    """Times as Go writes them, nine digits or another zone, or its zero for none; the sender by its own address."""
    post = read_post(b'[{"labels":{"a":"b"}%b}]' % fields, NOW)
    assert post is not None
    (one,) = post.copies
    assert isinstance(one, Copy)
    assert one.starts_at == pytest.approx(starts_at)
    assert (one.ends_at, one.sender) == (ends_at, sender)
    assert read_labels(one.labels) == {"a": "b"}


@pytest.mark.parametrize(
    ("alert", "reason", "words", "counted"),
    [
        (b"7", "no_alert", "Expected `object`, got `int`", "no_alert"),
        (b'{"labels":7}', "no_alert", "its labels are no object", "no_alert"),
        (b'{"annotations":{}}', "no_alert", "missing required field `labels`", "no_alert"),
        (b'{"labels":{},"startsAt":"yesterday"}', "bad_time", "startsAt: 'yesterday'", "bad_time"),
        (b'{"labels":{},"startsAt":"2099-01-01T00:00:00Z"}', "future", "startsAt: it is 26604 days after", "future"),
        (
            b'{"labels":{},"startsAt":"1999-01-01T00:00:00Z"}',
            "before_floor",
            "startsAt: it is before 2000",
            "before_floor",
        ),
        (b'{"labels":{"a":"%b"}}' % (b"x" * 300_000), "too_large", "it has 300019 bytes, 262144", "no_alert"),
    ],
)
def test_what_can_t_be_followed_says_why(alert: bytes, reason: str, words: str, counted: str) -> None:
    """One alert that can't be followed has a reason in words and is counted; the others of its post are followed."""
    post = read_post(b'[%b,{"labels":{"a":"b"}}]' % alert, NOW)
    assert post is not None
    rejected = post.copies[0]
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.counted) == (reason, counted)
    assert words in rejected.detail
    assert isinstance(post.copies[1], Copy)


def test_an_end_replaces_the_end() -> None:
    """An alert that is resolved by us is the same but for `endsAt`."""
    assert end(b'{"labels":{"a":"b"},"endsAt":"x"}', "y") == b'{"labels":{"a":"b"},"endsAt":"y"}'
    assert end(b"7", "y") == b"7"
