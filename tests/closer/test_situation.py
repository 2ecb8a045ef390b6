"""The situation that decisions depend on: what is read, how long it counts, and what keeps rules from acting."""

from collections.abc import Callable

import pytest
from msgspec import Struct, field

from stream.closer.brakes import CREATED, NO_PROMETHEUS, RECORDED, BrakeWatch, drifted
from stream.closer.exchange import AlertKey, Ending, Judgement
from stream.closer.rule_watch import RuleWatch
from stream.closer.situation import NOBODY_JUDGES, SituationWatch
from stream.core.errors import MonitoringError, RulesError
from stream.core.ladder import Verdict
from stream.core.problem import DAY_SECONDS
from stream.metrics.closer import CloserMetrics
from stream.prometheus import Series
from stream.rule_state import PauseAll, Undo
from tests.core.outcomes import HOUR, MODEL, T0
from tests.core.test_decisions import NAME, PROVEN, make_rule

UNDO = Undo(id="u", rule=NAME, since=T0, by="ann", at=T0)


def judged(at: float = T0, loaded: bool = True) -> Judgement:
    """A rule that may pause."""
    return Judgement(Verdict(make_rule().version, "pause", PROVEN, "proven", 0.5, 0, "pause"), (MODEL,), loaded, at)


class Shared(Struct):
    """`State` and `Endings` that a test sets."""

    found: dict[str, Judgement] = field(default_factory=lambda: {NAME: judged()})
    order: PauseAll | None = None
    away: bool = False

    def judgements(self) -> dict[str, Judgement]:
        """See `Endings`."""
        return self.found

    def paused(self) -> PauseAll | None:
        """See `State`."""
        if self.away:
            raise RulesError("Redis does not answer")
        return self.order

    def undos(self) -> list[Undo]:
        """See `State`."""
        return [UNDO]

    def suppressed(self) -> frozenset[AlertKey]:
        """See `Endings`."""
        return frozenset({("payments", "A1")})

    def endings(self) -> dict[AlertKey, Ending]:
        """See `Endings`."""
        return {("payments", "A1"): Ending("ended", T0)}


class Answers(Struct):
    """A Prometheus whose answers a test sets: values by model, and what drifts by model and feature."""

    created: dict[str, float] = field(default_factory=lambda: {MODEL: T0 - 10 * DAY_SECONDS})
    recorded: tuple[str, ...] = (MODEL,)
    drifting: dict[tuple[str, str], float] = field(default_factory=dict)
    away: bool = False

    def query(self, expression: str, at: float) -> list[Series]:
        """See `Queries`."""
        if self.away:
            raise MonitoringError("Prometheus can't be reached")
        if expression == CREATED:
            return [Series({"model": model}, [(at, value)]) for model, value in self.created.items()]
        if expression == RECORDED:
            return [Series({"model": model}, [(at, 9.0)]) for model in self.recorded]
        assert expression in (drifted("24h"), drifted("7d"))
        found = self.drifting.items() if expression == drifted("24h") else ()
        return [Series({"model": model, "feature": feature}, [(at, psi)]) for (model, feature), psi in found]


class Rig:
    """A watch whose clocks a test sets."""

    def __init__(self, asks: bool = True) -> None:
        self.shared, self.prometheus, self.wall, self.passed = Shared(), Answers(), T0, 0.0
        self.metrics = CloserMetrics()
        self.brakes = BrakeWatch(self.prometheus if asks else None, 90.0, lambda: self.wall, lambda: self.passed)
        self.watch = SituationWatch(
            self.shared,
            self.shared,
            RuleWatch([], self.metrics),
            self.brakes,
            self.metrics,
            "salt",
            300.0,
            lambda: self.wall,
            lambda: self.passed,
        )

    def look(self) -> "Rig":
        """Read everything once."""
        self.brakes.look()
        self.watch.refresh()
        return self

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.passed += seconds

    @property
    def everything(self) -> str | None:
        """What keeps all rules from acting."""
        return self.watch.situation().brakes.everything

    @property
    def shown(self) -> set[str]:
        """The brakes that the gauge shows."""
        samples = next(iter(self.metrics.rules_brake.collect())).samples
        return {sample.labels["brake"] for sample in samples if sample.value == 1.0}


def test_what_was_read_is_the_situation() -> None:
    """Verdicts and models of the rules that files hold, orders beside them, and no brake."""
    rig = Rig().look()
    found = rig.watch.situation()
    assert (found.verdicts, found.ready) == ({NAME: judged().verdict}, {NAME: frozenset({MODEL})})
    assert (found.brakes.everything, found.brakes.models.get(MODEL), found.salt) == (None, None, "salt")
    assert rig.watch.orders.undos == [UNDO]
    assert rig.watch.orders.suppressed == {("payments", "A1")}
    assert (rig.watch.notes, rig.shown) == ([], set())


def test_a_rule_that_no_file_holds_has_no_verdict() -> None:
    """Whatever its standing was."""
    rig = Rig()
    rig.shared.found = {NAME: judged(loaded=False)}
    assert rig.look().watch.situation().verdicts == {}


