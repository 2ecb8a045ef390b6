"""What is odd about how a log came to be: who acted, what an export left out, and what repeats."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from msgspec import Struct

from stream.core.events import Acted, Raised, moment
from stream.core.kinds import AUTOMATION, PERSON, split_kind
from stream.core.ledger import ACTIONABLE
from stream.core.problem import DAY_SECONDS
from stream.eventlog import Line
from stream.lab.auditing.result import Finding
from stream.lab.lookalikes import escaped_name, is_no_team, look_alikes
from stream.lab.replaying import Replayed

QUICK_SECONDS = 10.0
QUICK_SHARE = 0.25  # of the actions
LEAST = 20  # actions or alerts, for a share of them to be said
_BURST_DAYS, _BURST_SHARE, _BURST_PART = 28.0, 0.5, 0.15  # most of a log of weeks in its last part
_FIFTH = 0.2
_LEAST_FIFTH = 100  # labelled alerts of a fifth
_SHIFT, _SURE = 0.1, 4.0  # of the share acted on, and how many standard errors
_STRAY_DAYS, _STRAY_SHARE = 30.0, 0.01
_MINE = 0.1  # the share of a kind that automation did
_EPISODE_HOURS = 24.0
_SHOWN = 5


class Actor(Struct, frozen=True):
    """An actor who is not said to be automation: actions, and those within seconds of the raise."""

    name: str
    actions: int
    quick: int


class Actors:
    """Counts who acts how soon, while a log is read."""

    def __init__(self) -> None:
        self.total = 0
        self._raised: dict[tuple[str, str], float] = {}
        self._actions: Counter[str] = Counter()
        self._quick: Counter[str] = Counter()

    def watch(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The lines as they come."""
        for line in lines:
            event = line.event
            if type(event) is Raised:
                self._raised[event.team, event.alert_id] = line.at
            elif type(event) is Acted and event.agent != AUTOMATION:
                self.total += 1
                at = self._raised.get((event.team, event.alert_id))
                if event.actor is not None and at is not None and line.at - at <= QUICK_SECONDS:
                    self._quick[event.actor] += 1
                    self._actions[event.actor] += 0
            yield line

    def programs(self) -> list[Actor]:
        """Those who did a quarter of all actions within seconds of the raise, as programs do."""
        if self.total < LEAST:
            return []
        return [
            Actor(name, self.total, quick)
            for name, quick in self._quick.most_common(_SHOWN)
            if quick >= QUICK_SHARE * self.total
        ]


def biases(replayed: Replayed, actors: Actors | None = None, now: float | None = None) -> list[Finding]:
    """Every finding about the data itself.

    Without `actors` nothing is said of single ones, and without `now` (seconds since 1970) nothing of the future.
    """
    found = [*_agents(replayed), *_teams(replayed)]
    found += [] if actors is None else _programs(actors)
    found += [] if now is None else _future(replayed, now)
    if len(replayed.at) >= LEAST:
        found += [*_burst(replayed), *_age(replayed), *_strays(replayed), *_episodes(replayed)]
    return found


def episodes(replayed: Replayed) -> int:
    """How many episodes the alerts make: firings of one team, rule and entity soon after each other, a day at most."""
    longest = replayed.problem.history.episode_minutes * 60.0
    began: dict[tuple[str, str, str], tuple[float, float]] = {}
    count = 0
    for index in np.argsort(replayed.at, kind="stable").tolist():
        alert, at = replayed.alerts[index], float(replayed.at[index])
        like = (alert.team, alert.rule, alert.entity)
        first, latest = began.get(like, (-np.inf, -np.inf))
        if at - latest > longest or at - first > _EPISODE_HOURS * 3600.0:
            first = at
            count += 1
        began[like] = (first, at)
    return count


def _agents(replayed: Replayed) -> Iterator[Finding]:
    agents, kinds, outcome = replayed.agents, replayed.kinds, replayed.problem.outcome
    total = sum(kinds.values())
    people = sum(count for entry, count in agents.items() if entry.endswith(f"@{PERSON}"))
    if total and not agents:
        text = (
            f"No action says who did it: all {total:,} may be people's or automation's, and kind@person matches none."
        )
        yield Finding("agents", text)
    elif total and not people:
        yield Finding(
            "agents", f"No action is by a person: of {total:,}, {sum(agents.values()):,} are automation's.", True
        )
    if people:
        listed = ", ".join(f"{entry} {count:,}" for entry, count in agents.most_common(2 * _SHOWN))
        yield Finding("agents", f"{people:,} of {total:,} actions are people's: {listed}.")
    for name, entries in (("actionable", outcome.actionable), ("noise", outcome.noise)):
        for kind, agent in map(split_kind, entries):
            done = agents[f"{kind}@{AUTOMATION}"]
            enough = kinds[kind] >= LEAST
            if agent is None and enough and agents[f"{kind}@{PERSON}"] and done > _MINE * kinds[kind]:
                yield Finding(
                    "agents",
                    f"outcome.{name} lists {kind!r}, of which automation did {done:,} of {kinds[kind]:,}; "
                    f"'{kind}@{PERSON}' counts people's only.",
                    True,
                )


