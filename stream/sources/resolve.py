"""What a body says, to events: which alert each thing is about, which team owns it, and what is known already.

    Parsed --(firings, owners; FiringStore)--> Resolution: Raised and Acted events in order, each with why

The broker's acknowledgement is marked afterwards (`Resolver.confirm`): what was resolved but never published is
published when its sender tries again, and only what the broker has counts as a duplicate.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, decode_event, encode_event
from stream.core.kinds import is_drill
from stream.sources.decisions import EventMaker, Outcome, Pending, Plan, Resolution
from stream.sources.fingerprint import fingerprint
from stream.sources.firing_store import FiringsAway, FiringStore, Swap
from stream.sources.firings import (
    DAY,
    FiringRecord,
    Records,
    decode_records,
    encode_records,
    find_act,
    find_end,
    find_raise,
    make_alert_id,
    mark_published,
    prune,
    seconds_kept,
)
from stream.sources.label_churn import LabelChurn
from stream.sources.options import SourceOptions
from stream.sources.owners import Owner, OwnerFinder
from stream.sources.parsed import Act, Firing, Named, Parsed, Raise, Refused

OWNER_DAYS = 40.0  # longer than a scorer's ledger keeps an alert
_TRIES = 10  # another intake may change the same firings at the same moment
_CHURN = (
    "label {name!r} has a new value at each firing of rule {rule!r}, so each is an alert of its own; if it does not "
    "tell alerts apart, add it to identity_ignore of the source"
)


class Resolver:
    """Resolves the bodies of one source; any thread may call it, and calls take as long as the store's.

    Args:
        source: its name, which goes into ids and events.
        options: of the source.
        store: where firings and owners are remembered, by all intakes of a deployment.
        pseudonym: makes a pseudonym of a person's id.
    """

    def __init__(
        self, source: str, options: SourceOptions, store: FiringStore, pseudonym: Callable[[str], str]
    ) -> None:
        self._source, self._options, self._store = source, options, store
        self._ignored = frozenset(options.identity_ignore)
        self._owners = OwnerFinder(options)
        self._churn = LabelChurn()
        self._maker = EventMaker(source, options, pseudonym)

    def resolve(self, parsed: Parsed, now: float) -> Resolution:
        """The events that a body makes, in its order; `now` is when it came, seconds since 1970.

        With the store away ids are made of fingerprint and start, all is published, and `fallbacks` says how many.
        """
        return self.resolve_all([parsed], now)[0]

    def resolve_all(self, bodies: Sequence[Parsed], now: float) -> list[Resolution]:
        """The events of several bodies, read and remembered together; each as `resolve` makes them."""
        planned = [[self._plan(item) for item in parsed.items] for parsed in bodies]
        remembered = [[plan for plan in plans if plan.key is not None] for plans in planned]
        away, written = "", dict[str, bytes]()
        try:
            outcomes, written = self._decide([plan for plans in remembered for plan in plans], now)
        except FiringsAway as error:
            away = str(error)
            outcomes = {id(plan): _fallback(plan) for plans in remembered for plan in plans}
        resolutions = []
        for parsed, plans, kept in zip(bodies, planned, remembered, strict=True):
            resolution = Resolution([], list(parsed.refused), list(parsed.ignored), list(parsed.notes))
            if away:
                resolution.fallbacks, resolution.away = len(kept), away if kept else ""
            emitted: set[tuple[str, str, str]] = set()
            for plan in plans:
                outcome = outcomes.get(id(plan)) or Outcome(_own_record(plan))
                self._emit(resolution, plan, outcome, emitted)
            resolution.pending = [one._replace(stored=written.get(one.key, b"")) for one in resolution.pending]
            self._watch_labels(resolution, plans, outcomes)
            resolutions.append(resolution)
        return resolutions

    def confirm(self, resolution: Resolution, now: float) -> None:
        """Mark what the broker has acknowledged as known; call it after the acknowledgement. Raises FiringsAway."""
        self.confirm_all(resolution.pending)

    def confirm_all(self, acknowledged: Iterable[Pending]) -> None:
        """As `confirm`, of several bodies together."""
        by_key: dict[str, list[Pending]] = {}
        for pending in acknowledged:
            by_key.setdefault(pending.key, []).append(pending)
        tried = False
        for _ in range(_TRIES):
            if not by_key:
                return
            values = {key: found[-1].stored for key, found in by_key.items() if found[-1].stored and not tried}
            unknown = [key for key in by_key if key not in values]
            values |= zip(unknown, self._store.read(unknown), strict=True)
            tried = True
            swaps = []
            for key, value in values.items():
                records = decode_records(value)
                for pending in by_key[key]:
                    records = mark_published(records, pending.alert_id, pending.ended, pending.resumption)
                if records:
                    swaps.append(self._swap(key, value, records))
            stored = self._store.swap(swaps)
            again = {swap.key for swap, done in zip(swaps, stored, strict=True) if not done}
            by_key = {key: found for key, found in by_key.items() if key in again}

    def _plan(self, item: Raise | Act) -> Plan:
        subject = item.subject
        if isinstance(subject, Named):
            if subject.team is not None:
                return Plan(item, Owner(subject.team, "the event's own field `team`"), None, "", subject.id)
            owner = self._owners.find(item.alert)
            key = owner_key(self._source, subject.id) if len(subject.id) <= limits.ID_LENGTH else None
            return Plan(item, owner, key, "", subject.id)
        print_ = fingerprint(subject.labels, self._ignored)
        return Plan(
            item,
            self._owners.find(item.alert),
            firing_key(self._source, print_),
            f"{print_:016x}",
            make_alert_id(self._source, print_, subject.starts_at),
        )

    def _decide(self, plans: list[Plan], now: float) -> tuple[dict[int, Outcome], dict[str, bytes]]:
        """What each thing is about, by the plan's identity, and what is remembered now, by key. Raises FiringsAway."""
        by_key: dict[str, list[Plan]] = {}
        for plan in plans:
            by_key.setdefault(plan.key or "", []).append(plan)
        outcomes: dict[int, Outcome] = {}
        written: dict[str, bytes] = {}
        keys = list(by_key)
        for _ in range(_TRIES):
            swaps = []
            for key, value in zip(keys, self._store.read(keys), strict=True):
                records = prune(decode_records(value), now)
                for plan in by_key[key]:
                    records, outcomes[id(plan)] = _step(plan, records, now)
                if records:
                    swaps.append(self._swap(key, value, records))
            stored = self._store.swap(swaps) if swaps else []
            keys = [swap.key for swap, done in zip(swaps, stored, strict=True) if not done]
            written |= {swap.key: swap.value for swap in swaps}
            if not keys:
                return outcomes, written
        raise FiringsAway(f"{len(keys)} firings were changed by others {_TRIES} times while they were read")

    def _swap(self, key: str, value: bytes, records: Records) -> Swap:
        is_firing = key.startswith("firing:")
        seconds = seconds_kept(records, self._options.open_days * DAY) if is_firing else OWNER_DAYS * DAY
        return Swap(key, value, encode_records(records), seconds)

    def _emit(self, resolution: Resolution, plan: Plan, outcome: Outcome, emitted: set[tuple[str, str, str]]) -> None:
        item, record = plan.item, outcome.record
        if record is None:
            where = plan.fingerprint or plan.own_id
            detail = f"{_kind(item)} is about an alert that is not known ({where}), and the body does not describe it"
            resolution.refused.append(Refused("", "unknown_alert", detail, _as_json(item)))
            return
        raises = item.alert is not None and (isinstance(item, Raise) or not outcome.raise_published)
        if plan.owner.is_default and raises and not outcome.raise_published:
            resolution.default_teams += 1
        try:
            if raises:
                duplicate = (
                    outcome.late or outcome.raise_published or (record.team, record.alert_id, "raise") in emitted
                )
                event = self._maker.raised(plan, outcome)
                self._add(resolution, plan, outcome, event, duplicate, "raise")
                emitted.add((record.team, record.alert_id, "raise"))
                if outcome.resumption and plan.key is not None:
                    pending = Pending(plan.key, record.alert_id, False, resumption=outcome.resumption)
                    resolution.pending.append(pending)
            if isinstance(item, Act):
                ends = plan.ends
                duplicate = ends and (outcome.end_published or (record.team, record.alert_id, "end") in emitted)
                self._add(
                    resolution, plan, outcome, self._maker.acted(plan, outcome), duplicate, "end" if ends else "act"
                )
                if ends:
                    emitted.add((record.team, record.alert_id, "end"))
        except BadRecord as error:
            resolution.refused.append(Refused("", error.reason, error.detail, _as_json(item)))

    def _add(
        self, resolution: Resolution, plan: Plan, outcome: Outcome, event: Raised | Acted, duplicate: bool, what: str
    ) -> None:
        """Add an event that the scorer will take. Raises BadRecord."""
        try:
            value = encode_event(event)
        except UnicodeEncodeError:
            raise BadRecord("not_json", "a text holds half of a surrogate pair, which is no character") from None
        decode_event(value)
        resolution.decisions.append(self._maker.decision(plan, outcome, event, value, duplicate))
        if plan.key is not None and not duplicate:
            assert outcome.record is not None
            ends = what == "end"
            resumption = outcome.record.resumptions if ends else 0
            resolution.pending.append(Pending(plan.key, outcome.record.alert_id, ends, resumption=resumption))

    def _watch_labels(self, resolution: Resolution, plans: list[Plan], outcomes: dict[int, Outcome]) -> None:
        """Watch the first new firing of each rule in a body: a storm of many pods says nothing of change in time."""
        seen: set[str] = set()
        for plan in plans:
            outcome, alert = outcomes.get(id(plan)), plan.item.alert
            if not isinstance(plan.item.subject, Firing) or alert is None or outcome is None or not outcome.is_new:
                continue
            if is_drill(plan.owner.team):  # each has a label of its own
                continue
            rule = alert.rule or ""
            if rule in seen:
                continue
            seen.add(rule)
            counted = {name: text for name, text in plan.item.subject.labels.items() if name not in self._ignored}
            if name := self._churn.watch(rule, alert.entity or "", counted):
                resolution.notes.append(_CHURN.format(name=name[:128], rule=rule))


