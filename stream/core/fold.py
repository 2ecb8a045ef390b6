"""The fold: one partition's events, in log order, into history. The only code that computes history.

The scorer runs it on states it read from Redis, the lab on states in memory. Everything a step needs is in the event
and in what was folded before; time is the largest event time folded so far. What a step causes is appended to
`effects` in order, see `effects.py`.
"""

import math
from array import array
from collections.abc import MutableMapping
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from stream.core import limits, state
from stream.core.effects import Arrived, Counted, Decided, Effect, Fired, Repeated, Unknown
from stream.core.episodes import episode_start
from stream.core.events import Acted, Event, Raised
from stream.core.flood import flood_days, is_flood
from stream.core.kinds import AUTOMATION, CORRECTION, ENDED_BY_RULE, EXPIRY, PERSON, REOPENED
from stream.core.kinds import HELD_OUT as HELD_OUT_KIND
from stream.core.kinds import MAINTENANCE as BY_MAINTENANCE
from stream.core.kinds import MUTED as MUTED_KIND
from stream.core.ledger import (
    ACTIONABLE,
    AUTOMATION_NOISE_SEEN,
    FLOOD,
    HELD_OUT,
    LABELS_CUT,
    LATE,
    MAINTENANCE,
    MUTED,
    NOISE,
    NOISE_SEEN,
    OPEN,
    UNJUDGED,
    UNKNOWN,
    VISIBILITY_ONLY,
    Alert,
    Entry,
    Held,
    HeldAction,
    Timer,
    context_of,
)
from stream.core.levels import TEAM_RULE, TEAM_RULE_ENTITY, LevelKey, level_count, level_keys, levels_with_rule
from stream.core.problem import OutcomeRule, Problem
from stream.core.timers import TimerQueue
from stream.core.windows import Windows

VERSION = 4  # another fold, another history: states of another version are refused

EntryKey = tuple[str, str]  # team, alert_id
_KEYS_REMEMBERED = 20_000
_REPEATED, _HELD, _NON_DECIDING = Counted("repeated"), Counted("held"), Counted("non_deciding")  # shared
_BEYOND_HORIZON, _BEFORE_RAISE = Counted("beyond_horizon"), Counted("before_raise")
_LATE, _AFTER_DECISION = Counted("late"), Counted("after_decision")
_MAY_MATTER = ENDED_BY_RULE | {EXPIRY}  # outcomes after which an action may be a correction, or late
_ABSENT = array("d", [math.nan]) * state.WIDTH


def _decides_as(rule: OutcomeRule, agent: str | None) -> dict[str, int]:
    """The outcome that each kind decides when this agent does it."""
    found = {kind: ACTIONABLE if meant else NOISE for kind, meant in rule.deciding(agent).items()}
    return found | dict.fromkeys(ENDED_BY_RULE, UNKNOWN)