def _programs(actors: Actors) -> Iterator[Finding]:
    for actor in actors.programs():
        yield Finding(
            "agents",
            f"Actor {actor.name!r} did {actor.quick:,} of {actor.actions:,} actions within {QUICK_SECONDS:.0f} seconds "
            f"of the raise, as programs do; if it is one, its events should say agent = {AUTOMATION!r}.",
            True,
        )


def _future(replayed: Replayed, now: float) -> Iterator[Finding]:
    count = int(np.count_nonzero(replayed.at > now + DAY_SECONDS))
    if count:
        text = f"{count:,} of {len(replayed.at):,} alerts were raised in the future, the last at "
        text += f"{moment(float(replayed.at.max())):%Y-%m-%d %H:%M}: a clock or a date was wrong"
        yield Finding("times", f"{text}; time in the log moves with them, so take them out.", True)
    elif replayed.ended_at > now + DAY_SECONDS:
        yield Finding("times", f"The log ends in the future, at {moment(replayed.ended_at):%Y-%m-%d %H:%M}.", True)


def _teams(replayed: Replayed) -> Iterator[Finding]:
    counts = Counter(alert.team for alert in replayed.alerts)
    for group in look_alikes(counts):
        listed = ", ".join(f"{escaped_name(name)} ({counts[name]:,})" for name in group[:_SHOWN])
        yield Finding("teams", f"Teams that look alike have histories of their own: {listed}.", True)
    nobody = {name: count for name, count in counts.items() if is_no_team(name)}
    if nobody:
        listed = ", ".join(f"{name!r} ({count:,})" for name, count in list(nobody.items())[:_SHOWN])
        yield Finding("teams", f"Alerts that may belong to nobody have a team: {listed}.", True)


def _burst(replayed: Replayed) -> Iterator[Finding]:
    first, span = float(replayed.at.min()), float(replayed.at.max() - replayed.at.min())
    days = span / DAY_SECONDS
    late = int(np.count_nonzero(replayed.at > first + (1.0 - _BURST_PART) * span))
    if days >= _BURST_DAYS and late > _BURST_SHARE * len(replayed.at):
        yield Finding(
            "extraction",
            f"{late:,} of {len(replayed.at):,} alerts were raised in the last {_BURST_PART * days:.0f} of {days:.0f} "
            "days: an export of what was open or changed lately leaves out old alerts that nobody touched; export by "
            "the time of the raise.",
            True,
        )


def _age(replayed: Replayed) -> Iterator[Finding]:
    """The share acted on in the oldest and in the newest fifth of the mature alerts."""
    usable = np.flatnonzero(replayed.labelled & replayed.mature)
    count = int(_FIFTH * len(usable))
    if count < _LEAST_FIFTH:
        return
    ordered = usable[np.argsort(replayed.at[usable], kind="stable")]
    old, new = (float(np.mean(replayed.outcome[part] == ACTIONABLE)) for part in (ordered[:count], ordered[-count:]))
    both = (old + new) / 2.0
    error = float(np.sqrt(max(both * (1.0 - both), 1e-9) * 2.0 / count))
    if abs(old - new) < max(_SHIFT, _SURE * error):
        return
    text = f"Of the oldest {count:,} alerts {old:.1%} were acted on, of the newest {new:.1%}: "
    if old > new:
        text += "either people changed, or the export holds old alerts because somebody acted on them"
    else:
        text += "people or rules changed, and a model of the past says too little"
    yield Finding("label shift", f"{text}; n is {count:,} each.", True)


def _strays(replayed: Replayed) -> Iterator[Finding]:
    at = np.sort(replayed.at)
    gaps = np.diff(at)
    last = int(np.argmax(gaps))
    for some, where in ((at[last + 1 :], "after"), (at[: last + 1], "before")):
        if gaps[last] > _STRAY_DAYS * DAY_SECONDS and len(some) <= max(_STRAY_SHARE * len(at), 1.0):
            yield Finding(
                "times",
                f"{len(some):,} alerts lie {gaps[last] / DAY_SECONDS:,.0f} days {where} all others: a clock or a date "
                "was wrong; time in the log moves with them, so take them out.",
                True,
            )


def _episodes(replayed: Replayed) -> Iterator[Finding]:
    count, alerts = episodes(replayed), len(replayed.at)
    yield Finding(
        "episodes",
        f"{alerts:,} alerts make {count:,} episodes (firings of one team, rule and entity at most "
        f"{replayed.problem.history.episode_minutes:g} minutes apart), {alerts / count:.1f} alerts each.",
        alerts > 2 * count,
    )
