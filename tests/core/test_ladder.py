"""How a rule climbs: starts, arming, hold-out, the second proof, falling back."""

import math
from typing import Any

import msgspec
import pytest

from stream.core.errors import RulesError
from stream.core.ladder import Ladder, Regime, Start, first_load, is_ready
from stream.core.observations import hour_of
from stream.core.proof import Tally, alpha_of
from stream.core.rules import Rule
from tests.core.outcomes import DAY, HOUR, T0

DAYS = list(range(100, 107))
PROVEN, HARD_PROVEN = Tally(400, 0.0, DAYS), Tally(900, 0.0, DAYS)
LIKELY_BAD = Tally(60, 30.0, DAYS)


def make_rule(**change: Any) -> Rule:
    """A rule that may close, as a file would say it."""
    table = {"name": "night-disks", "owner": "payments", "match": {"rule": "disk_*"}, "max_probability": 0.1}
    return msgspec.convert({**table, "mode": "close", "risk": 0.05, **change}, Rule)


def loaded(**change: Any) -> Ladder:
    """The rule, loaded at T0 for the first time."""
    return first_load(make_rule(**change), T0)


def paused() -> Ladder:
    """The rule, armed to pause twenty days later by its first proof."""
    ladder = loaded()
    ladder.arm("pause", "eva", {1: PROVEN}, T0 + 20 * DAY)
    return ladder


def test_only_hours_after_the_first_load_count() -> None:
    """A version loaded at half past nine begins with the hour of ten, so the past that chose it proves nothing."""
    ladder = first_load(make_rule(), T0 + 1_800.0)
    hour = hour_of(T0)
    assert ladder.starts_of(hour, 0.5) == []
    assert ladder.starts_of(hour + 1, 0.5) == [Start(1, hour + 1)]


def test_in_shadow_every_hour_counts_whatever_its_draw() -> None:
    """Nothing was touched, so there is no hold-out."""
    ladder = loaded()
    assert ladder.starts_of(hour_of(T0) + 1, 0.999) == [ladder.standing]


def test_what_is_not_proven_can_t_be_armed() -> None:
    """The refusal names the state and what is missing."""
    with pytest.raises(RulesError, match=r"night-disks can't be armed: inconclusive: 143 observations.*wait until"):
        loaded().arm("pause", "eva", {1: Tally(143, 2.0, DAYS)}, T0 + DAY)


def test_a_proven_rule_acts_only_once_a_person_armed_it() -> None:
    """Proven in shadow, it stays there and says that nobody armed it; from the full hour after the arming it acts."""
    ladder = loaded()
    verdict = ladder.verdict({1: PROVEN}, T0 + 20 * DAY)
    assert (verdict.mode, verdict.proof.state) == ("shadow", "proven")
    assert verdict.why.endswith("; nobody armed it")
    ladder.arm("pause", "eva", {1: PROVEN}, T0 + 20 * DAY + 60.0)
    assert ladder.verdict({1: PROVEN}, T0 + 20 * DAY + 120.0).mode == "shadow"
    after = ladder.verdict({1: PROVEN}, T0 + 20 * DAY + HOUR)
    assert (after.mode, after.share, after.regime_hour) == ("pause", 0.5, hour_of(T0 + 20 * DAY) + 1)
    assert ladder.regimes[-1].by == "eva"


def test_an_armed_rule_stops_when_its_proof_is_gone() -> None:
    """The present E decides: with more acted on the rule is inconclusive and back in shadow, armed as it is."""
    ladder = paused()
    now = T0 + 21 * DAY
    assert ladder.verdict({1: PROVEN}, now).mode == "pause"
    assert ladder.verdict({1: Tally(420, 15.0, DAYS)}, now).mode == "shadow"
    assert ladder.verdict({1: PROVEN}, now).mode == "pause"


def test_once_armed_only_the_hold_out_counts() -> None:
    """An hour drawn below the share counts for the standing proof and the second; one above it for neither."""
    ladder = paused()
    hour = hour_of(T0 + 20 * DAY)
    assert ladder.starts_of(hour, 0.49) == [Start(1, hour_of(T0)), Start(2, hour)]
    assert ladder.starts_of(hour, 0.5) == []
    assert ladder.starts_of(hour - 1, 0.99) == [Start(1, hour_of(T0))]


