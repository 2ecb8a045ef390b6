"""Alertmanager's fingerprint, computed by one function."""

from hypothesis import given
from hypothesis import strategies as st

from stream.sources.fingerprint import fingerprint

LABELS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=6)


def test_known_values() -> None:
    """The values of prometheus/common's own test of LabelsToSignature."""
    assert fingerprint({}) == 14695981039346656037
    assert fingerprint({"name": "garland, briggs", "fear": "love is not enough"}) == 5799056148416392346


@given(LABELS, st.randoms())
def test_order_does_not_count(labels: dict[str, str], random: object) -> None:
    """Labels are sorted, so a cluster's members agree."""
    pairs = list(labels.items())
    getattr(random, "shuffle")(pairs)  # noqa: B009 - hypothesis gives a Random without its type
    assert fingerprint(dict(pairs)) == fingerprint(labels)


@given(LABELS, st.text(max_size=5))
def test_what_does_not_count_changes_nothing(labels: dict[str, str], text: str) -> None:
    """The label noisegate, labels without a value, and the ignored ones."""
    bare = {name: value for name, value in labels.items() if name not in ("noisegate", "replica")}
    more = {**bare, "noisegate": "paused", "replica": text, **{f"{name}\1": "" for name in bare}}
    assert fingerprint(more, {"replica"}) == fingerprint(bare)


@given(LABELS, LABELS)
def test_other_labels_are_another_alert(one: dict[str, str], other: dict[str, str]) -> None:
    """Two sets of labels that count have one fingerprint only if they are equal."""
    counted = [{name: text for name, text in labels.items() if text and name != "noisegate"} for labels in (one, other)]
    assert (fingerprint(one) == fingerprint(other)) == (counted[0] == counted[1])


def test_names_and_values_do_not_run_into_each_other() -> None:
    """What stands between them is a byte that no text holds."""
    assert fingerprint({"ab": "c"}) != fingerprint({"a": "bc"})
    assert fingerprint({"a": "b", "c": "d"}) != fingerprint({"a": "bc", "d": ""})