def firing_key(source: str, print_: int) -> str:
    """The key of what is remembered of a fingerprint, without the deployment."""
    return f"firing:{source}:{print_:016x}"


def owner_key(source: str, alert_id: str) -> str:
    """The key of what is remembered of an alert that its source names itself, without the deployment."""
    return f"owner:{source}:{alert_id}"


def _step(plan: Plan, records: Records, now: float) -> tuple[Records, Outcome]:
    """One thing that happened, over what is remembered of its fingerprint or id."""
    item, new = plan.item, _own_record(plan)
    if isinstance(item.subject, Named):
        if records:
            return records, Outcome(records[0], raise_published=records[0].raise_published)
        return ((new,), Outcome(new, is_new=True)) if item.alert is not None else (records, Outcome(None))
    start = item.subject.starts_at
    if isinstance(item, Raise):
        after, record, late = find_raise(records, start, new, item.first_hand)
        resumption = record.resumption if item.first_hand else 0
        return after, Outcome(record, record.raise_published, late=late, resumption=resumption, is_new=record is new)
    if plan.ends:
        known = {one.alert_id for one in records}
        described = new if item.alert is not None else None
        after, ended = find_end(records, start, item.at, now, described, item.first_hand)
        if ended is None:
            return after, Outcome(None)
        is_new = ended.alert_id not in known
        return after, Outcome(ended, ended.raise_published, ended.end_published, is_new=is_new)
    found = find_act(records, item.at)
    if found is None and item.alert is not None:
        records, found, _ = find_raise(records, start, new)
    return records, Outcome(found, found is not None and found.raise_published, is_new=found is new)


def _own_record(plan: Plan) -> FiringRecord:
    item = plan.item
    start = item.subject.starts_at if isinstance(item.subject, Firing) else item.alert.at if item.alert else _at(item)
    return FiringRecord(plan.own_id, plan.owner.team, start)


def _fallback(plan: Plan) -> Outcome:
    """Without memory: the id of the firing's own start; what its source does not describe can't be found."""
    if plan.item.alert is None:
        return Outcome(None)
    return Outcome(_own_record(plan), fell_back=True)


def _at(item: Raise | Act) -> float:
    return item.alert.at if isinstance(item, Raise) else item.at


def _as_json(item: Raise | Act) -> bytes:
    """What was read, for alerts.failed; without the person's id."""
    try:
        return msgspec.json.encode(msgspec.structs.replace(item, actor=None) if isinstance(item, Act) else item)
    except UnicodeEncodeError:
        return b"null"


def _kind(item: Raise | Act) -> str:
    return f"`{item.kind}`" if isinstance(item, Act) else "`raised`"