class Fold:
    """State and step of one partition's history.

    `levels` and `ledger` must hold, or find when asked, every state and entry that the events will touch.
    `rows` collects, for each alert that arrived, its feature time and the states of its levels as they were before
    it: 1 + 19 x levels float64 each; absent levels are NaN.
    """

    def __init__(
        self,
        problem: Problem,
        levels: MutableMapping[LevelKey, state.State] | None = None,
        ledger: MutableMapping[EntryKey, Entry] | None = None,
        timers: TimerQueue | None = None,
    ) -> None:
        self.problem = problem
        self.levels: MutableMapping[LevelKey, state.State] = {} if levels is None else levels
        self.ledger: MutableMapping[EntryKey, Entry] = {} if ledger is None else ledger
        self.timers = TimerQueue() if timers is None else timers
        self.time = state.NEVER
        self.held = 0
        self.offset = -1  # of the record that is being folded
        self.effects: list[Effect] = []
        self.rows = array("d")
        self.arrived = 0
        self.first_row = 0  # number of the first row in `rows`
        self.label_names = tuple(problem.history.labels)
        self.level_count = level_count(len(self.label_names))
        self._with_rule = levels_with_rule(len(self.label_names))
        self._horizon = problem.horizon_seconds
        self._due_in = problem.due_seconds
        self._grace = problem.outcome.grace_minutes * 60.0
        self._keep = problem.ledger_seconds
        self._forget = problem.history.forget_days * state.DAY
        self._first_decides = problem.outcome.decides == "first"
        self._expires_as = NOISE if problem.outcome.on_expiry == "noise" else UNKNOWN
        self._kinds = {agent: _decides_as(problem.outcome, agent) for agent in (None, PERSON, AUTOMATION)}
        self._episode_gap = problem.history.episode_minutes * 60.0
        self._windows = Windows(problem.exclude.windows)
        self._any_window = bool(problem.exclude.windows)
        self._any_exclusion = bool(problem.exclude.visibility_only)
        self._flood = problem.flood
        self._flood_per_day = problem.flood.per_day
        self._flood_days = flood_days(problem)
        self._keys: dict[tuple[str, str, str, tuple[str | None, ...]], list[LevelKey]] = {}

    def step(self, event: Event, at: float, value: bytes = b"", offset: int = -1) -> None:
        """Fold one event at event time `at`; `value` and `offset` are its record."""
        self.offset = offset
        if at > self.time:
            self.advance(at)
        if type(event) is Raised:
            self._raise(event, at)
        elif type(event) is Acted:
            self._acted(event, at, value, offset)

    def advance(self, at: float) -> None:
        """Move time to `at`; what was due before is folded first, in order of due time."""
        while (due := self.timers.pop_before(at)) is not None:
            self._fire((due[1], due[2]))
        self.time = at

    def fire(self, at: float, most: int, offset: int) -> None:
        """Begin what `advance` to `at` does: fold the first `most` of what is due before it, and move time so far.

        Time moves a little even where all of it is due at one moment, so that the state is another one each time.
        `offset` is of the record whose time is `at`.
        """
        self.offset = offset
        reached = self.time
        for _ in range(most):
            due = self.timers.pop_before(at)
            if due is None:
                break
            self._fire((due[1], due[2]))
            reached = max(reached, due[0])
        self.time = min(at, math.nextafter(reached, math.inf))

    def set_timer(self, name: str, timer: Timer) -> EntryKey:
        """Keep a timer of the room until time passes its due, instead of one of this name; returns its ledger key."""
        key = ("", name)
        waiting = self.ledger.get(key)
        if type(waiting) is Timer:
            self.timers.remove((waiting.due, *key))
        self.ledger[key] = timer
        self.timers.add((timer.due, *key))
        return key

    def _fire(self, key: EntryKey) -> None:
        """Fold what is due now of one alert, of its held actions, or of the room."""
        entry = self.ledger.get(key)
        if type(entry) is Alert and entry.outcome == OPEN:
            self._decide(key, entry, self._expired(entry.marks), entry.raised_at + self._due_in, EXPIRY)
        elif type(entry) is Timer:
            del self.ledger[key]
            self.effects.append(Fired(key[1], entry))
        elif type(entry) is Held:
            self._give_up(key, entry)

    def _expired(self, marks: int) -> int:
        """The outcome of an alert that nothing decided in its time."""
        if marks & NOISE_SEEN:
            return NOISE
        if marks & MUTED:
            return UNKNOWN
        return NOISE if marks & AUTOMATION_NOISE_SEEN else self._expires_as

    # Raises.

    def _raise(self, event: Raised, at: float) -> None:
        key = (event.team, event.alert_id)
        entry = self.ledger.get(key)
        if type(entry) is Alert and self._knows(entry, at):
            self.effects.append(Repeated(event, entry, entry.flags))
            return
        names = self.label_names
        values = tuple([event.labels.get(name) for name in names]) if names else ()
        alert = Alert(at, event.rule, event.entity, values)
        keys = self.keys_of(event.team, event.rule, event.entity, values)
        epoch = at // state.EPOCH
        states = self._states(keys, at, epoch)
        team_rule = states[TEAM_RULE]
        alert.last_outcome = state.last_outcome(team_rule)
        alert.flags = self._flags(event, at, team_rule)
        alert.context = context = context_of(event)
        if context is not None and context.labels is not event.labels:
            alert.flags |= LABELS_CUT
        self.rows.append(at)
        self.rows.frombytes(b"".join(states))
        finest = states[TEAM_RULE_ENTITY]
        running, start = finest[state.EPISODE], episode_start(finest, at, self._episode_gap)
        if start != at:
            alert.episode = start
        state.add_raises(self._touched(alert, states), at, epoch)
        finest[state.EPISODE] = start if start > running else running
        self.ledger[key] = alert
        alert.due = max(at + self._due_in, self.time)
        self.effects.append(Arrived(event, alert, self.arrived, alert.flags))
        self.arrived += 1
        if alert.flags & MAINTENANCE:
            self._decide(key, alert, UNKNOWN, at, BY_MAINTENANCE)
        else:
            self.timers.add((alert.due, event.team, event.alert_id))
        if type(entry) is Held:
            self._release(key, entry, alert)

    def _flags(self, event: Raised, at: float, team_rule: state.State) -> int:
        flags = 0
        if at < self.time - self._grace:
            flags |= LATE
        if self._any_exclusion and self.problem.visibility_only(event):
            flags |= VISIBILITY_ONLY
        if self._any_window and self._windows.cover(event, at):
            flags |= MAINTENANCE
        if (team_rule[4] >= self._flood_per_day and is_flood(self._flood, team_rule, at)) or (
            self._flood_days and (event.team, event.rule, at // state.DAY) in self._flood_days
        ):
            flags |= FLOOD
        return flags

    # Actions.

    def _acted(self, event: Acted, at: float, value: bytes, offset: int) -> None:
        key = (event.team, event.alert_id)
        entry = self.ledger.get(key)
        if type(entry) is Alert and (entry.outcome == OPEN or self._knows(entry, at)):
            self._act(key, entry, event.kind, event.agent, event.action_id, at)
            return
        held = entry if type(entry) is Held else None
        if (
            at + self._grace < self.time
            or len(value) > limits.HELD_VALUE_BYTES
            or self.held >= limits.HELD_PER_PARTITION
            or (held is not None and len(held.actions) >= limits.HELD_PER_ALERT)
        ):
            self.effects.append(Unknown(value, offset))
        else:
            self._hold(key, held, HeldAction(at, event.kind, event.action_id, offset, value, event.agent))

    def _hold(self, key: EntryKey, held: Held | None, action: HeldAction) -> None:
        """Keep an action for its alert, which may be raised up to the grace after it, and come the grace late."""
        due = action.at + 2.0 * self._grace
        if held is None:
            self.ledger[key] = Held(due, [action])
            self.timers.add((due, *key))
        else:
            held.actions.append(action)
            if due > held.due:
                self.timers.remove((held.due, *key))
                held.due = due
                self.timers.add((due, *key))
        self.held += 1
        self.effects.append(_HELD)

    def _release(self, key: EntryKey, held: Held, alert: Alert) -> None:
        self.timers.remove((held.due, *key))
        self.held -= len(held.actions)
        for action in held.actions:
            self._act(key, alert, action.kind, action.agent, action.action_id, action.at)

    def _give_up(self, key: EntryKey, held: Held) -> None:
        self.held -= len(held.actions)
        del self.ledger[key]
        self.effects.extend(Unknown(action.value, action.offset) for action in held.actions)

    def _act(self, key: EntryKey, alert: Alert, kind: str, agent: str | None, action_id: str, at: float) -> None:
        if at < alert.raised_at and alert.raised_at > at + self._grace:
            self.effects.append(_BEFORE_RAISE)  # not remembered: with other teams it may have been given up already
            return
        code = crc32(action_id.encode())
        if code in alert.actions:
            self.effects.append(_REPEATED)
            return
        alert.actions.append(code)
        if len(alert.actions) > limits.ACTIONS_REMEMBERED:
            del alert.actions[0]
        if alert.outcome == OPEN:
            self._act_on_open(key, alert, kind, agent, at)
        elif alert.by in _MAY_MATTER:
            self._after_decision(key, alert, kind, agent, at)
        else:
            self.effects.append(_AFTER_DECISION)

    def _act_on_open(self, key: EntryKey, alert: Alert, kind: str, agent: str | None, at: float) -> None:
        decides_as = self._kinds[agent].get(kind)
        if decides_as is None:
            if at <= alert.raised_at + self._horizon:
                if kind == MUTED_KIND:
                    alert.marks |= MUTED
                elif kind == HELD_OUT_KIND:
                    alert.flags |= HELD_OUT
            self.effects.append(_NON_DECIDING)
        elif at > alert.raised_at + self._horizon:  # changes nothing, whether or not other teams moved time on already
            self.effects.append(_BEYOND_HORIZON)
        elif decides_as == NOISE and (not self._first_decides or (agent == AUTOMATION and alert.marks & MUTED)):
            # Nobody was shown a muted alert, so no automation can say that it was noise.
            alert.marks |= AUTOMATION_NOISE_SEEN if agent == AUTOMATION else NOISE_SEEN
            self.effects.append(_NON_DECIDING)
        else:
            self.timers.remove((alert.due, *key))
            self._decide(key, alert, decides_as, at, kind, agent)

    def _after_decision(self, key: EntryKey, alert: Alert, kind: str, agent: str | None, at: float) -> None:
        decides_as = self._kinds[agent].get(kind)
        if alert.by in ENDED_BY_RULE and (kind == REOPENED or decides_as == ACTIONABLE):
            self._decide(key, alert, ACTIONABLE, at, CORRECTION, agent)
        elif alert.by == EXPIRY and decides_as is not None and at <= alert.raised_at + self._horizon:
            self.effects.append(_LATE)
        else:
            self.effects.append(_AFTER_DECISION)

    # Outcomes.

    def _decide(self, key: EntryKey, alert: Alert, outcome: int, at: float, by: str, agent: str | None = None) -> None:
        if by != CORRECTION:  # which enters no history
            levels = self._levels_of(key, alert, at)
            if outcome == UNKNOWN:
                state.close_one(levels)
            else:
                state.add_outcomes(levels, at, at // state.EPOCH, outcome == ACTIONABLE)
        alert.outcome, alert.decided_at, alert.by = outcome, at, by
        self.effects.append(Decided(*key, alert, outcome, at, by, alert.flags, self.offset, agent, alert.context))
        if by not in ENDED_BY_RULE:
            alert.context = None  # it may be corrected no more

    def _levels_of(self, key: EntryKey, alert: Alert, at: float) -> list[state.State]:
        keys = self.keys_of(key[0], alert.rule, alert.entity, alert.labels)
        epoch = at // state.EPOCH
        if not alert.flags & UNJUDGED:
            return self._touched(alert, self._states(keys, at, epoch))
        keys = [keys[index] for index in self._with_rule]
        return [level for level in self._states(keys, at, epoch) if level is not _ABSENT]

    def _touched(self, alert: Alert, states: list[state.State]) -> list[state.State]:
        """Of the states of all its levels, those that an alert updates."""
        if alert.flags & UNJUDGED:
            states = [states[index] for index in self._with_rule]
        elif None not in alert.labels:
            return states
        return [level for level in states if level is not _ABSENT]

    def _states(self, keys: list[LevelKey], at: float, epoch: float) -> list[state.State]:
        """The states of levels, brought to `epoch`, anew where there is none; most are taken as they are."""
        get, forget = self.levels.get, self._forget
        states = []
        for key in keys:
            level = get(key)
            if level is None:
                level = _ABSENT
                if key:
                    level = self.levels[key] = state.new_state(epoch)
            elif level[0] < epoch or at - level[15] > forget:
                self._refresh(level, at, epoch)
            states.append(level)
        return states

    def _refresh(self, level: state.State, at: float, epoch: float) -> None:
        """Bring a state to an epoch not before `epoch`; it starts anew where it was forgotten."""
        if level[0] < epoch:
            state.move_landmark(level, epoch)
        forget = self._forget
        long_ago = at - level[state.LAST_RAISED] > forget and at - level[state.LAST_DECIDED] > forget
        if long_ago and state.last_touched(level) != state.NEVER:
            level[:] = state.new_state(epoch)

    def keys_of(self, team: str, rule: str, entity: str, values: tuple[str | None, ...]) -> list[LevelKey]:
        """`level_keys` for this problem's labels, remembered: the same list for the same alert again."""
        known = self._keys.get((team, rule, entity, values))
        if known is None:
            if len(self._keys) >= _KEYS_REMEMBERED:
                self._keys.clear()
            known = self._keys[team, rule, entity, values] = level_keys(team, rule, entity, self.label_names, values)
        return known

    def take_rows(self) -> NDArray[np.float64]:
        """The rows of what arrived since the last call, float64[N, 1 + 19 L]; the fold lets go of them."""
        taken = np.array(self.rows).reshape(-1, 1 + self.level_count * state.WIDTH)
        self.rows = array("d")
        self.first_row = self.arrived
        return taken

    def clear_effects(self) -> None:
        """Forget the effects, once they are dealt with."""
        self.effects.clear()

    def known(self, alert: Alert) -> bool:
        """Whether an event that may still come could find the alert known; if not, it can be let go of."""
        return alert.outcome == OPEN or alert.raised_at + self._keep >= self.time - self._grace

    def _knows(self, alert: Alert, at: float) -> bool:
        """Whether the ledger keeps the alert for an event at `at`, however far other teams have moved time."""
        until = alert.raised_at + self._keep
        return alert.outcome == OPEN or (until >= at and until >= self.time - self._grace)