def test_the_share_steps_down_and_never_rises() -> None:
    """It follows the highest E of this arming's own observations, however E falls later."""
    ladder, seen = paused(), []
    alpha = alpha_of(2)
    for observations, acted in ((100, 0.0), (210, 0.0), (255, 0.0), (310, 0.0), (310, 9.0), (400, 0.0)):
        ladder.progress({1: PROVEN, 2: Tally(observations, acted, DAYS)}, T0 + 30 * DAY)
        seen.append(ladder.regimes[-1].share)
    assert seen == sorted(seen, reverse=True)
    assert (seen[0], seen[-1]) == (0.5, 0.05)
    assert ladder.regimes[-1].highest > math.log(1_000) > math.log(alpha)


def test_the_floor_of_a_rule_is_kept() -> None:
    """A rule that wants a larger hold-out gets it at every step."""
    ladder = loaded(holdout_floor=0.3)
    ladder.arm("pause", "eva", {1: PROVEN}, T0 + 20 * DAY)
    ladder.progress({1: PROVEN, 2: HARD_PROVEN}, T0 + 30 * DAY)
    assert ladder.regimes[-1].share == 0.3


def test_a_step_can_t_be_skipped() -> None:
    """From shadow to close, beyond the rule's own mode, to what it does already, or to nothing: each is refused."""
    with pytest.raises(RulesError, match="has not paused yet"):
        loaded().arm("close", "eva", {1: PROVEN}, T0 + 30 * DAY)
    with pytest.raises(RulesError, match=r"mode = 'shadow'"):
        loaded(mode="shadow").arm("pause", "eva", {1: PROVEN}, T0 + 30 * DAY)
    with pytest.raises(RulesError, match="armed to pause already"):
        paused().arm("pause", "eva", {1: PROVEN}, T0 + 30 * DAY)
    with pytest.raises(RulesError, match="can't be armed to shadow"):
        loaded().arm("shadow", "eva", {1: PROVEN}, T0 + 30 * DAY)


def test_close_needs_two_weeks_of_pause_and_a_second_proof() -> None:
    """Thirteen days are too few; a first proof alone is not enough; with both the hold-out's proof stands."""
    ladder = paused()
    armed_at = T0 + 20 * DAY
    with pytest.raises(RulesError, match=r"paused for 13.0 days, 14 are needed; arm it to close after 2026-04-04"):
        ladder.arm("close", "eva", {1: PROVEN, 2: PROVEN}, armed_at + 13 * DAY)
    with pytest.raises(RulesError, match="needs a second proof from its hold-out: inconclusive: 0 observations"):
        ladder.arm("close", "eva", {1: PROVEN}, armed_at + 15 * DAY)
    ladder.arm("close", "eva", {1: PROVEN, 2: PROVEN}, armed_at + 15 * DAY)
    assert (ladder.standing.number, ladder.second) == (2, Start(3, hour_of(armed_at + 15 * DAY)))
    assert ladder.verdict({2: PROVEN}, armed_at + 15 * DAY).mode == "close"
    assert ladder.regimes[-1].share == 0.5


def test_an_edit_disarms_and_starts_anew() -> None:
    """Another match, probability or limit is another version: back to shadow, from zero, at the next alpha."""
    ladder = paused()
    assert not ladder.edit(make_rule(pause_minutes=20, max_per_hour=5), T0 + 21 * DAY)
    assert ladder.regimes[-1].mode == "pause"
    assert ladder.edit(make_rule(max_probability=0.2), T0 + 21 * DAY)
    assert (ladder.standing.number, ladder.second, ladder.starts) == (3, None, 3)
    assert ladder.verdict({1: PROVEN, 2: PROVEN}, T0 + 21 * DAY).mode == "shadow"


def test_a_lower_mode_in_the_file_holds_at_once() -> None:
    """The owner who writes mode = "shadow" stops the rule without an edit of its version."""
    ladder = paused()
    assert not ladder.edit(make_rule(mode="shadow"), T0 + 21 * DAY)
    assert ladder.verdict({1: PROVEN}, T0 + 21 * DAY).mode == "shadow"


