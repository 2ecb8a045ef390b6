"""The owner of the ladders: commands once, files followed, standings, log and gauges."""

import msgspec
import pytest

from stream.closer.tallies import PartTallies
from stream.core.proof import alpha_of
from stream.core.tallies import RuleTallies
from stream.rule_state import Command
from tests.closer.judges import RULE, Judges, armed, proven
from tests.core.outcomes import DAY, T0
from tests.core.test_ladder import PROVEN, make_rule


def test_a_command_is_done_once_whatever_is_repeated() -> None:
    """A worker that ends between write and publication leaves the command; its result is published, not done again."""
    judges = proven()
    judges.order("arm", RULE.name, "pause", "first")
    starts = judges.standing(RULE.name).ladder.starts
    for number in range(3):
        judges.crash(0)
        judges.order("disarm", RULE.name, name=f"d{number}")
        judges.order("arm", RULE.name, "pause", "first")  # the same id, left again
    assert judges.standing(RULE.name).ladder.regimes[-1].mode == "shadow"
    assert judges.standing(RULE.name).ladder.starts == starts


def test_a_worker_that_ends_before_it_publishes_is_made_up_for() -> None:
    """Written, not published: the next owner publishes the result, the standing and each line of the log once."""
    judges = proven()
    judges.order("arm", RULE.name, "pause", "c")
    judges.now += 5.0
    judges.state.send(command_to_disarm(judges.now))
    judges.folds[0].wake(judges.now)
    judges.write(0, is_published=False)
    assert judges.state.result("d") is None
    judges.crash(0)
    judges.now += 1.0
    judges.wake()
    result = judges.state.result("d")
    assert result is not None
    assert result.done
    assert judges.standing(RULE.name).ladder.regimes[-1].mode == "shadow"
    assert [one.what for one in judges.log()] == ["loaded", "armed", "disarmed"]
    judges.crash(0)
    judges.now += 1.0
    judges.wake()
    assert [one.what for one in judges.log()] == ["loaded", "armed", "disarmed"]


def command_to_disarm(at: float) -> Command:
    """A command with the id d."""
    return Command(id="d", verb="disarm", rule=RULE.name, by="eva", at=at)


@pytest.mark.parametrize(
    ("verb", "rule", "mode", "words"),
    [
        ("arm", "nights", "pause", "there is no rule nights; see `noisegate rules proof` for the names"),
        ("arm", RULE.name, "close", f"rule {RULE.name} has not paused yet, so it can't be armed to close"),
        ("arm", RULE.name, None, f"rule {RULE.name} can't be armed to nothing; arm it to pause or close"),
        ("arm", "ended", "pause", "rule ended ended on 2026-03-02, so it can't be armed; renew it"),
        ("arm", "young", "pause", "rule young can't be armed: inconclusive: 0 observations"),
        ("disarm", "nights", None, "there is no rule nights"),
    ],
)
def test_a_refused_command_says_why(verb: str, rule: str, mode: str | None, words: str) -> None:
    """The result has a sentence with a mend, and the log has it too, with who wanted it."""
    ended = make_rule(name="ended", match={"rule": "x"}, expires="2026-03-02")
    judges = proven(RULE, ended, make_rule(name="young", match={"rule": "y"}))
    result = judges.order(verb, rule, mode)
    assert not result.done
    assert result.sentence.startswith(words)
    line = judges.log()[-1]
    assert (line.what, line.rule, line.by, line.sentence) == ("refused", rule, "eva", result.sentence)


def test_an_arming_that_waited_for_over_an_hour_is_refused() -> None:
    """What spoke for it may be over; to disarm is never too late."""
    judges = proven()
    judges.state.send(Command(id="a", verb="arm", rule=RULE.name, mode="pause", by="eva", at=judges.now - 3_700.0))
    judges.now += 1.0
    judges.wake()
    result = judges.state.result("a")
    assert result is not None
    assert not result.done
    assert result.sentence.startswith(f"rule {RULE.name} was to be armed 62 min ago, while no closer ran; arm it again")


def test_the_21st_rule_is_not_armed() -> None:
    """Twenty rules may act at a time, which is what their chance of error is divided by."""
    rules = [make_rule(name=f"r{number}", match={"team": f"t{number}"}) for number in range(21)]
    judges = Judges(*rules)
    judges.wake()
    for rule in rules:
        counted = PartTallies(RuleTallies(rule.version, {1: PROVEN}))
        judges.written[1][f"tallies:{rule.name}"] = msgspec.msgpack.encode(counted)
    judges.now += 61.0
    judges.wake()
    results = [judges.order("arm", rule.name, "pause", rule.name) for rule in rules]
    assert [one.done for one in results] == [True] * 20 + [False]
    assert results[-1].sentence == (
        "rule r20 can't be armed: 20 rules are armed, which is the most that may act; disarm one first, such as r0"
    )


