"""The manifest's decoder takes any bytes: they are a manifest, or a `ModelError`."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.errors import ModelError, ModelMismatch
from stream.models.artifact import MANIFEST
from stream.models.manifest import FORMAT_VERSION, Manifest, decode_manifest, encode_manifest

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="session")
def sound(trained: Path) -> bytes:
    """A sound manifest."""
    return (trained / MANIFEST).read_bytes()


def decoded(data: bytes) -> Manifest | None:
    """The manifest, None where it was refused in one sentence."""
    try:
        return decode_manifest(data, "here")
    except ModelError as error:
        told = str(error)
    assert told.startswith("here: manifest.json ")
    return None


def test_decode_is_the_inverse_of_encode(sound: bytes) -> None:
    """A manifest comes back as it was written, its problem definition and digest included."""
    manifest = decode_manifest(sound, "here")
    again = decode_manifest(encode_manifest(manifest), "here")
    assert again == manifest
    assert again.problem.definition.digest == manifest.problem.digest


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    """Random bytes never raise anything else."""
    assert decoded(data) is None


@pytest.mark.slow
@given(st.data())
@settings(max_examples=3 * settings().max_examples, deadline=None)
def test_damaged_bytes_are_refused_or_read(sound: bytes, data: st.DataObject) -> None:
    """Cutting, overwriting and repeating pieces of a sound manifest never raises anything else."""
    start = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(start, min(len(sound), start + 200)))
    decoded(sound[:start] + data.draw(st.binary(max_size=20)) + sound[end:])


@pytest.mark.slow
@given(st.data())
@settings(max_examples=3 * settings().max_examples, deadline=None)
def test_any_value_in_any_place_is_refused_or_read(sound: bytes, data: st.DataObject) -> None:
    """A value of any type, anywhere in the tree, never raises anything else."""
    root = msgspec.json.decode(sound)
    place: Any = root
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(anything)
    decoded(msgspec.json.encode(root))


def test_a_newer_format_is_a_mismatch(sound: bytes) -> None:
    """What a later noisegate wrote is refused for that, whatever else in it this code does not know."""
    content = msgspec.json.decode(sound)
    newer = msgspec.json.encode({**content, "format_version": FORMAT_VERSION + 1, "unheard_of": [1], "golden": None})
    told = f"is of format {FORMAT_VERSION + 1}, and this noisegate reads up to {FORMAT_VERSION}; upgrade noisegate"
    with pytest.raises(ModelMismatch, match=told):
        decode_manifest(newer, "here")
    with pytest.raises(ModelError, match="can't be read") as caught:
        decode_manifest(msgspec.json.encode({**content, "format_version": 0}), "here")
    assert not isinstance(caught.value, ModelMismatch)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b'"\\ud800"', b"1e999", b"NaN", b"{}{}"],
)
def test_known_traps_are_refused(data: bytes) -> None:
    """Deep nesting, wrong encodings, lone surrogates, numbers out of range."""
    assert decoded(data) is None
