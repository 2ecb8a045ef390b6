"""How far a rule may go: the starts of its proofs, what people armed, and what the evidence allows.

`score -> shadow -> pause -> close`: a rule climbs one step at a time, when it is proven and a person arms it, and
falls back to shadow by itself. Hours are UTC hours since 1970, other times seconds since 1970. What is counted of a
start is kept apart, in tallies by the start's number, since each partition counts its own teams.
"""

import math
from collections.abc import Mapping

from msgspec import Struct

from stream.core.errors import RulesError
from stream.core.events import moment
from stream.core.observations import HOUR, next_hour
from stream.core.problem import DAY_SECONDS
from stream.core.proof import (
    CHAMPION_OBSERVATIONS,
    PAUSE_DAYS,
    PROOF_DAYS,
    Tally,
    alpha_of,
    holdout_share,
    judge,
    log_e,
    proof_words,
    state_of,
)
from stream.core.records import Mode, Proof, ProofState
from stream.core.rules import MODES, Rule

_KEPT_REGIMES_HOURS = 24 * 400.0  # longer than any horizon: what an hour that is not observed yet may lie in


class Start(Struct, array_like=True, frozen=True):
    """Where one proof begins: the k-th under the rule's name, with the hours from `hour` on."""

    number: int
    hour: int

    def ends_at(self) -> float:
        """When the proof ends, seconds since 1970."""
        return self.hour * HOUR + PROOF_DAYS * DAY_SECONDS


class Regime(Struct, array_like=True):
    """What was armed from an hour on. In shadow nothing is acted on; else all but the hold-out share may be.

    `highest` is the highest log E + log alpha of the proof begun at this arming; the share follows it, and never rises.
    """

    hour: int
    mode: Mode
    share: float = 1.0
    highest: float = -math.inf
    by: str | None = None


class Verdict(Struct, frozen=True):
    """What the evidence allows now: `mode` is what the rule may do at most to what is raised now, and why.

    `share` is held out of what was first raised in the hours from `regime_hour` on; what was raised before is left
    alone. `armed` is what a person let it do. It holds for this version of the rule only.
    """

    version: str
    mode: Mode
    proof: Proof
    why: str
    share: float
    regime_hour: int
    armed: Mode = "shadow"


