"""A rule's standing in words: what it does now, what is missing, and the command that takes it further."""

import pytest
from msgspec.structs import replace

from stream.core.ladder import Regime
from stream.core.observations import HOUR
from stream.core.records import Mode
from stream.rule_standing import StandingSummary, is_stale, pace_words, summaries_of, summary_of
from stream.rule_state import Standing
from tests.standings import DAY, NOW, rule_of, standing_of


@pytest.mark.parametrize(
    ("standing", "acts", "to_proof", "next_"),
    [
        (standing_of(), "is in shadow: says what it would do, and does nothing", 129, ""),
        (
            standing_of(400, 1.0),
            "is in shadow: says what it would do, and does nothing",
            0,
            "noisegate rules arm night-disks --to pause",
        ),
        (standing_of(400, 1.0, rule=rule_of(mode="shadow")), "is in shadow: says what it would do", 0, ""),
        (standing_of(400, 1.0, rule=rule_of(mode="score")), "does nothing, as its file says", 0, ""),
        (
            standing_of(400, 1.0, "pause"),
            "pauses alerts since 2026-03-02 07:00 UTC, armed by ann; 50 % of the hours of each team are left alone",
            0,
            "",
        ),
        (standing_of(60, 30.0), "is in shadow: says what it would do, and does nothing", None, ""),
        (
            standing_of(400, 1.0, "pause", tripped="its risk rose"),
            "is in shadow: says what it would do, and does nothing",
            None,
            "",
        ),
        (
            replace(standing_of(400, 1.0, "pause"), loaded=False),
            "no file of rules holds it any more, so it does nothing",
            0,
            "",
        ),
    ],
)
def test_a_standing_in_words(standing: Standing, acts: str, to_proof: int | None, next_: str) -> None:
    """Shadow, proven, armed, failed, tripped or gone: each has its sentence, and a command only where it would help."""
    found = summary_of("night-disks", standing)
    assert found.acts.startswith(acts)
    assert found.next == next_
    if to_proof is None:
        assert found.state == "failed"
    else:
        assert found.to_proof == to_proof
        assert not to_proof or found.why.endswith(f"; proven after {to_proof} more without one")


def test_an_arming_to_come_is_told_beside_what_the_rule_does_now() -> None:
    """Armed to close a few minutes ago: it pauses as before, and closes from the next full hour on."""
    standing = standing_of(400, 1.0, "pause", at=NOW)
    standing.ladder.regimes.append(Regime(int(NOW // HOUR) + 1, "close", 0.5, by="bob"))
    assert summary_of("night-disks", standing).acts == (
        "pauses alerts since 2026-03-02 07:00 UTC, armed by ann, and closes them from 2026-03-02 10:00 UTC on;"
        " 50 % of the hours of each team are left alone"
    )


def test_days_to_proof_are_of_the_rules_own_volume() -> None:
    """129 missing at 3.1 a day are 42 days; of a rule that matches nothing there are none."""
    found = summary_of("a", standing_of())
    assert found.days == pytest.approx(129 / 3.1)
    assert summary_of("a", replace(standing_of(), daily=0.0)).days is None


def test_rules_that_act_come_first_and_those_that_are_gone_last() -> None:
    """Whatever the names."""
    standings = {
        "a": replace(standing_of(), loaded=False),
        "b": standing_of(),
        "c": standing_of(400, 1.0, "pause"),
    }
    found: list[tuple[str, Mode]] = [(one.name, one.mode) for one in summaries_of(standings)]
    assert found == [("c", "pause"), ("b", "shadow"), ("a", "shadow")]


def test_standings_that_nobody_renews_are_stale() -> None:
    """After ten minutes; without a standing there is nothing to be stale."""
    assert not is_stale({"a": standing_of()}, NOW + 600.0)
    assert is_stale({"a": standing_of()}, NOW + 601.0)
    assert not is_stale({}, NOW + DAY)


def test_a_close_is_offered_after_two_weeks_of_pause() -> None:
    """Before that the closer would refuse it."""
    standing = standing_of(400, 1.0, "pause")

    def later(days: float) -> StandingSummary:
        return summary_of("night-disks", replace(standing, at=NOW + days * DAY))

    assert later(13.0).next == ""
    assert later(14.0).next == "noisegate rules arm night-disks --to close"


def test_a_pace_is_not_known_before_the_first_observation() -> None:
    """What was loaded today will be counted; `never` would be a lie."""
    assert pace_words(summary_of("a", standing_of())) == "42 days at 3.1 observations a day"
    assert pace_words(summary_of("a", replace(standing_of(), daily=0.0))) == "not known before its first observation"
