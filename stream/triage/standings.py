"""Rules as the closer left them in Redis, put together with what the page has seen of their decisions."""

import time
from collections.abc import Callable, Sequence
from threading import Lock

from msgspec import Struct

from stream.core.errors import RulesError
from stream.core.suppressions import Suppression as RuleSuppression
from stream.rule_brakes import merge_brakes
from stream.rule_digest import Digest, digests_of
from stream.rule_standing import STALE_SECONDS, StandingSummary, summaries_of
from stream.rule_state import Change, PauseAll, RuleState
from stream.triage.board import Board
from stream.triage.episode import Suppression, suppressed
from stream.triage.rules import RuleView, rules_of

KEPT_SECONDS = 1.0  # so that many viewers do not ask Redis each
LOG_LINES = 2_000
SHOWN_LINES = 50
_DONE = {"pause": "paused", "close": "closed"}


class RuleData(Struct, frozen=True, kw_only=True):
    """All that the pages show of rules from Redis; `away` is a sentence where that can't be read.

    `brakes` are sentences on what keeps all rules from acting, and on rule files that can't be used.
    """

    rules: list[StandingSummary] = []
    paused: PauseAll | None = None
    brakes: list[str] = []
    log: list[Change] = []
    suppressed: list[RuleSuppression] = []
    away: str = ""

    @property
    def in_shadow(self) -> int:
        """How many rules there are, if none may act; else 0."""
        loaded = [one for one in self.rules if one.loaded]
        return 0 if any(one.mode in ("pause", "close") for one in loaded) else len(loaded)

    def is_stale(self, now: float) -> bool:
        """Whether nobody has judged the rules for so long that none acts."""
        return bool(self.rules) and now - max(one.at for one in self.rules) > STALE_SECONDS


class RulePage(Struct, frozen=True):
    """One rule: its standing, where the closer left one, and what it did lately, where the page saw that."""

    name: str
    standing: StandingSummary | None
    lately: RuleView | None
    log: list[Change]


class SuppressedRow(Struct, frozen=True, kw_only=True):
    """One alert that something keeps from people; the page of an alert that is not `known` is not there."""

    team: str
    alert_id: str
    title: str
    firings: int
    known: bool
    suppression: Suppression


class RuleReader:
    """Reads what the closer left; every call blocks. What was read a moment ago is given again.

    Args:
        state: of the deployment.
        clock: seconds, monotonic.
    """

    def __init__(self, state: RuleState, clock: Callable[[], float] = time.monotonic) -> None:
        self._state, self._clock = state, clock
        self._lock = Lock()
        self._kept: tuple[float, RuleData] | None = None

    def read(self) -> RuleData:
        """What stands in Redis, at most KEPT_SECONDS old."""
        with self._lock:
            now = self._clock()
            if self._kept is None or now - self._kept[0] > KEPT_SECONDS:
                self._kept = now, self._read()
            return self._kept[1]

    def close(self) -> None:
        """End the connections."""
        self._state.close()

    def _read(self) -> RuleData:
        state = self._state
        try:
            brakes = merge_brakes(state.brakes(), time.time())
            return RuleData(
                rules=summaries_of(state.standings(), brakes),
                brakes=brakes.sentences,
                paused=state.paused(),
                log=state.log(LOG_LINES),
                suppressed=state.suppressed(),
            )
        except RulesError as error:
            return RuleData(away=f"How far rules may go can't be read: {error}")


def rule_pages(data: RuleData, board: Board) -> list[RulePage]:
    """All rules that the closer or a decision names, in the order of their standing."""
    lately = {one.name: one for one in rules_of(board.episodes.values())}
    standings = {one.name: one for one in data.rules}
    names = [*standings, *(name for name in lately if name not in standings)]
    lines: dict[str, list[Change]] = {}
    for line in data.log:
        lines.setdefault(line.rule, []).append(line)
    return [RulePage(name, standings.get(name), lately.get(name), lines.get(name, [])[:SHOWN_LINES]) for name in names]


def suppressed_rows(data: RuleData, board: Board, now: float) -> list[SuppressedRow]:
    """What is kept from people, the oldest first: by rules as the closer says, and all else as the topics say.

    Of what rules did, the topics stand in for what Redis does not hold.
    """
    found: dict[tuple[str, str], SuppressedRow] = {}
    for one in data.suppressed:
        known = board.find(one.team, one.alert_id)
        title = f"{one.rule} on {one.entity}"
        found[one.team, one.alert_id] = SuppressedRow(
            team=one.team,
            alert_id=one.alert_id,
            title=title if known is None else known[1].alert.title or title,
            firings=1 if known is None else known[0].count,
            known=known is not None,
            suppression=_of_rule(one, board),
        )
    for episode, why in suppressed(board.episodes, now):
        row = episode.row(now)
        key = row.team, row.alert_id
        if key not in found:
            found[key] = SuppressedRow(
                team=row.team,
                alert_id=row.alert_id,
                title=row.title,
                firings=row.firings,
                known=True,
                suppression=why,
            )
    return sorted(found.values(), key=lambda each: each.suppression.since)


def digests(
    data: RuleData, board: Board, since: float, now: float, link: Callable[[str, str], str]
) -> Sequence[Digest]:
    """The digest of each owner, of the decisions that the page knows and may show; times in seconds since 1970."""
    states = [state for episode in board.episodes.values() for state in episode.firings.values()]
    decisions = [decision for state in states for decision in state.shown_decisions]
    outcomes = [state.outcome for state in states if state.outcome is not None]
    owners = {one.name: one.owner for one in data.rules}
    return digests_of(decisions, outcomes, owners, since, now, link)


def _of_rule(one: RuleSuppression, board: Board) -> Suppression:
    known = board.find(one.team, one.alert_id)
    seen = known[1].suppression if known is not None else None
    share = "" if one.probability is None else f"its probability is {100 * one.probability:.1f} %"
    why = seen.why if seen is not None and seen.by == one.by_rule and seen.why else share
    return Suppression(what=_DONE[one.decision], by=one.by_rule, why=why, since=one.since, until=one.until)