class Ladder(Struct, array_like=True):
    """One rule's standing, as it is kept.

    Attributes:
        name, version, limit, floor, highest_mode: of the rule.
        standing: the proof that the rule acts by.
        second: the proof from hold-out observations that began with the arming; None while nothing is armed.
        starts: how many there were under this name, which alpha is spent on.
        regimes: what was armed since when, in order; the last is in force from its hour on.
        tripped: why the rule fell back, until a person arms it again.
    """

    name: str
    version: str
    limit: float
    floor: float
    highest_mode: Mode
    standing: Start
    second: Start | None
    starts: int
    regimes: list[Regime]
    tripped: str | None = None

    # Which hours count.

    def regime_at(self, hour: int) -> Regime:
        """What was armed in an hour."""
        return next((regime for regime in reversed(self.regimes) if regime.hour <= hour), self.regimes[0])

    def starts_of(self, hour: int, draw: float) -> list[Start]:
        """The starts that an hour is an observation of, given its draw: none where the rule may have touched it.

        The share never rises within an arming, so a draw below it now was held out then.
        """
        regime = self.regime_at(hour)
        if regime.mode != "shadow" and draw >= regime.share:
            return []
        return [start for start in (self.standing, self.second) if start is not None and hour >= start.hour]

    # What changes.

    def edit(self, rule: Rule, at: float) -> bool:
        """Take a rule as it is loaded; another version is disarmed and starts anew. Returns whether it is another."""
        self.floor, self.highest_mode = rule.holdout_floor, rule.mode
        if rule.version == self.version:
            return False
        self.version, self.limit = rule.version, rule.risk
        self.start_anew(at)
        return True

    def start_anew(self, at: float) -> None:
        """Begin from zero in shadow, as after a time in which the rule was not loaded and nothing of it was counted."""
        self.tripped = None
        self._fall_back(at)

    def arm(self, mode: Mode, by: str, tallies: Mapping[int, Tally], at: float) -> Verdict:
        """Let the rule climb one step, from the next full hour on, as a person wants it.

        Raises:
            RulesError: the step is not the next one, the rule does not allow it, or it is not proven.
        """
        self._check_step(mode)
        proof, why = self._judge(self.standing, tallies)
        if proof.state != "proven":
            raise RulesError(f"rule {self.name} can't be armed: {why}", "wait until it is proven")
        if mode == "close":
            self._check_close(tallies, at)
            self.standing = self.second or self.standing
        hour = next_hour(at)
        self.second, self.tripped = self._start(hour), None
        self.regimes = [one for one in self.regimes if one.hour < hour]
        self.regimes.append(Regime(hour, mode, max(0.5, self.floor), by=by))
        return self.verdict(tallies, at)

    def disarm(self, by: str, at: float) -> None:
        """Stop acting at once; the proof that stands goes on."""
        self.second = None
        self._regime(at, by)

    def trip(self, why: str, at: float) -> None:
        """Fall back to shadow, failed, until a person arms the rule again; proof starts anew."""
        self.tripped = why
        self._fall_back(at)

    def progress(self, tallies: Mapping[int, Tally], at: float) -> str | None:
        """Step the share down, and end proofs whose days are over; returns what changed in words."""
        current = self.regimes[-1]
        if self.second is not None and current.mode != "shadow":
            alpha = alpha_of(self.second.number)
            tally = tallies.get(self.second.number, Tally())
            found = log_e(tally.observations, min(tally.acted, tally.observations), self.limit)
            current.highest = max(current.highest, found + math.log(alpha))
            current.share = min(current.share, holdout_share(current.highest, self.floor))
            if "failed" in [self._state(start, tallies) for start in (self.standing, self.second)]:
                self.trip("its risk is surely above the limit", at)
                return f"rule {self.name} failed and is back in shadow: its risk is surely above the limit"
        if at < self.standing.ends_at():
            return None
        if self.second is None:
            self.standing = self._start(next_hour(at))
            return f"the proof of rule {self.name} ended after {PROOF_DAYS:.0f} days and starts from zero"
        self.standing, self.second = self.second, self._start(next_hour(at))
        if self._state(self.standing, tallies) == "proven":
            return f"rule {self.name} goes on by the proof of its hold-out"
        self._fall_back(at)
        return f"the proof of rule {self.name} ended after {PROOF_DAYS:.0f} days: it is back in shadow"

    # What is allowed.

    def verdict(self, tallies: Mapping[int, Tally], at: float) -> Verdict:
        """What the rule may do now. It acts while either of its proofs is proven and neither has failed."""
        starts = [start for start in (self.second, self.standing) if start is not None]
        states = [self._state(start, tallies) for start in starts]
        state: ProofState = "failed" if "failed" in states else "proven" if "proven" in states else "inconclusive"
        proof, why = self._judge(starts[states.index(state)], tallies)
        regime = self.regime_at(int(at // HOUR))
        if self.tripped is not None:
            proof = Proof(proof.observations, proof.acted, proof.bound, proof.limit, "failed")
            why = f"failed: tripped, {self.tripped}"
            return Verdict(self.version, "shadow", proof, why, 1.0, regime.hour)
        armed = regime.mode if state == "proven" else "shadow"
        mode = min(armed, self.regimes[-1].mode, self.highest_mode, key=MODES.index)  # a disarming holds at once
        if self.regimes[-1].mode == "shadow" and state == "proven":
            why += "; nobody armed it"
        return Verdict(self.version, mode, proof, why, regime.share, regime.hour, self.regimes[-1].mode)

    def armed_since(self) -> int:
        """The hour from which on the rule has been armed without a break; 0 where it is not."""
        found = 0
        for regime in reversed(self.regimes):
            if regime.mode == "shadow":
                break
            found = regime.hour
        return found

    def _state(self, start: Start, tallies: Mapping[int, Tally]) -> ProofState:
        return state_of(tallies.get(start.number, Tally()), self.limit, alpha_of(start.number))

    def _judge(self, start: Start, tallies: Mapping[int, Tally]) -> tuple[Proof, str]:
        tally, alpha = tallies.get(start.number, Tally()), alpha_of(start.number)
        proof = judge(tally, self.limit, alpha)
        return proof, proof_words(proof, alpha, len(tally.days))

    def _check_step(self, mode: Mode) -> None:
        now = self.regimes[-1].mode
        if mode not in ("pause", "close"):
            raise RulesError(f"rule {self.name} can't be armed to {mode}", "arm it to pause or close")
        if MODES.index(mode) > MODES.index(self.highest_mode):
            raise RulesError(
                f"rule {self.name} has mode = {self.highest_mode!r}, so it can't be armed to {mode}",
                "let its owner raise the mode",
            )
        if MODES.index(mode) > MODES.index(now) + 1:
            raise RulesError(f"rule {self.name} has not paused yet, so it can't be armed to close", "arm it to pause")
        if mode == now:
            raise RulesError(f"rule {self.name} is armed to {mode} already", "nothing is to be done")

    def _check_close(self, tallies: Mapping[int, Tally], at: float) -> None:
        paused_days = (at - self.regimes[-1].hour * HOUR) / DAY_SECONDS
        if paused_days < PAUSE_DAYS:
            raise RulesError(
                f"rule {self.name} has paused for {max(paused_days, 0.0):.1f} days, {PAUSE_DAYS:.0f} are needed",
                f"arm it to close after {moment(self.regimes[-1].hour * HOUR + PAUSE_DAYS * DAY_SECONDS):%F %H:%M} UTC",
            )
        proof, why = self._judge(self.second or self.standing, tallies)
        if proof.state != "proven":
            raise RulesError(
                f"rule {self.name} can't be armed to close, which needs a second proof from its hold-out: {why}",
                "wait until it is proven",
            )

    def _fall_back(self, at: float) -> None:
        """Begin a proof from zero, in shadow."""
        self._regime(at, None)
        self.standing, self.second = self._start(next_hour(at)), None

    def _regime(self, at: float, by: str | None) -> None:
        """From the next full hour on nothing was touched; until then as much as in the hour before."""
        hour = next_hour(at)
        self.regimes = [one for one in self.regimes if one.hour < hour]
        if not self.regimes or self.regimes[-1].mode != "shadow":
            self.regimes.append(Regime(hour, "shadow", by=by))
        oldest = hour - _KEPT_REGIMES_HOURS
        while len(self.regimes) > 1 and self.regimes[1].hour < oldest:
            del self.regimes[0]

    def _start(self, hour: int) -> Start:
        self.starts += 1
        return Start(self.starts, hour)


def first_load(rule: Rule, at: float) -> Ladder:
    """The standing of a rule whose name was never loaded before: in shadow, its proof begins at the next full hour."""
    hour = next_hour(at)
    return Ladder(
        name=rule.name,
        version=rule.version,
        limit=rule.risk,
        floor=rule.holdout_floor,
        highest_mode=rule.mode,
        standing=Start(1, hour),
        second=None,
        starts=1,
        regimes=[Regime(hour, "shadow")],
    )


def is_ready(tally: Tally, limit: float) -> bool:
    """Whether a model may act by a rule: 30 observations under its own scores, whose mean is within the limit."""
    n = tally.observations
    return n >= CHAMPION_OBSERVATIONS and tally.acted / n <= limit