def test_disarming_holds_at_once_and_keeps_the_proof() -> None:
    """Within the hour nothing more is acted on; hours touched before still count by their draw only."""
    ladder = paused()
    at = T0 + 22 * DAY + 60.0
    ladder.disarm("eva", at)
    assert ladder.verdict({1: PROVEN}, at).mode == "shadow"
    hour = hour_of(at)
    assert (ladder.starts_of(hour, 0.6), ladder.starts_of(hour + 1, 0.6)) == ([], [Start(1, hour_of(T0))])
    ladder.arm("pause", "tom", {1: PROVEN}, at + DAY)
    assert ladder.second is not None
    assert ladder.second.number == 3


def test_a_proof_ends_after_ninety_days_and_starts_from_zero() -> None:
    """In shadow: the next start has the next alpha, and only what is raised from then on counts."""
    ladder = loaded()
    assert ladder.progress({1: PROVEN}, T0 + 90 * DAY - 1.0) is None
    assert "starts from zero" in (ladder.progress({1: PROVEN}, T0 + 90 * DAY) or "")
    assert ladder.standing == Start(2, hour_of(T0 + 90 * DAY))
    assert ladder.verdict({1: PROVEN}, T0 + 91 * DAY).proof.state == "inconclusive"


def test_an_armed_rule_goes_on_by_its_hold_out_or_falls_back() -> None:
    """When the first proof ends, the hold-out's stands if it is proven; else the rule is back in shadow from zero."""
    good = paused()
    assert "goes on" in (good.progress({1: PROVEN, 2: PROVEN}, T0 + 90 * DAY) or "")
    assert good.verdict({2: PROVEN}, T0 + 90 * DAY).mode == "pause"
    assert (good.standing.number, good.second) == (2, Start(3, hour_of(T0 + 90 * DAY)))
    weak = paused()
    assert "back in shadow" in (weak.progress({1: PROVEN, 2: Tally(50, 0.0, DAYS)}, T0 + 90 * DAY) or "")
    assert (weak.verdict({1: PROVEN, 2: PROVEN}, T0 + 91 * DAY).mode, weak.second) == ("shadow", None)


def test_failed_beats_proven_and_disarms() -> None:
    """A hold-out that surely passes the limit stops the rule at once, whatever the first proof says."""
    ladder = paused()
    tallies = {1: PROVEN, 2: LIKELY_BAD}
    assert ladder.verdict(tallies, T0 + 30 * DAY).proof.state == "failed"
    assert "failed" in (ladder.progress(tallies, T0 + 30 * DAY) or "")
    assert ladder.verdict({}, T0 + 31 * DAY).why.startswith("failed: tripped")


def test_a_tripped_rule_is_armed_again_by_a_person_only() -> None:
    """It stays failed however good the observations since are, until it is armed on a proof begun after the trip."""
    ladder = paused()
    ladder.trip("3 of 5 held-out hours were acted on", T0 + 30 * DAY)
    number = ladder.standing.number
    verdict = ladder.verdict({number: PROVEN}, T0 + 60 * DAY)
    assert (verdict.mode, verdict.proof.state) == ("shadow", "failed")
    assert "3 of 5" in verdict.why
    with pytest.raises(RulesError, match="can't be armed"):
        ladder.arm("pause", "eva", {1: PROVEN, 2: PROVEN}, T0 + 60 * DAY)
    ladder.arm("pause", "eva", {number: PROVEN}, T0 + 60 * DAY)
    assert ladder.verdict({number: PROVEN}, T0 + 60 * DAY).mode == "pause"


@pytest.mark.parametrize(
    ("n", "acted", "ready"), [(29, 0.0, False), (30, 0.0, True), (30, 1.5, True), (30, 1.6, False)]
)
def test_a_champion_acts_after_thirty_observations_of_its_own(n: int, acted: float, ready: bool) -> None:
    """Whose mean is within the limit: here 5 %."""
    assert is_ready(Tally(n, acted), 0.05) is ready


def test_a_ladder_packs_and_unpacks() -> None:
    """What is kept in Redis is what was there, regimes and starts included."""
    ladder = paused()
    ladder.progress({2: HARD_PROVEN}, T0 + 30 * DAY)
    packed = msgspec.msgpack.encode(ladder)
    assert msgspec.msgpack.decode(packed, type=Ladder) == ladder
    assert isinstance(ladder.regimes[-1], Regime)
    assert len(packed) < 400
