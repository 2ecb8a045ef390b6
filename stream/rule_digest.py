"""The digest of an owner's rules: what they paused and closed in a span, and what of it is likeliest to be wrong.

Blind: of an alert that a rule left alone only a count is given, and only once the alert's outcome is decided.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

from msgspec import DecodeError, Struct, field

from stream.config import Settings
from stream.core.events import At, moment, seconds
from stream.core.once import Once
from stream.core.records import Decision, Outcome, decode_decision, decode_outcome
from stream.core.text import strip_control_characters
from stream.html import page_address

SHOWN = 5
NEAR_SECONDS = 2 * 3_600.0  # an alert acted on so soon after one that was suppressed, on its entity, is a near-miss
LOOK_BACK_SECONDS = 3 * 86_400.0  # hold-outs before the span whose outcome may be of it
_NOBODY = "nobody"
_REST_RECORDS = 1_000
_CELLS = str.maketrans({letter: f"\\{letter}" for letter in "\\|[]<>*_`#"})
AlertKey = tuple[str, str]
_T = TypeVar("_T")


class SuppressedAlert(Struct, frozen=True, kw_only=True):
    """One alert that a rule paused or closed.

    Attributes:
        outcome: what became of it, once that is known.
        near_miss: the alert that people acted on soon after, on the same team and entity.
        link: its page; empty where no page is known.
    """

    alert_id: str
    team: str
    rule: str
    entity: str
    raised_at: At
    decision: Literal["pause", "close"]
    by_rule: str
    decided_at: At
    probability: float | None
    outcome: str | None = None
    near_miss: str | None = None
    link: str = ""

    @property
    def words(self) -> str:
        """Why it may be wrong, in words."""
        if self.outcome == "actionable":
            return "people acted on it"
        if self.near_miss is not None:
            return f"people acted on {self.near_miss} of the same entity soon after"
        return "its probability is among the highest"


class RuleDigest(Struct, kw_only=True):
    """What one rule did in the span.

    Attributes:
        released: suppressions that ended with the alert back before people.
        acted_on: of what it paused and closed, what people acted on.
        near_misses: of what it paused and closed, what was followed by an act on the same entity within 2 h.
        left_alone: alerts held out whose outcome was decided in the span; `left_alone_acted` of them were acted on, and
            `left_alone_followed` were followed by an act on the same entity: the base rate of near-misses.
    """

    rule: str
    paused: int = 0
    closed: int = 0
    released: int = 0
    acted_on: int = 0
    near_misses: int = 0
    left_alone: int = 0
    left_alone_acted: int = 0
    left_alone_followed: int = 0


class Digest(Struct, kw_only=True, tag_field="type", tag="rules_digest"):
    """All rules of one owner; times in UTC."""

    owner: str
    since: At
    until: At
    rules: list[RuleDigest] = field(default_factory=list)
    likeliest_wrong: list[SuppressedAlert] = field(default_factory=list)


def no_link(team: str, alert_id: str) -> str:
    """No address, where no page is known."""
    return ""


def digests_of(
    decisions: Iterable[Decision],
    outcomes: Iterable[Outcome],
    owners: Mapping[str, str],
    since: float,
    until: float,
    link: Callable[[str, str], str] = no_link,
) -> list[Digest]:
    """A digest for each owner of a rule, by name.

    Args:
        decisions: of the span; hold-outs of the days before as well. Each may come more than once.
        outcomes: since then.
        owners: by rule.
        since, until: the span, seconds since 1970.
        link: the address of an alert's page, by team and alert id.
    """
    known = _Outcomes(outcomes)
    rules = {name: RuleDigest(rule=name) for name in owners}
    found: dict[str, list[SuppressedAlert]] = {}
    once = Once()
    for one in decisions:
        if one.by_rule is None or not once.takes_decision(one):
            continue
        rule = rules.setdefault(one.by_rule, RuleDigest(rule=one.by_rule))
        if one.decision == "hold_out":
            _add_left_alone(rule, one, known, since, until)
        elif since <= seconds(one.decided_at) < until:
            alert = _add_deed(rule, one, known, link)
            if alert is not None:
                found.setdefault(owners.get(one.by_rule, _NOBODY), []).append(alert)
    by_owner: dict[str, list[RuleDigest]] = {}
    for name, rule in sorted(rules.items()):
        by_owner.setdefault(owners.get(name, _NOBODY), []).append(rule)
    return [
        Digest(
            owner=owner,
            since=moment(since),
            until=moment(until),
            rules=of_owner,
            likeliest_wrong=sorted(found.get(owner, ()), key=_doubt, reverse=True)[:SHOWN],
        )
        for owner, of_owner in sorted(by_owner.items())
    ]


class _Outcomes:
    """What became of alerts, and when people acted on those of an entity."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self._of: dict[AlertKey, Outcome] = {}
        self._acts: dict[AlertKey, list[tuple[float, str]]] = {}
        for one in outcomes:
            self._of[one.team, one.alert_id] = one  # a correction comes after what it corrects
        for one in self._of.values():
            if one.outcome == "actionable":
                self._acts.setdefault((one.team, one.entity), []).append((seconds(one.raised_at), one.alert_id))
        for acts in self._acts.values():
            acts.sort()

    def of(self, decision: Decision) -> Outcome | None:
        """The outcome of a decision's alert."""
        return self._of.get((decision.team, decision.alert_id))

    def followed_by(self, decision: Decision) -> str | None:
        """The first other alert of the entity that came within the time of a near-miss and was acted on."""
        at = seconds(decision.decided_at)
        acts = self._acts.get((decision.team, decision.entity), [])
        for when, alert_id in acts[bisect_left(acts, (at, "")) :]:
            if when > at + NEAR_SECONDS:
                return None
            if alert_id != decision.alert_id:
                return alert_id
        return None