def test_a_pause_of_all_says_who_and_since_when() -> None:
    """It stands above all other brakes, and ends when it is taken back."""
    rig = Rig()
    rig.shared.order = PauseAll(by="ann", at=T0, why="a migration")
    rig.look()
    assert rig.everything == "all rules are paused by ann since 2026-03-01 09:00 UTC: a migration"
    assert rig.shown == {"paused"}
    assert rig.watch.notes == [f"no rule acts: {rig.everything}"]
    rig.shared.order = None
    rig.look()
    assert rig.everything is None


def test_nothing_acts_before_anything_was_read_or_once_it_is_old() -> None:
    """Ten seconds without Redis, ten minutes without whoever judges the rules."""
    rig = Rig()
    rig.brakes.look()
    assert rig.everything == NOBODY_JUDGES
    rig.look()
    rig.shared.away = True
    rig.later(9.0)
    assert rig.look().everything is None
    rig.later(2.0)
    assert rig.look().everything == NOBODY_JUDGES
    assert rig.shown == {"standings"}
    rig.shared.away = False
    assert rig.look().everything is None
    rig.later(600.0)
    assert rig.look().everything == NOBODY_JUDGES
    rig.shared.found = {NAME: judged(rig.wall)}
    rig.passed += 2.0
    assert rig.look().everything is None


def test_a_standing_of_the_future_judges_nothing() -> None:
    """One that a clock which ran ahead left behind does not stand for a judge that is gone."""
    rig = Rig()
    rig.shared.found = {NAME: judged(), "old": judged(T0 + 30 * 24 * HOUR, loaded=False)}
    assert rig.look().everything is None
    rig.later(601.0)
    assert rig.look().everything == NOBODY_JUDGES
    rig.shared.found = {NAME: judged(rig.wall + 24 * HOUR)}
    rig.later(2.0)
    assert rig.look().everything == NOBODY_JUDGES


def test_without_prometheus_nothing_acts() -> None:
    """Neither where none is set nor where it is away for longer than a moment; the reason says which."""
    assert Rig(asks=False).look().everything == NO_PROMETHEUS
    rig = Rig()
    rig.prometheus.away = True
    assert rig.look().everything == "nobody sees whether models drift: Prometheus can't be reached"
    assert rig.shown == {"drift"}
    rig.prometheus.away = False
    assert rig.look().everything is None
    rig.prometheus.away = True
    rig.later(60.0)
    rig.shared.found = {NAME: judged(rig.wall)}
    assert rig.look().everything is None
    rig.later(61.0)
    assert rig.look().everything == "nobody sees whether models drift: Prometheus can't be reached"


def no_record(rig: Rig) -> None:
    """Its drift is not recorded."""
    rig.prometheus.recorded = ()


def drift(rig: Rig) -> None:
    """It drifts."""
    rig.prometheus.drifting = {(MODEL, "team.raised"): 0.42}


def old(rig: Rig) -> None:
    """It is old."""
    rig.prometheus.created = {MODEL: T0 - 91 * DAY_SECONDS}


def unknown(rig: Rig) -> None:
    """Nobody knows its age."""
    rig.prometheus.created = {}


@pytest.mark.parametrize(
    ("make", "why", "brake"),
    [
        (no_record, f"Prometheus has no record of the drift of model {MODEL}", "drift"),
        (drift, f"team.raised of model {MODEL} drifts: PSI 0.42 over 24h", "drift"),
        (old, f"model {MODEL} is 91 days old, at most 90 are allowed", "old_model"),
        (unknown, f"Prometheus does not know how old model {MODEL} is", "old_model"),
    ],
)
def test_a_model_that_drifts_or_is_old_brakes_what_it_scores(make: Callable[[Rig], None], why: str, brake: str) -> None:
    """With the reason in words, and no other model."""
    rig = Rig()
    make(rig)
    rig.prometheus.created |= {"fine": T0 - HOUR}
    rig.prometheus.recorded = (*rig.prometheus.recorded, "fine")
    rig.look()
    models = rig.watch.situation().brakes.models
    assert (models.get(MODEL), models.get("fine")) == (why, None)
    assert rig.shown == {brake}


def test_a_history_that_is_away_is_shown() -> None:
    """Set by who reads scores; of each alert without one the decision holds by itself."""
    rig = Rig()
    rig.watch.history_away = True
    assert rig.look().shown == {"history"}


def test_what_people_are_shown_is_written_in_order_and_tried_again() -> None:
    """By the thread that reads, or at its end."""
    rig, written = Rig(), list[str]()
    refuse = [True]

    def first() -> None:
        if refuse.pop():
            raise RulesError("Redis does not answer")
        written.append("first")

    refuse.insert(0, False)
    rig.watch.later(first)
    rig.watch.later(lambda: written.append("second"))
    rig.look()
    assert written == []
    rig.watch.stop()
    assert written == ["first", "second"]
