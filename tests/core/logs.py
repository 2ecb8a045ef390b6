"""Logs for the tests of core: events by hand, random logs in which everything meets everything, and a fold to run."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Struct

from stream.core.effects import Arrived, Counted, Decided, Effect, Fired, Repeated
from stream.core.episodes import episode_id
from stream.core.events import Acted, Event, Raised, Tick, moment
from stream.core.fold import EntryKey, Fold
from stream.core.kinds import Agent
from stream.core.ledger import pack_entry, unpack_entry
from stream.core.levels import LevelKey
from stream.core.problem import Problem, parse_problem
from stream.core.state import pack_state, unpack_state
from stream.core.timers import TimerQueue

START = 1_772_323_200.0  # 2026-03-01T00:00:00Z
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
GRACE = 5 * MINUTE
LAW = settings(deadline=None)  # as many examples as the profile has: see CONTRIBUTING

Timed = tuple[Event, float]
KINDS = (
    "worked", "dismissed", "escalated", "commented", "muted", "closed_by_rule", "paused_by_rule", "released_by_rule",
    "reopened", "held_out",
)  # fmt: skip
AGENTS: tuple[Agent | None, ...] = (None, "person", "automation")
GAPS = (0.0, 1.0, 59.0, 240.0, 300.0, 301.0, 3_300.0, 3_600.0, 3_601.0, 3_900.0, 3_901.0, DAY, 5 * DAY, 300 * DAY)
FLOOD_DAY = '{ team = "pay", rule = "disk", day = 2026-03-02 }'  # the day after START
WINDOW = '{ from = 2026-03-01T00:30:00Z, to = 2026-03-01T02:00:00Z, entity = "db-1" }'
CLOSE = (0.0, 60.0, 240.0, 300.0, 3_300.0)  # gaps of a log in which most things happen around a border


def small_problem(
    outcome: str = "",
    history: str = "",
    flood: str = "per_day = 3\nfactor = 1.5",
    exclude: str = "",
    actionable: str = '"worked", "escalated"',
    noise: str = '"dismissed"',
) -> Problem:
    """An hour's horizon, five minutes of grace, a ledger of two days, levels forgotten after four; lines to add."""
    return parse_problem(f"""
        name = "small"
        question = "Will they?"
        [outcome]
        actionable = [{actionable}]
        noise = [{noise}]
        horizon_hours = 1
        {outcome}
        [exclude]
        visibility_only = [{{ rule = "report/*" }}]
        {exclude}
        [history]
        {
        history
        or '''labels = ["env"]
        ledger_days = 2
        forget_days = 4'''
    }
        [flood]
        {flood}
        """)


PROBLEMS = [
    small_problem(),
    small_problem(
        'decides = "any_actionable"\non_expiry = "unknown"',
        exclude=f"flood_days = [{FLOOD_DAY}]\nwindows = [{WINDOW}]",
    ),
    small_problem(
        "grace_minutes = 0",
        'labels = ["env", "site"]\nforget_days = 600\nepisode_minutes = 1440',
        actionable='"worked", "escalated@person"',
        noise='"dismissed", "worked@automation"',
    ),
]


def raised(
    at: float, alert_id: str = "a", team: str = "pay", rule: str = "disk", entity: str = "db", **labels: str
) -> Timed:
    """A raise, seconds after START."""
    return Raised(moment(START + at), alert_id, team, rule, entity, labels=labels), START + at


def acted(
    at: float,
    alert_id: str = "a",
    kind: str = "worked",
    action: str | None = None,
    team: str = "pay",
    agent: Agent | None = None,
) -> Timed:
    """An action, seconds after START; its id follows from alert and kind unless given."""
    return Acted(moment(START + at), alert_id, team, action or f"{alert_id}-{kind}", kind, agent=agent), START + at


def tick(at: float) -> Timed:
    """Nothing but time, seconds after START."""
    return Tick(moment(START + at)), START + at


class Step(Struct, frozen=True):
    """What one random event is made of."""

    gap: float
    what: int  # 0 to 3 raised, 4 to 8 acted, 9 tick
    team: int
    alert: int
    rule: int
    entity: int
    env: int
    kind: int
    action: int
    jitter: float
    agent: int