def _add_left_alone(rule: RuleDigest, one: Decision, known: _Outcomes, since: float, until: float) -> None:
    outcome = known.of(one)
    if outcome is None or outcome.outcome == "unknown" or not since <= seconds(outcome.decided_at) < until:
        return
    rule.left_alone += 1
    rule.left_alone_acted += outcome.outcome == "actionable"
    rule.left_alone_followed += known.followed_by(one) is not None


def _add_deed(
    rule: RuleDigest, one: Decision, known: _Outcomes, link: Callable[[str, str], str]
) -> SuppressedAlert | None:
    if one.decision == "release":
        rule.released += 1
    if one.decision not in ("pause", "close"):
        return None
    outcome, near = known.of(one), known.followed_by(one)
    if one.decision == "pause":
        rule.paused += 1
    else:
        rule.closed += 1
    rule.acted_on += outcome is not None and outcome.outcome == "actionable"
    rule.near_misses += near is not None
    return SuppressedAlert(
        alert_id=one.alert_id,
        team=one.team,
        rule=one.rule,
        entity=one.entity,
        raised_at=one.raised_at,
        decision=one.decision,
        by_rule=one.by_rule or "",
        decided_at=one.decided_at,
        probability=one.probability,
        outcome=None if outcome is None else outcome.outcome,
        near_miss=near,
        link=link(one.team, one.alert_id),
    )


def _doubt(one: SuppressedAlert) -> tuple[bool, bool, float]:
    return one.outcome == "actionable", one.near_miss is not None, one.probability or 0.0


def as_markdown(digest: Digest) -> str:
    """A digest for a mail or a chat."""
    lines = [
        f"# Rules of {_cell(digest.owner)}: {digest.since:%Y-%m-%d %H:%M} to {digest.until:%Y-%m-%d %H:%M} UTC",
        "",
        "| rule | paused | closed | came back | acted on | near-misses | left alone | of these acted on | followed |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in digest.rules:
        figures = (
            *(one.paused, one.closed, one.released, one.acted_on, one.near_misses),
            *(one.left_alone, one.left_alone_acted, one.left_alone_followed),
        )
        lines.append(f"| {_cell(one.rule)} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    lines += ["", "A near-miss is an alert that people acted on within 2 h of a pause or closure on the same entity."]
    lines += ["Of alerts that were left alone, `followed` counts the same: it is the rate to compare with."]
    if digest.likeliest_wrong:
        lines += ["", "## Likeliest to be wrong", ""]
        lines += [f"{number}. {_line(one)}" for number, one in enumerate(digest.likeliest_wrong, 1)]
    return "\n".join(lines) + "\n"


def _line(one: SuppressedAlert) -> str:
    name = f"[{_cell(one.alert_id)}]({one.link})" if one.link else _cell(one.alert_id)
    share = "not scored" if one.probability is None else f"{100 * one.probability:.1f} %"
    what = f"{_cell(one.rule)} on {_cell(one.entity)} of {_cell(one.team)}"
    return f"{name}: {what}, {one.decision}d by {_cell(one.by_rule)} at {share}: {_cell(one.words)}"


def _cell(text: str) -> str:
    return " ".join(strip_control_characters(text).translate(_CELLS).split())


def read_digests(
    settings: Settings, owners: Mapping[str, str], since: float, until: float, rest: Callable[[], None] = lambda: None
) -> list[Digest]:
    """The digests of a span, made of what the topics hold; arguments as of `digests_of` and `read_records`.

    Raises:
        BrokerError: Kafka can't be reached, or a topic is missing.
    """
    decisions, outcomes = read_records(settings, since, rest)
    return digests_of(decisions, outcomes, owners, since, until, partial(page_address, settings.relay.page_url))


def read_records(
    settings: Settings, since: float, rest: Callable[[], None] = lambda: None
) -> tuple[Sequence[Decision], Sequence[Outcome]]:
    """What a digest from `since` on (seconds since 1970) is made of, read from the topics.

    Decisions that did nothing are left out but for hold-outs, and outcomes of alerts that nobody suppressed or held
    out but for those that people acted on. `rest` is called after every thousand records; what it raises ends the
    reading.

    Raises:
        BrokerError: Kafka can't be reached, or a topic is missing.
    """
    begin, topics = since - LOOK_BACK_SECONDS, settings.topics
    read = _read(settings, topics.decisions, begin, decode_decision, rest)
    decisions = [one for one in read if one.decision in ("pause", "close", "release", "hold_out")]
    wanted = {(one.team, one.alert_id) for one in decisions}
    outcomes = [
        one
        for one in _read(settings, topics.outcomes, begin, decode_outcome, rest)
        if one.outcome == "actionable" or (one.team, one.alert_id) in wanted
    ]
    return decisions, outcomes


def _read(
    settings: Settings, topic: str, since: float, decode: Callable[[bytes], _T], rest: Callable[[], None]
) -> Iterator[_T]:
    from stream.kafka.reader import Reader

    with Reader(settings, [topic], since=since) as reader:
        for number, message in enumerate(reader.read_all()):
            if number % _REST_RECORDS == 0:
                rest()
            try:
                record = decode(message.value() or b"")
            except (DecodeError, ValueError, RecursionError):
                continue  # `doctor` finds such records
            yield record
