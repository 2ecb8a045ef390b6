"""What the deciding folds know of everything beside their records: rules, standings, brakes, orders; kept up to date.

A thread reads Redis twice a second and Prometheus now and then, so that no batch waits for either; it also writes what
people are shown.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread
from typing import Protocol

from msgspec import Struct

from stream.closer.brakes import BrakeWatch
from stream.closer.exchange import AlertKey, Ending, Judgement
from stream.closer.peers import PeerWatch
from stream.closer.rule_watch import RuleWatch
from stream.closer.targets.target import DeedRefused
from stream.core.decisions import Brakes, Situation, why_stopped
from stream.core.deeds import Deed
from stream.core.errors import RulesError
from stream.core.events import moment, seconds
from stream.core.ladder import Verdict
from stream.core.rule_index import RuleIndex
from stream.metrics.closer import BRAKES, CloserMetrics
from stream.rule_brakes import NO_HISTORY, HeldBrakes
from stream.rule_state import PauseAll, Undo

log = logging.getLogger(__name__)
REFRESH_SECONDS = 0.5
FRESH_SECONDS = 10.0  # what was read from Redis counts for so long
JUDGED_SECONDS = 600.0  # and the newest standing
JUDGEMENTS_SECONDS, FILES_SECONDS, PROMETHEUS_SECONDS, PEERS_SECONDS = 1.5, 2.0, 15.0, 30.0  # between two looks
NOBODY_JUDGES = "nobody judges the rules at the moment"
A_REPLAY = "this closer follows a replay (the setting closer_replay)"
_MOST_WAITING = 10_000  # writes of what people are shown
LEAVE_SECONDS = 2.0  # between two writes of the brakes, for people


class State(Protocol):
    """What is read of the shared state; `stream.rule_state.RuleState` is one. Calls raise RulesError."""

    def paused(self) -> PauseAll | None:
        """The order that no rule acts, if one stands."""

    def undos(self) -> list[Undo]:
        """The undos of the last hour."""


class Endings(Protocol):
    """What is read of other closers; `stream.closer.exchange.Exchange` is one. Calls raise RulesError."""

    def judgements(self) -> dict[str, Judgement]:
        """What was judged of all rules, by name."""

    def suppressed(self) -> frozenset[AlertKey]:
        """The alerts that rules keep from people."""

    def endings(self) -> dict[AlertKey, Ending]:
        """The ends that nobody has carried out yet."""


class Orders(Struct, frozen=True):
    """What was read last of undos, of suppressed alerts and of those that ended."""

    undos: Sequence[Undo] = ()
    suppressed: frozenset[AlertKey] = frozenset()
    endings: Mapping[AlertKey, Ending] = {}


class SituationWatch:
    """Keeps the situation up to date. `refresh` is called by one thread, the rest by any.

    Args:
        state: the shared state.
        exchange: what other closers leave.
        rules: the rules in use.
        brakes: what Prometheus knows.
        peers: compares the rules in use with those of other closers.
        metrics: show the brakes.
        salt: of the deployment, for the draws.
        oldest_seconds: an alert raised longer ago is never acted on; infinite for a replay, where no rule acts at all.
        clock: the wall clock, seconds since 1970.
        monotonic: seconds.
        blocked: what each rule left alone in the hour before a time, by why.
        leave: takes what people are shown of the brakes every two seconds, and None at the end; may raise RulesError.

    Attributes:
        orders: as read last.
        history_away: set by who sees that alerts come unscored because of their history; shown as a brake.
    """

    def __init__(
        self,
        state: State,
        exchange: Endings,
        rules: RuleWatch,
        brakes: BrakeWatch,
        peers: PeerWatch,
        metrics: CloserMetrics,
        salt: str,
        oldest_seconds: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        blocked: Callable[[float], Mapping[str, Mapping[str, int]]] = lambda now: {},
        leave: Callable[[HeldBrakes | None], None] = lambda held: None,
    ) -> None:
        self._state, self._exchange, self._watch, self._brakes = state, exchange, rules, brakes
        self._peers = peers
        self._metrics, self._salt, self._oldest = metrics, salt, oldest_seconds
        self._clock, self._monotonic = clock, monotonic
        self._verdicts: Mapping[str, Verdict] = {}
        self._ready: Mapping[str, frozenset[str]] = {}
        self._judged_at: float | None = None
        self._paused: PauseAll | None = None
        self._paused_at = 0.0  # when an order that no rule acts was last seen to stand
        self._read_at: float | None = None
        self._looked: dict[str, float] = {}
        self._writes: deque[Callable[[], None]] = deque(maxlen=_MOST_WAITING)
        self._wanted, self._stopping = Event(), Event()
        self._threads = [
            Thread(target=self._run, name="situation", daemon=True),
            Thread(target=self._run_prometheus, name="brakes", daemon=True),
        ]
        self._blocked, self._leave = blocked, leave
        self.orders = Orders()
        self.history_away = False

    @property
    def rules(self) -> RuleIndex:
        """The rules in use."""
        return self._watch.rules

    @property
    def notes(self) -> list[str]:
        """What keeps rules from acting, files that can't be used, closers that differ; one sentence each."""
        everything = self._everything()
        no_rule_acts = everything and f"no rule acts: {everything}"
        found = [self._watch.fault, self._peers.fault, self._not_judged_yet(), no_rule_acts]
        return [one for one in found if one is not None]

    def situation(self) -> Situation:
        """What decisions depend on now."""
        brakes = Brakes(everything=self._everything(), models=self._brakes.models)
        return Situation(self.rules, self._verdicts, self._ready, brakes, self._salt, self._oldest)

    def check_deed(self, deed: Deed) -> None:
        """Raise where a pause or a closure may not be carried out any more; asks nobody, from any thread.

        Raises:
            DeedRefused: a person paused all rules since it was decided, or its rule may not do it any more.
            RulesError: what was read last is too old to tell.
        """
        if (paused := self._pause_words()) is not None:
            raise DeedRefused("rules_paused", paused)
        if seconds(deed.decision.decided_at) <= self._paused_at:
            raise DeedRefused("rules_paused", "all rules were paused after it was decided")
        if (unjudged := self._unjudged()) is not None:
            raise RulesError(unjudged)
        why = why_stopped(deed.decision, self.situation(), self._clock())
        if why is not None:
            raise DeedRefused("rule_stopped", why)

    def later(self, write: Callable[[], None]) -> None:
        """Have what people are shown written, in order; tried again where it raises RulesError."""
        self._writes.append(write)
        self._wanted.set()

    def start(self) -> None:
        """Begin to look."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End; what waits to be written is tried once more."""
        self._stopping.set()
        self._wanted.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)
        self._leave_brakes(None)
        self._write()
        self._peers.leave()

    def refresh(self) -> None:
        """Write what waits, then read everything once; of what can't be read the last stands, until it is too old."""
        self._write()
        began = self._monotonic()
        try:
            self._paused = self._state.paused()
            if self._paused is not None:
                self._paused_at = self._clock()
            undos, suppressed = self._state.undos(), self._exchange.suppressed()
            self.orders = Orders(undos, suppressed, self._exchange.endings())
            if self._read_at is None or self._is_time("judgements", JUDGEMENTS_SECONDS):
                self._judge(self._exchange.judgements())
        except RulesError as error:
            log.debug("the rules' state can't be read: %s", error)
        else:
            self._read_at = began
        is_other = self._is_time("files", FILES_SECONDS) and self._watch.look()
        if self._is_time("peers", PEERS_SECONDS) or is_other:
            self._peers.look(self.rules)
        self._show()
        if self._is_time("brakes", LEAVE_SECONDS):
            self._leave_brakes(self._held())

    def _judge(self, judgements: Mapping[str, Judgement]) -> None:
        loaded = {name: one for name, one in judgements.items() if one.loaded}
        self._verdicts = {name: one.verdict for name, one in loaded.items()}
        self._ready = {name: frozenset(one.ready) for name, one in loaded.items()}
        latest = self._clock() + JUDGED_SECONDS  # what is later was left by a clock that ran ahead
        past = (one.at for one in judgements.values() if one.at <= latest)
        self._judged_at = max(past, default=0.0) if judgements else None

    def _everything(self) -> str | None:
        if words := self._pause_words():
            return words
        return A_REPLAY if math.isinf(self._oldest) else self._unjudged() or self._brakes.everything

    def _pause_words(self) -> str | None:
        order = self._paused
        if order is None:
            return None
        why = f": {order.why}" if order.why else ""
        return f"all rules are paused by {order.by} since {moment(order.at):%F %H:%M} UTC{why}"

    def _not_judged_yet(self) -> str | None:
        verdicts = self._verdicts
        waiting = sum(
            one.rule.name not in verdicts or verdicts[one.rule.name].version != one.version for one in self.rules.rules
        )
        return f"rules not judged yet, which decide nothing: {waiting:,}" if waiting else None

    def _unjudged(self) -> str | None:
        if self._read_at is None or self._monotonic() - self._read_at > FRESH_SECONDS:
            return NOBODY_JUDGES
        if self._judged_at is not None and self._clock() - self._judged_at > JUDGED_SECONDS:
            return NOBODY_JUDGES
        return None

    def _held(self) -> HeldBrakes:
        """What keeps rules from acting now, for people, who see a pause of all and old standings for themselves."""
        now, blind = self._clock(), self._brakes.everything
        found = (None if self._paused else self._everything(), blind, NO_HISTORY if self.history_away else None)
        models = {} if blind is not None else self._brakes.models
        ready = sorted({model for models in self._ready.values() for model in models})
        expired = [one for one in self.rules.rules if one.ends_at is not None and one.ends_at <= now]
        return HeldBrakes(
            at=now,
            files=self._watch.fault or "",
            everything=tuple(dict.fromkeys(one for one in found if one is not None and one != NOBODY_JUDGES)),
            models={model: why for model in ready if (why := models.get(model)) is not None},
            rules={one.rule.name: f"it expired on {moment(one.ends_at or 0.0):%F}" for one in expired},
            blocked=self._blocked(now),
        )

    def _leave_brakes(self, held: HeldBrakes | None) -> None:
        try:
            self._leave(held)
        except RulesError as error:
            log.debug("the brakes can't be left for people: %s", error)

    def _show(self) -> None:
        models, blind = self._brakes.models, self._brakes.everything is not None
        ready = frozenset(model for models in self._ready.values() for model in models)
        found = {
            "paused": self._paused is not None,
            "drift": blind or any(models.drift(model) for model in ready),
            "old_model": not blind and any(models.old(model) for model in ready),
            "history": self.history_away,
            "standings": self._unjudged() is not None,
        }
        for brake in BRAKES:
            self._metrics.rules_brake.labels(brake).set(found[brake])

    def _write(self) -> None:
        while self._writes:
            write = self._writes[0]
            try:
                write()
            except RulesError as error:
                log.debug("what people are shown can't be written yet: %s", error)
                return
            self._writes.popleft()

    def _is_time(self, name: str, every: float) -> bool:
        now = self._monotonic()
        if now - self._looked.get(name, -every) < every:
            return False
        self._looked[name] = now
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self.refresh)
            self._wanted.wait(REFRESH_SECONDS)
            self._wanted.clear()

    def _run_prometheus(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self._brakes.look)
            self._stopping.wait(PROMETHEUS_SECONDS)

    def _guarded(self, look: Callable[[], None]) -> None:
        try:
            look()
        except Exception:  # the thread must go on: without it every rule stops acting
            log.exception("the situation could not be looked at")