def logs(
    late: tuple[float, ...] = (0.0,), in_order: bool = False, gaps: tuple[float, ...] = GAPS
) -> st.SearchStrategy[list[Timed]]:
    """Random logs of few teams and alerts.

    Args:
        late: how many seconds after its time an event may come into the log.
        in_order: no event comes later than by the largest of `late`; otherwise each is late by itself.
        gaps: seconds between one event's time and the next.
    """
    small, two = st.integers(0, 2), st.integers(0, 1)
    step = st.builds(
        Step, st.sampled_from(gaps), st.integers(0, 9), small, st.integers(0, 4), two, two, small,
        st.integers(0, len(KINDS) - 1), small, st.sampled_from(late), small,
    )  # fmt: skip
    return st.lists(step, min_size=10, max_size=60).map(lambda steps: _log(steps, in_order))


def _log(steps: Sequence[Step], in_order: bool) -> list[Timed]:
    clock, arrivals = 0.0, []
    for number, step in enumerate(steps):
        clock += step.gap
        at = clock if in_order else max(clock - step.jitter, 0.0)
        arrivals.append((at + step.jitter if in_order else 0.0, number, _event(step, at)))
    return [timed for _, _, timed in sorted(arrivals, key=lambda arrival: arrival[:2])]


def _event(step: Step, at: float) -> Timed:
    team, alert = f"team-{step.team}", f"a{step.alert}"
    if step.what < 4:
        labels = {} if step.env == 0 else {"env": f"env-{step.env}"}
        return raised(at, alert, team, ("disk", "report/x")[step.rule], f"db-{step.entity}", **labels)
    if step.what < 9:
        return acted(at, alert, KINDS[step.kind], f"{alert}-{step.action}", team, AGENTS[step.agent])
    return tick(at)


Told = tuple[Any, ...]


def tell(fold: Fold) -> list[Told]:
    """What came since the last call, as plain values, each alert with its row of history; the fold lets go of both."""
    first, rows = fold.first_row, fold.take_rows()
    told = [_tell(effect, first, rows) for effect in fold.effects]
    assert sum(1 for effect in told if effect[0] == "arrived") == len(rows)
    fold.clear_effects()
    return told


def _tell(effect: Effect, first: int, rows: Any) -> Told:
    if isinstance(effect, Arrived):
        episode = episode_id(effect.event.team, effect.alert)
        return "arrived", effect.event, effect.flags, rows[effect.row - first].tobytes(), episode
    if isinstance(effect, Repeated):
        return "repeated", effect.event, effect.flags
    if isinstance(effect, Decided):
        more = effect.agent, episode_id(effect.team, effect.alert), effect.context
        return (
            "decided",
            effect.team,
            effect.alert_id,
            effect.outcome,
            effect.decided_at,
            effect.by,
            effect.flags,
            *more,
        )
    if isinstance(effect, Fired):
        return "fired", effect.name, effect.timer.due, effect.timer.payload
    if isinstance(effect, Counted):
        return "counted", effect.effect
    return "unknown", effect.value, effect.offset


class Kept(Struct, frozen=True):
    """All that a fold leaves behind, as it would be written."""

    levels: dict[LevelKey, bytes]
    ledger: dict[EntryKey, bytes]
    timers: list[tuple[float, str, str]]
    time: float
    held: int


def keep(fold: Fold) -> Kept:
    """Pack a fold's state."""
    levels = {key: pack_state(level) for key, level in fold.levels.items()}
    ledger = {key: pack_entry(entry) for key, entry in fold.ledger.items()}
    return Kept(levels, ledger, list(fold.timers), fold.time, fold.held)


def resume(problem: Problem, kept: Kept) -> Fold:
    """A new fold that goes on from a packed state."""
    levels = {key: unpack_state(record) for key, record in kept.levels.items()}
    ledger = {key: unpack_entry(record) for key, record in kept.ledger.items()}
    fold = Fold(problem, levels, ledger, TimerQueue(reversed(kept.timers)))
    fold.time, fold.held = kept.time, kept.held
    return fold


def run(problem: Problem, log: Iterable[Timed]) -> Fold:
    """Fold a log in one go. Each event's offset is its place, its value says so too."""
    fold = Fold(problem)
    feed(fold, log)
    return fold


def feed(fold: Fold, log: Iterable[Timed], offset: int = 0) -> None:
    """Fold events, of which the first stands at an offset."""
    for place, (event, at) in enumerate(log, start=offset):
        fold.step(event, at, f"value {place}".encode(), place)


def outcomes(told: Iterable[Told]) -> list[Told]:
    """Team, alert, outcome, when and by what, of all that was decided."""
    return [effect[1:6] for effect in told if effect[0] == "decided"]


def effects(told: Iterable[Told]) -> list[str]:
    """What came of events that decided nothing."""
    return [
        effect[1] if effect[0] == "counted" else effect[0]
        for effect in told
        if effect[0] not in ("arrived", "decided", "fired")
    ]
