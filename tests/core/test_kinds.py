"""The closed table of kinds is the documented one, and says which are noisegate's own."""

import pytest

from stream.core.kinds import DRILL_TEAM, ENDED_BY_RULE, KINDS, RESERVED, is_drill, split_kind
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
