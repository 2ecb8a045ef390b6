"""The other closers of a deployment: whether all act by the same rules, and by the salt that the hold-out is drawn by.

Each closer leaves a hash of its rules and of its salt in Redis. Where they differ, which rules act depends on the
partition, and nothing else shows it.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from stream.closer.exchange import CLOSER_SECONDS, ActiveRules
from stream.core.errors import Fault, HistoryRefused, RulesError
from stream.core.rule_index import RuleIndex
from stream.metrics.closer import CloserMetrics
from stream.rule_state import Standing

log = logging.getLogger(__name__)
FRESH_SECONDS = 120.0  # a closer that left nothing for so long is gone; four times PEERS_SECONDS


class Peers(Protocol):
    """What closers leave for each other; `stream.closer.exchange.Exchange` is one. Calls raise RulesError."""

    def put_closer(self, name: str, active: ActiveRules) -> None:
        """Leave what a closer acts by, under its name."""

    def remove_closer(self, name: str) -> None:
        """Remove what a closer that ends has left."""

    def closers(self) -> dict[str, ActiveRules]:
        """What was left, by name; also by closers that are gone."""


class Salts(Protocol):
    """Where the salt of a deployment is kept; `stream.closer.exchange.Exchange` is one. Calls raise RulesError."""

    def salt(self) -> str | None:
        """The hash of the salt that was used last; None where nobody used one."""

    def put_salt(self, salt: str) -> None:
        """Keep the hash of the salt that is used."""


class PeerWatch:
    """Compares this closer's rules with those of the others. Used by one thread, but for its attribute.

    Args:
        name: of this closer, another one for each process.
        peers: what closers leave for each other.
        salt: of this closer.
        metrics: show whether closers differ.
        clock: the wall clock, seconds since 1970.

    Attributes:
        fault: how others differ, one sentence; None where none does, and where nobody can tell.
    """

    def __init__(
        self,
        name: str,
        peers: Peers,
        salt: str,
        metrics: CloserMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name, self._peers, self._salt, self._metrics, self._clock = name, peers, salt, metrics, clock
        self.fault: str | None = None

    def look(self, rules: RuleIndex) -> None:
        """Leave what this closer acts by, and compare it; while Redis does not answer, what was found last stands."""
        own = ActiveRules(rules.digest, salt_digest(self._salt), self._clock())
        try:
            self._peers.put_closer(self._name, own)
            found = self._peers.closers()
            for name in (name for name, one in found.items() if one.at < own.at - CLOSER_SECONDS):
                self._peers.remove_closer(name)  # it was killed
            others = running(found, own.at)
        except RulesError as error:
            log.debug("the rules of other closers can't be read: %s", error)
            return
        others.pop(self._name, None)
        fault = difference(own, others)
        if fault is not None and self.fault is None:
            log.warning("%s", fault)
        self.fault = None if fault is None else str(fault)
        self._metrics.closers_differ.set(fault is not None)

    def leave(self) -> None:
        """Be compared with no more."""
        try:
            self._peers.remove_closer(self._name)
        except RulesError as error:
            log.debug("what this closer acts by can't be removed: %s", error)


def running(closers: Mapping[str, ActiveRules], now: float) -> dict[str, ActiveRules]:
    """Those of the closers that still run, by name."""
    return {name: one for name, one in sorted(closers.items()) if one.at > now - FRESH_SECONDS}


def difference(own: ActiveRules, others: Mapping[str, ActiveRules]) -> Fault | None:
    """How other closers differ from what one acts by; None where none does."""
    if names := [name for name, one in others.items() if one.rules != own.rules]:
        problem = f"{_closers(names)} by other rules, so which rules act depends on the partition"
        return Fault(problem, "give all closers the same files of closer_rules")
    if names := [name for name, one in others.items() if one.salt != own.salt]:
        problem = f"{_closers(names)} by another closer_salt, so an hour may be held out in one and not in the other"
        return Fault(problem, "give all closers the same closer_salt, and start them anew")
    return None


def salt_digest(salt: str) -> str:
    """Eight hex digits of a salt, which tell nothing of it."""
    return hashlib.sha256(f"closer_salt\0{salt}".encode()).hexdigest()[:8]


def check_salt(salt: str, salts: Salts, standings: Callable[[], Mapping[str, Standing]]) -> None:
    """Keep a salt as the deployment's, unless a rule was armed by another one.

    The arm of an hour is computed again when its outcomes are known, so another salt would count hours as held out in
    which the rule acted. In shadow nothing is drawn.

    Raises:
        HistoryRefused: a rule was armed by another salt.
        RulesError: Redis does not answer.
    """
    kept, digest = salts.salt(), salt_digest(salt)
    if kept == digest:
        return
    armed = sorted(
        name for name, one in standings().items() if any(regime.mode != "shadow" for regime in one.ladder.regimes)
    )
    if kept is not None and armed:
        raise HistoryRefused(
            f"closer_salt has changed since rule {armed[0]} was armed: hours in which it acted would count as held out",
            "set closer_salt back, or name another deployment",
        )
    salts.put_salt(digest)


def _closers(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"closer {shown} acts" if len(names) == 1 else f"closers {shown}{more} act"