def test_an_edit_disarms_and_another_key_does_not() -> None:
    """Another limit is another version: shadow, from zero. A later last day is a renewal, and the rule acts on."""
    rule = make_rule(expires="2026-12-31")
    judges = armed(rule)
    judges.load_rules(make_rule(expires="2027-12-31"))
    judges.now += 1.0
    judges.wake()
    assert judges.log()[-1].sentence == f"rule {RULE.name} is renewed: its last day is 2027-12-31"
    assert judges.standing(RULE.name).verdict.mode == "pause"
    judges.load_rules(make_rule(expires="2027-12-31", max_per_hour=3, owner="web"))
    judges.now += 1.0
    judges.wake()
    assert judges.log()[-1].sentence == f"rule {RULE.name} has other owner, max_per_hour; its proof goes on"
    assert judges.standing(RULE.name).owner == "web"
    judges.load_rules(make_rule(expires="2027-12-31", risk=0.1))
    judges.now += 1.0
    judges.wake()
    standing = judges.standing(RULE.name)
    assert (judges.log()[-1].what, standing.verdict.mode) == ("edited", "shadow")
    assert (standing.verdict.proof.observations, standing.ladder.starts) == (0, 3)


def test_a_rule_that_leaves_the_files_is_disarmed_and_begins_anew() -> None:
    """It keeps its name and starts; what was raised while it was away is counted by nobody, so it starts from zero."""
    judges = armed()
    judges.load_rules()
    judges.now += 1.0
    judges.wake()
    gone = judges.standing(RULE.name)
    assert (gone.loaded, gone.verdict.mode, judges.log()[-1].what) == (False, "shadow", "disarmed")
    refused = judges.order("arm", RULE.name, "pause", "again")
    assert "is in no rule file, so it can't be armed" in refused.sentence
    judges.load_rules(RULE)
    judges.now += 1.0
    judges.wake()
    back = judges.standing(RULE.name)
    assert (back.loaded, back.ladder.starts, back.verdict.proof.observations) == (True, 3, 0)
    assert judges.log()[-1].what == "loaded"


def test_a_last_day_that_is_over_is_logged_once() -> None:
    """The log says that the rule acts no more; renewed, it goes on by its proof."""
    judges = armed(make_rule(expires="2026-03-20"))
    judges.now = T0 + 20 * DAY
    for _ in range(3):
        judges.now += 61.0
        judges.wake()
    assert [one.what for one in judges.log()].count("ended") == 1
    assert "was 2026-03-20: it acts no more until somebody renews it" in judges.log()[-1].sentence


def test_every_start_spends_alpha() -> None:
    """Each edit is a start more, under which the same observations prove less easily."""
    judges = Judges(RULE)
    judges.wake()
    for number in range(2, 6):
        judges.load_rules(make_rule(mode="close", expires=None, risk=0.05 + number / 100))
        judges.now += 1.0
        judges.wake()
        ladder = judges.standing(RULE.name).ladder
        assert ladder.standing.number == ladder.starts == number
    assert sum(alpha_of(number) for number in range(1, 1_000)) < 0.05 / 20


def test_a_day_has_one_bound() -> None:
    """The proof's bound is kept at the end of each day, and of today as it is now."""
    judges = proven()
    for _ in range(3):
        judges.now += DAY
        judges.wake()
    bounds = judges.standing(RULE.name).bounds
    days = [one.day for one in bounds]
    assert days == sorted(set(days))
    assert days[-1] == int(judges.now // DAY)
    assert bounds[-1].observations == 8 * 8 * 4


def test_the_owner_shows_the_proof_and_another_worker_shows_nothing() -> None:
    """Gauges of a rule are those of its standing, and are gone once the partition is another worker's."""
    judges = armed()
    value = judges.metrics.registry.get_sample_value
    labels = {"rule": RULE.name}
    assert value("noisegate_rule_limit", labels) == 0.05
    assert value("noisegate_rule_observations_to_proof", labels) == 0.0
    assert value("noisegate_rule_mode", {**labels, "mode": "pause"}) == 1.0
    assert value("noisegate_rule_mode", {**labels, "mode": "shadow"}) == 0.0
    judges.folds[0].close()
    assert value("noisegate_rule_limit", labels) is None


def test_ladders_that_are_not_kept_go_on_by_their_standings() -> None:
    """Where the state of the owner's partition is gone and the standings are not, no start is paid for twice."""
    judges = armed()
    before = judges.standing(RULE.name)
    judges.written[0] = {}
    judges.crash(0)
    judges.now += 1.0
    judges.wake()
    after = judges.standing(RULE.name)
    assert (after.ladder, after.bounds[:-1]) == (before.ladder, before.bounds[:-1])
    assert "loaded" not in [one.what for one in judges.log()][1:]


def test_many_rules_are_judged_some_at_a_time() -> None:
    """A pass over rules whose counts changed takes several wakes, and leaves none out."""
    rules = [make_rule(name=f"r{number}", match={"team": f"t{number}"}) for number in range(35)]
    judges = Judges(*rules)
    judges.wake()
    for rule in rules:
        counted = PartTallies(RuleTallies(rule.version, {1: PROVEN}))
        judges.written[1][f"tallies:{rule.name}"] = msgspec.msgpack.encode(counted)
    judges.now += 61.0
    counts = []
    for _ in range(4):
        judges.wake()
        counts.append(sum(one.verdict.proof.state == "proven" for one in judges.state.standings().values()))
    assert counts == [10, 20, 30, 35]
