"""The closed table of kinds is the documented one, and says which are noisegate's own."""

import pytest

from stream.core.kinds import (
    BY_HAND,
    BY_MACHINE,
    DRILL_TEAM,
    ENDED_BY_RULE,
    KINDS,
    RESERVED,
    acted_by,
    is_drill,
    split_kind,
)
from tests.servers.kafka import ROOT

PAGE = (ROOT / "docs" / "PROBLEM.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_known_kind_stands_in_the_docs(kind: str) -> None:
    """Who writes a problem file finds each kind there."""
    assert f"`{kind}`" in PAGE


def test_reserved_kinds_are_known_kinds() -> None:
    """Those that end a clock are among those that only noisegate writes."""
    assert ENDED_BY_RULE < RESERVED < set(KINDS)


def test_an_entry_is_a_kind_and_perhaps_an_agent() -> None:
    """Only the two agents part; anything else after an @ belongs to the kind."""
    assert split_kind("a@person@automation") == ("a@person", "automation")
    assert split_kind("mail@example") == ("mail@example", None)


def test_only_one_team_drills() -> None:
    """Its name is exact."""
    assert [is_drill(team) for team in (DRILL_TEAM, DRILL_TEAM.upper(), f"{DRILL_TEAM}-2", "")] == [True] + [False] * 3


def test_kinds_that_say_who_did_it() -> None:
    """Every reserved kind is a machine's, none is both, all are known, and the docs name those of people."""
    assert RESERVED < BY_MACHINE < set(KINDS)
    assert set(KINDS) > BY_HAND
    assert not BY_HAND & BY_MACHINE
    line = next(line for line in PAGE.split("\n- ") if "counts acts of people" in line.replace("\n  ", " "))
    assert all(f"`{kind}`" in line for kind in BY_HAND | (BY_MACHINE - RESERVED))


@pytest.mark.parametrize("kind", [*KINDS, "restarted"])
def test_an_agent_goes_before_everything(kind: str) -> None:
    """Who is named did it; without a name the kind says it, or the problem file, or nobody knows."""
    assert acted_by(kind, "person", ()) == "person"
    assert acted_by(kind, "automation", [kind]) == "automation"
    nobody = "automation" if kind in BY_MACHINE else "person"
    assert acted_by(kind, None, [kind]) == nobody
    assert acted_by(kind, None, [f"{kind}@person"]) == (nobody if kind in BY_HAND | BY_MACHINE else "unknown")
