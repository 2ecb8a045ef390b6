"""The digest of an owner's rules."""

from functools import partial
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.core.records import Decision, Outcome
from stream.html import page_address
from stream.rule_digest import SHOWN, Digest, as_markdown, digests_of
from tests.triage.records import NOW, at, decision, outcome

OWNERS = {"night-disks": "payments", "quiet": "payments", "other": "shops"}
HOUR = 3_600.0


def deed(alert_id: str, name: str = "pause", minutes: float = 1.0, **fields: Any) -> Decision:
    """A pause by the rule night-disks, so many minutes after the start."""
    return decision(alert_id, name, mode="pause", decided_at=at(60 * minutes), **fields)


def acted_on(alert_id: str, minutes: float = 0.0, **fields: Any) -> Outcome:
    """An alert that people acted on, raised so many minutes after the start."""
    return outcome(alert_id, "actionable", "worked", raised_at=at(60 * minutes), **fields)


def digest(*records: Decision | Outcome) -> Digest:
    """Of the team payments, over the day."""
    decisions = [one for one in records if isinstance(one, Decision)]
    outcomes = [one for one in records if isinstance(one, Outcome)]
    found = digests_of(
        decisions, outcomes, OWNERS, NOW, NOW + 24 * HOUR, partial(page_address, "http://page/{team}/{alert_id}")
    )
    assert [one.owner for one in found] == ["payments", "shops"]
    return found[0]


def test_what_a_rule_did_is_counted() -> None:
    """Pauses, closures and returns of the span; a record that comes again counts once; what came before does not."""
    found = digest(
        deed("A1"), deed("A1"), deed("A2", "close"), deed("A1", "release", 11.0), deed("A3", minutes=-5.0),
        decision("A4", "would_pause", decided_at=at(60)), acted_on("A2"), outcome("A1"),
    )  # fmt: skip
    rule, quiet = found.rules
    assert (rule.paused, rule.closed, rule.released, rule.acted_on) == (1, 1, 1, 1)
    assert quiet == msgspec.structs.replace(quiet, rule="quiet", paused=0, closed=0)
    assert [one.alert_id for one in found.likeliest_wrong] == ["A2", "A1"]


def test_a_near_miss_is_an_act_on_the_entity_within_two_hours() -> None:
    """Not on the alert itself, not on another entity, not later, and not before."""
    found = digest(
        *(deed(f"A{n}", entity=f"db-{n}") for n in range(5)),
        acted_on("B0", 120.0, entity="db-0"), acted_on("A1", 1.5, entity="db-1"),
        acted_on("B2", 122.0, entity="db-2"), acted_on("B3", 0.5, entity="db-3"), acted_on("B4", 5.0, entity="else"),
    )  # fmt: skip
    assert [(one.alert_id, one.near_miss) for one in found.likeliest_wrong if one.near_miss] == [("A0", "B0")]
    assert found.rules[0].near_misses == 1


def test_the_likeliest_to_be_wrong_are_five() -> None:
    """First what people acted on, then near-misses, then by probability."""
    deeds = [deed(f"A{n}", probability=n / 100, entity=f"db-{n}") for n in range(8)]
    found = digest(*deeds, acted_on("A1", entity="db-1"), acted_on("B0", 9.0, entity="db-0"))
    assert len(found.likeliest_wrong) == SHOWN
    assert [one.alert_id for one in found.likeliest_wrong] == ["A1", "A0", "A7", "A6", "A5"]
    assert [one.words for one in found.likeliest_wrong[:3]] == [
        "people acted on it",
        "people acted on B0 of the same entity soon after",
        "its probability is among the highest",
    ]


def test_what_was_left_alone_counts_once_its_outcome_is_decided() -> None:
    """Also of the days before, and only as a number: the base rate beside the near-misses."""
    found = digest(
        deed("A1", "hold_out", -600.0), deed("A2", "hold_out"), deed("A3", "hold_out"), deed("A4", "hold_out"),
        outcome("A1"), acted_on("A2"), outcome("A4", "unknown", "expiry"),
    )  # fmt: skip
    rule = found.rules[0]
    assert (rule.left_alone, rule.left_alone_acted, rule.left_alone_followed) == (2, 1, 0)
    assert found.likeliest_wrong == []
    text = as_markdown(found) + msgspec.json.encode(found).decode()
    assert not any(name in text for name in ("A1", "A2", "A3", "A4"))


def test_a_hostile_name_stays_text() -> None:
    """Neither a link, nor a column, nor markup, nor a line of its own."""
    found = digest(deed("[x](http://evil)|<b>\n# A", entity="`a`*b*"))
    text = as_markdown(found)
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 2
    assert "\\[x\\](http://evil)\\|\\<b\\> \\# A" in text
    assert "\\`a\\`\\*b\\*" in text


def test_the_event_reads_back() -> None:
    """The line of JSON holds its type, and decodes to the same digest."""
    found = digest(deed("A1"), acted_on("A1"))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Digest) == found
    assert b'"type":"rules_digest"' in msgspec.json.encode(found)


@given(st.permutations([deed(f"A{n}", kind) for n, kind in enumerate(("pause", "close", "hold_out", "release") * 2)]))
def test_the_order_of_records_does_not_matter(decisions: list[Decision]) -> None:
    """Partitions are read in any order."""
    outcomes = [acted_on(f"A{n}", n) for n in range(8)]
    assert digest(*decisions, *outcomes).rules == digest(*reversed(decisions), *reversed(outcomes)).rules
