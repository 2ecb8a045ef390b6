"""What closers see that keeps rules from acting, as people read it."""

from msgspec.structs import replace

from stream.rule_brakes import SEEN_SECONDS, HeldBrakes, RuleBrakes, merge_brakes
from stream.rule_standing import summary_of
from tests.standings import standing_of

NOW = 1_772_442_000.0


def test_what_all_closers_see_is_put_together() -> None:
    """Each sentence once, counts added up, and nothing that a closer left which runs no more."""
    one = HeldBrakes(
        at=NOW, files="a.toml:3: x", everything=("away",), models={"m": "old"}, blocked={"r": {"cut": 2}, "q": {"b": 4}}
    )
    two = HeldBrakes(
        at=NOW - 3.0, everything=("away", "none"), rules={"r": "expired"}, blocked={"r": {"cut": 3, "b": 9, "c": 4}}
    )
    gone = HeldBrakes(at=NOW - SEEN_SECONDS - 1.0, files="b.toml", everything=("past",), blocked={"r": {"cut": 90}})
    found = merge_brakes([one, two, gone], NOW)
    assert found == RuleBrakes(
        files=["a.toml:3: x"], everything=["away", "none"], models={"m": "old"}, rules={"r": "expired"},
        blocked={"r": {"b": 9, "cut": 5}},
    )  # fmt: skip
    assert found.sentences == [
        "a.toml:3: x; the closer goes on with the last good ones",
        "no rule acts: away",
        "no rule acts: none",
    ]
    assert (found.sentences_of("r", ["m", "n"]), found.sentences_of("s", ["n"])) == (["expired", "old"], [])
    assert merge_brakes([gone], NOW) == RuleBrakes()


def test_a_standing_names_its_own_brakes() -> None:
    """Those of its models and of its file; a rule that no file holds does nothing anyway."""
    brakes = RuleBrakes(models={"m": "model m is old"}, rules={"other": "it expired"}, blocked={"a": {"cut": 3}})
    standing = replace(standing_of(), ready=("m",))
    found = summary_of("a", standing, brakes)
    assert (found.brakes, found.blocked) == (["model m is old"], "3: cut")
    assert summary_of("a", replace(standing, loaded=False), brakes).brakes == []
    acting = replace(standing, ready=(), verdict=replace(standing.verdict, mode="pause"))
    assert summary_of("a", acting).brakes == ["no model has enough observations of its own under it"]
