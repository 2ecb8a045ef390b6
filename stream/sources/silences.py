"""Human acts where there are none: what people do to alerts in Alertmanager, read from its silences and alerts.

    state, snapshot, what is open with us --watch--> state, acts

A shop with nothing but Alertmanager has no button for "seen" or "done"; it has silences. One that is brief, of few
alerts and made by a person after an alert fired is that alert's `acknowledged`; any other is `silenced`. What was never
shown to anybody is `muted`, and what Alertmanager does not know any more has `ended`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from stream.core.events import words_for
from stream.sources.agents import IGNORED, NOBODY, RAISED, USER, AgentTable, Decided
from stream.sources.alertmanager_state import AlertState, Silence, Snapshot, latest
from stream.sources.matchers import match_all
from stream.sources.parsed import Act, Firing

SOURCE = "alertmanager"
_IDS = 100  # of one lineage that are remembered: a renewing program makes a new one every few minutes
_UNANSWERED_SECONDS = 86_400.0  # how long a lineage is kept while an Alertmanager does not answer
Identity = Callable[[Mapping[str, str]], str]
"""What alerts are told apart by: the same for what is open with us and what Alertmanager has."""


class WatchOptions(Struct, frozen=True, kw_only=True):
    """How silences and alerts are read.

    Attributes:
        quiet_receivers: names of receivers that show nobody anything.
        own_creator: who makes our own silences; they are nobody's act.
        brief_alerts: a silence that matches more firing alerts is no acknowledgement.
        brief_seconds: neither is a longer one.
        gone_seconds: an alert that no Alertmanager has for so long has ended; a restarted one has none for a minute.
        renewal_seconds: a silence like one that ended no longer ago continues it.
    """

    quiet_receivers: frozenset[str] = frozenset()
    own_creator: str = "noisegate"
    brief_alerts: int = 10
    brief_seconds: float = 3600.0
    gone_seconds: float = 300.0
    renewal_seconds: float = 900.0


class Lineage(Struct, frozen=True):
    """A silence and all that continue it: of the same id, or of the same creator and matchers.

    Attributes:
        ids: of silences.
        made_at: when the first was made; seconds since 1970, as all times.
        seen_at: when one of them was last active.
        alerts: how many firing alerts the first matched.
        seconds: how long the first was to last.
        creator: of the first.
    """

    ids: tuple[str, ...]
    made_at: float
    seen_at: float
    alerts: int
    seconds: float
    creator: str


class Seen(Struct, frozen=True):
    """What is remembered of an alert that fires, or is open with us.

    Attributes:
        opened: its start as it is open with us; None: it is not.
        looked: whether Alertmanager's first decision about it was seen.
        hidden: why nobody was shown it then; empty: somebody was.
        muted: whether that was said.
        missing_since: since when no Alertmanager has it.
        ended: whether that was said.
        lineages: silences that were acts on it.
    """

    opened: float | None = None
    looked: bool = False
    hidden: str = ""
    muted: bool = False
    missing_since: float | None = None
    ended: bool = False
    lineages: tuple[str, ...] = ()


class WatchState(Struct, frozen=True):
    """What is remembered from one look to the next, at most of what fires, is open, or silences; JSON can hold it.

    `since` is the time of the first look: what fired before may have been shown to people before.
    """

    since: float | None = None
    lineages: dict[str, Lineage] = {}
    alerts: dict[str, Seen] = {}


def identify(labels: Mapping[str, str]) -> str:
    """All labels with a value but `noisegate`, as one text."""
    return "\xff".join(f"{name}\xff{labels[name]}" for name in sorted(labels) if labels[name] and name != "noisegate")


def watch(
    state: WatchState,
    snapshot: Snapshot,
    open_alerts: Iterable[Firing],
    options: WatchOptions,
    agents: AgentTable,
    identity: Identity = identify,
) -> tuple[WatchState, list[Act]]:
    """One look at all Alertmanagers: what is remembered after it, and the acts that are new.

    An act is written once an alert is open with us, and once only; a silence is an act on the alerts that fired when it
    was made, since nobody has seen those that fire into it.

    Args:
        state: after the look before.
        snapshot: all Alertmanagers now; with one that did not answer nothing is gone.
        open_alerts: what is open with us, with its first start.
        options: how they are read.
        agents: who is no person.
        identity: see `Identity`.
    """
    look = _Look(
        state, snapshot, {identity(firing.labels): firing for firing in open_alerts}, options, agents, identity
    )
    acts = [*look.muted(), *look.silenced(), *look.ended()]
    since = snapshot.at if state.since is None else state.since
    return WatchState(since, look.lineages, look.seen), acts


class _Look:
    """One look in progress: what fires by identity, lineages and what is remembered, brought up to date."""

    def __init__(
        self,
        state: WatchState,
        snapshot: Snapshot,
        open_alerts: Mapping[str, Firing],
        options: WatchOptions,
        agents: AgentTable,
        identity: Identity,
    ) -> None:
        self._snapshot, self._open, self._options, self._agents = snapshot, open_alerts, options, agents
        self._since = snapshot.at if state.since is None else state.since
        self._firing = _by_identity(snapshot.alerts, identity)
        silences = latest(snapshot.silences)
        self._active = [each for each in silences if each.active]  # our own as well: what fires into one is not shown
        self._silences = [each for each in self._active if each.creator != options.own_creator]
        self._matched: dict[str, list[str]] = {}
        self.lineages = self._continue_lineages(state.lineages)
        self.seen = {
            key: self._remembered(state.alerts.get(key, Seen()), key) for key in {**self._firing, **self._open}
        }

    def muted(self) -> Iterable[Act]:
        """Acts on what nobody was shown when Alertmanager first decided about it."""
        for key, alert in self._firing.items():
            seen = self.seen[key]
            if not seen.looked and alert.processed:
                seen = msgspec.structs.replace(seen, looked=True, hidden=self._hidden(alert))
            firing = self._open.get(key)
            if seen.hidden and not seen.muted and firing is not None:
                decided = self._decide("hidden")
                if decided is not None:
                    yield _act(firing, firing.starts_at, decided, seen.hidden, "muted")
                seen = msgspec.structs.replace(seen, muted=True)
            self.seen[key] = seen

    def silenced(self) -> Iterable[Act]:
        """Acts of silences on what fired when they were made."""
        for name, keys in self._matched.items():
            lineage = self.lineages[name]
            for key in keys:
                seen, firing = self.seen[key], self._open.get(key)
                if firing is None or name in seen.lineages or firing.starts_at > lineage.made_at:
                    continue
                self.seen[key] = msgspec.structs.replace(seen, lineages=(*seen.lineages, name))
                decided = self._decide("brief silence" if self._is_brief(lineage) else "silence", lineage.creator)
                if decided is not None:
                    why = f"a silence of {lineage.alerts} alerts for {words_for(lineage.seconds)}, made after the alert"
                    yield _act(firing, lineage.made_at, decided, why, f"silence-{name}", lineage.creator or None)

    def ended(self) -> Iterable[Act]:
        """Acts on what is open with us and gone from all Alertmanagers for a while."""
        for key, firing in self._open.items():
            seen = self.seen[key]
            if key in self._firing or seen.ended or not self._snapshot.complete:
                continue
            since = self._snapshot.at if seen.missing_since is None else seen.missing_since
            gone = self._snapshot.at - since >= self._options.gone_seconds
            self.seen[key] = msgspec.structs.replace(seen, missing_since=since, ended=gone)
            decided = self._decide("gone")
            if gone and decided is not None:
                why = f"no Alertmanager has it for {words_for(self._snapshot.at - since)}"
                act = _act(firing, max(since, firing.starts_at), decided, why, None)
                yield msgspec.structs.replace(act, ends=True)

    def _remembered(self, seen: Seen, key: str) -> Seen:
        firing = self._open.get(key)
        opened = firing.starts_at if firing is not None else None
        if seen.opened is not None and opened != seen.opened:
            seen = Seen()  # it fired again
        if key in self._firing and seen.missing_since is not None:
            seen = msgspec.structs.replace(seen, missing_since=None, ended=False)
        lineages = tuple(name for name in seen.lineages if name in self.lineages)
        if (opened, lineages) == (seen.opened, seen.lineages):
            return seen
        return msgspec.structs.replace(seen, opened=opened, lineages=lineages)

    def _continue_lineages(self, before: Mapping[str, Lineage]) -> dict[str, Lineage]:
        now = self._snapshot.at
        kept = self._options.renewal_seconds if self._snapshot.complete else _UNANSWERED_SECONDS
        lineages = {name: each for name, each in before.items() if now - each.seen_at <= kept}
        names = {each: name for name, lineage in lineages.items() for each in lineage.ids}
        for silence in sorted(self._silences, key=lambda each: (each.made_at, each.id)):
            name = names.get(silence.id) or lineage_name(silence)
            known = lineages.get(name)
            keys = [key for key, alert in self._firing.items() if _covers(silence, alert, is_new=known is None)]
            if known is None:
                seconds = silence.ends_at - silence.made_at
                lineages[name] = Lineage((silence.id,), silence.made_at, now, len(keys), seconds, silence.creator)
            else:
                ids = known.ids if silence.id in known.ids else (*known.ids, silence.id)[-_IDS:]
                lineages[name] = msgspec.structs.replace(known, ids=ids, seen_at=now)
            self._matched[name] = [*self._matched.get(name, ()), *keys]
        return lineages

    def _decide(self, event: str, creator: str = "") -> Decided | None:
        decided = self._agents.decide(SOURCE, event, USER if creator else NOBODY, (creator,))
        return None if decided is None or decided.kind in (RAISED, IGNORED) else decided

    def _is_brief(self, lineage: Lineage) -> bool:
        return lineage.alerts <= self._options.brief_alerts and lineage.seconds <= self._options.brief_seconds

    def _hidden(self, alert: AlertState) -> str:
        """Why nobody is shown an alert that is seen for the first time; empty where somebody may have been."""
        if alert.receivers and alert.receivers <= self._options.quiet_receivers:
            return f"it is routed to {', '.join(sorted(alert.receivers))} only, which show it to nobody"
        if not alert.suppressed:
            return ""
        if any(each.starts_at <= alert.starts_at and _covers(each, alert, is_new=True) for each in self._active):
            return "it was silenced before it fired"
        if alert.inhibited and alert.starts_at >= self._since:
            return "another alert inhibits it"
        return ""


def lineage_name(silence: Silence) -> str:
    """What silences of one creator with the same matchers have in common."""
    matchers = sorted((each.name, each.value, each.is_regex, each.is_equal) for each in silence.matchers)
    text = msgspec.json.encode((silence.creator, matchers))
    return hashlib.sha256(text).hexdigest()[:16]


def _covers(silence: Silence, alert: AlertState, *, is_new: bool) -> bool:
    """Whether a silence matches an alert: as Alertmanager says, or by our own match where it may not know yet."""
    if silence.id in alert.silenced_by:
        return True
    return (is_new or not alert.processed) and match_all(silence.matchers, alert.labels) is True


def _by_identity(alerts: Sequence[AlertState], identity: Identity) -> dict[str, AlertState]:
    """What fires, once an alert: at two Alertmanagers, or under labels that do not tell alerts apart."""
    found: dict[str, AlertState] = {}
    for alert in alerts:
        key = identity(alert.labels)
        other = found.get(key)
        if other is not None:
            alert = AlertState(
                labels=other.labels,
                starts_at=min(alert.starts_at, other.starts_at),
                suppressed=alert.suppressed and other.suppressed,
                processed=alert.processed or other.processed,
                silenced_by=alert.silenced_by | other.silenced_by,
                inhibited=alert.inhibited or other.inhibited,
                receivers=alert.receivers | other.receivers,
            )
        found[key] = alert
    return found


def _act(firing: Firing, at: float, decided: Decided, why: str, action_id: str | None, actor: str | None = None) -> Act:
    return Act(
        subject=firing,
        at=at,
        kind=decided.kind,
        agent=decided.agent,
        agent_why=f"{decided.why}; {why}",
        actor=actor,
        action_id=action_id,
    )
