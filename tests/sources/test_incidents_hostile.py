"""Whatever an incident tool posts is read, reported or refused; and what is read fits into an event."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.core import limits
from stream.core.events import Acted, Raised, decode_event, encode_event, moment
from stream.sources import opsgenie, pagerduty, servicenow
from stream.sources.expiring_store import MemoryExpiringStore
from stream.sources.parsed import Act, BadRequest, Named, Parsed
from stream.sources.worked import add_worked
from tests.sources import bodies
from tests.sources.bodies import OPTIONS, RECEIVED_AT
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
SOURCES: dict[str, tuple[Callable[..., Parsed], list[Any]]] = {
    "pagerduty": (
        pagerduty.read,
        [
            bodies.pagerduty("incident.triggered", bodies.SERVICE),
            bodies.pagerduty("incident.resolved", bodies.USER),
            bodies.pagerduty("incident.annotated", bodies.USER, {"type": "x", "incident": {"id": "Q9"}}),
        ],
    ),
    "opsgenie": (opsgenie.read, [bodies.opsgenie("Create"), bodies.opsgenie("Snooze", snoozedUntil=1_795_700_000_000)]),
    "servicenow": (
        servicenow.read,
        [bodies.servicenow("New"), {"records": [bodies.servicenow("2", changed=["state"]), bodies.servicenow("6")]}],
    ),
}
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**63, 10**40, 1e300, -1e-300, 1_795_597_200_000]),
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\0", "null", "{{ x }}", "x" * 300, "y" * 3000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00",
         "2026-11-25T09:00:00Z", "\u202eevil", "incident.merged", "Close", "-7", "incident", "user_reference"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

ONE_BY_ONE: list[Any] = [
    *(None, True, -1, 1e300, 10**40, "", "\0", "x" * 100_000, [], {}, [{}], [[]] * 1000, {"id": 7}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*path, number))
    return found


def changed(document: Any, changes: list[tuple[int, Any, bool]]) -> Any:
    """A copy with other values at some places, or without them."""
    document = msgspec.json.decode(msgspec.json.encode(document))
    for number, value, is_missing in changes:
        every = places(document)
        if not every:
            return document
        path = every[number % len(every)]
        inner = document
        for step in path[:-1]:
            inner = inner[step]
        if is_missing and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
    return document


def check(source: str, document: Any) -> None:
    """Fail where reading raises anything but BadRequest, or where what was read is no event within its limits."""
    try:
        parsed = SOURCES[source][0](document, OPTIONS, AGENTS, RECEIVED_AT)
    except BadRequest as error:
        assert 400 <= error.status < 500  # noqa: PT017 - both ways are right
        return
    parsed = add_worked(parsed, source, AGENTS, MemoryExpiringStore())
    assert parsed.items or parsed.refused or parsed.ignored
    for part in parsed.refused:
        assert part.where
        assert part.reason.isidentifier()
    for item in parsed.items:
        assert isinstance(item.subject, Named)
        check_event(item.subject.id, item if isinstance(item, Act) else None)
        if item.alert is not None:
            alert = item.alert
            assert all(0 < len(text) <= limits.NAME_LENGTH for _, text in alert.owners)
            raised = Raised(
                at=moment(alert.at), alert_id=item.subject.id, team="t", rule=alert.rule or "r",
                entity=alert.entity or "e", severity=alert.severity, source=source, title=alert.title,
                labels=dict(alert.labels),
            )  # fmt: skip
            assert decode_event(encode_event(raised)) == raised


def check_event(alert_id: str, act: Act | None) -> None:
    """Fail where an act is no event."""
    if act is None:
        return
    until = None if act.until is None else moment(act.until)
    acted = Acted(
        at=moment(act.at), alert_id=alert_id, team="t", action_id=act.action_id or "a", kind=act.kind, actor=act.actor,
        agent=act.agent, reason=act.reason, until=until,
    )  # fmt: skip
    assert decode_event(encode_event(acted)) == acted


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(which=st.integers(0, 2), changes=st.lists(st.tuples(st.integers(0, 400), VALUES, st.booleans()), max_size=4))
def test_every_field_wrong_missing_or_hostile(source: str, which: int, changes: list[tuple[int, Any, bool]]) -> None:
    """Bodies with a few fields that are anything, or are not there."""
    documents = SOURCES[source][1]
    check(source, changed(documents[which % len(documents)], changes))


@pytest.mark.parametrize("source", SOURCES)
def test_each_field_by_itself(source: str) -> None:
    """Each field of each body in turn: missing, null, of each type, huge, with NUL."""
    for document in SOURCES[source][1]:
        for number in range(len(places(document))):
            check(source, changed(document, [(number, None, True)]))
            for value in ONE_BY_ONE:
                check(source, changed(document, [(number, value, False)]))


@pytest.mark.parametrize("source", SOURCES)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=VALUES)
def test_bodies_that_are_anything(source: str, document: Any) -> None:
    """Nothing of the form is there at all."""
    check(source, document)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "make"),
    [
        (
            "pagerduty",
            lambda: bodies.pagerduty("incident.triggered", None, bodies.incident(teams=[{"summary": "t"}] * 200_000)),
        ),
        (
            "opsgenie",
            lambda: bodies.opsgenie("Create", tags=["a:b"] * 200_000, details={str(n): "x" for n in range(200_000)}),
        ),
        ("servicenow", lambda: [bodies.servicenow("New")] * limits.RECORDS),
        ("opsgenie", lambda: bodies.opsgenie("Create", message="1" * 5_000_000)),
    ],
    ids=["teams", "tags", "records", "title"],
)
def test_huge_bodies_take_no_time(source: str, make: Callable[[], Any]) -> None:
    """Lists are read up to a limit, and texts once."""
    huge = make()
    begun = time.process_time()
    check(source, huge)
    assert time.process_time() - begun < 10.0
