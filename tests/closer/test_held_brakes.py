"""What a closer leaves for people of what keeps rules from acting."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from stream.closer.brakes import NO_PROMETHEUS, BlockTally, BrakeWatch
from stream.closer.peers import PeerWatch
from stream.closer.rule_watch import RuleWatch
from stream.closer.situation import SituationWatch
from stream.core.errors import RulesError
from stream.core.problem import DAY_SECONDS
from stream.metrics.closer import CloserMetrics
from stream.rule_brakes import NO_HISTORY, HeldBrakes
from stream.rule_state import PauseAll
from tests.closer.memory_peers import MemoryPeers
from tests.closer.test_situation import Answers, Shared
from tests.core.outcomes import MODEL, T0
from tests.core.test_decisions import NAME
from tests.triage.records import decision

BLOCKED = {NAME: {"its labels were cut": 3}}


class Rig:
    """A watch whose clocks a test sets, and what it left; while `away` is set, that fails as without Redis."""

    def __init__(self, *rules: Path, asks: bool = True) -> None:
        self.shared, self.prometheus, self.now = Shared(), Answers(), T0
        self.left, self.away = list[HeldBrakes | None](), False
        metrics = CloserMetrics()
        self.brakes = BrakeWatch(self.prometheus if asks else None, 90.0, lambda: self.now, lambda: self.now)
        self.watch = SituationWatch(
            self.shared,
            self.shared,
            RuleWatch(rules, metrics),
            self.brakes,
            PeerWatch("one", MemoryPeers(), "salt", metrics, lambda: self.now),
            metrics,
            "salt",
            300.0,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
            blocked=lambda now: BLOCKED,
            leave=self._leave,
        )

    def held(self) -> HeldBrakes:
        """What is left after three seconds more."""
        self.now += 3.0
        self.brakes.look()
        self.watch.refresh()
        assert self.left[-1] is not None
        return self.left[-1]

    def _leave(self, held: HeldBrakes | None) -> None:
        if self.away:
            raise RulesError("Redis does not answer")
        self.left.append(held)


def test_brakes_are_left_every_two_seconds() -> None:
    """As long as Redis takes them; and taken away when the closer ends."""
    rig = Rig()
    rig.brakes.look()
    for away in (False, False, False, False, True, True, False, False, False):
        rig.away = away
        rig.watch.refresh()
        rig.now += 0.5
    rig.watch.stop()
    assert [held and held.at for held in rig.left] == [T0, T0 + 4.0, None]
    assert rig.left[0] == HeldBrakes(at=T0, blocked=BLOCKED)


def test_every_brake_is_left_in_words() -> None:
    """Of models only those that may act by some rule; what nobody can see of models is one sentence for all."""
    rig = Rig()
    rig.prometheus.drifting = {(MODEL, "score"): 0.4, ("other", "score"): 0.5}
    rig.watch.history_away = True
    held = rig.held()
    assert held.everything == (NO_HISTORY,)
    assert held.models == {MODEL: f"score of model {MODEL} drifts: PSI 0.40 over 24h"}
    rig.prometheus.drifting, rig.prometheus.created = {}, {MODEL: T0 - 91 * DAY_SECONDS}
    rig.watch.history_away = False
    assert rig.held().models == {MODEL: f"model {MODEL} is 91 days old, at most 90 are allowed"}
    blind = Rig(asks=False)
    for order in (None, PauseAll(by="ann", at=T0)):  # which people see for themselves
        blind.shared.order = order
        held = blind.held()
        assert (held.everything, held.models) == ((NO_PROMETHEUS,), {})


@pytest.mark.expects_errors
def test_broken_files_and_ended_rules_are_left_in_words(tmp_path: Path) -> None:
    """With file, line and mend."""
    file, rule = tmp_path / "rules.toml", '[[rule]]\nname = "old"\nowner = "o"\nmatch = {{ team = "t" }}\n{}\n'
    file.write_text(rule.format("max_probability = 0.1\nexpires = 2026-02-01"))
    rig = Rig(file)
    assert rig.held().rules == {"old": "it expired on 2026-02-02"}
    file.write_text(rule.format("max_probability = 7"))
    held = rig.held()
    assert held.files.startswith(f"the rules in use are not those of the files: {file}:5: ")
    assert held.rules == {"old": "it expired on 2026-02-02"}


def test_blocks_are_counted_for_an_hour() -> None:
    """By rule and why; nothing else is counted."""
    tally, block = BlockTally(), decision("A1", "blocked", why="its labels were cut")
    tally.count([block, block, decision("A2", "pause"), decision("A3", "none", by_rule=None)], T0)
    tally.count([replace(block, why="its rule is in a flood")], T0 + 1_800.0)
    both = {"its labels were cut": 2, "its rule is in a flood": 1}
    assert tally.of_last_hour(T0 + 2_000.0) == {"night-disks": both}
    assert tally.of_last_hour(T0 + 3_700.0) == {"night-disks": {"its rule is in a flood": 1}}
    assert tally.of_last_hour(T0 + 9_000.0) == {}
