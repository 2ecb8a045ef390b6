"""The data of the pages beside the list: an alert, rules, what is suppressed, models, and what is missing at first."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from stream.core.kinds import PERSON
from stream.core.problem import Problem
from stream.core.records import Push
from stream.rule_digest import Digest
from stream.triage.detail import Detail, detail_of
from stream.triage.episode import AlertState
from stream.triage.history import Level
from stream.triage.models import ModelsView
from stream.triage.room import TriageRoom
from stream.triage.standings import RuleData, RulePage, SuppressedRow, digests, rule_pages, suppressed_rows
from stream.triage.view import Hint

NO_ALERTS = Hint(missing="No alert has come so far. Post one to the intake, or send a log:", command="noisegate replay")
NO_SCORER = Hint(missing="Alerts come, but no score does. Start a scorer:", command="noisegate run scorer")
NO_MODEL = Hint(
    missing="There is no model yet, so alerts are unscored and history builds up. Train one, then promote it:",
    command="noisegate lab train",
)
NO_HUMANS = Hint(
    missing="No act of a person has been seen, so there is nothing to learn from. Give verdicts here, or see what your "
    "sources say of people:",
    command="noisegate lab audit",
)
NO_FEATURES = (
    "The record of this score does not hold the features that it was made of: the scorer's setting enriched_features "
    "was off, or the alert came again and kept its first score."
)
NO_RULES = Hint(
    missing="No rule has decided on an alert so far: this noisegate only scores. Set closer_rules, and start a closer:",
    command="noisegate run closer",
)
DIGEST_SECONDS = 86_400.0


class History(Protocol):
    """Where an alert's history is read; called from a thread."""

    def read(self, team: str, rule: str, entity: str) -> list[Level] | str:
        """The levels that there are; a sentence where they can't be read."""


class Models(Protocol):
    """Where models are read; called from a thread."""

    def read(self) -> ModelsView:
        """Champion and challenger."""

    def report(self, version: str) -> bytes | None:
        """The report of a version."""

    def pushes(self, version: str, features: bytes) -> list[Push] | str:
        """What pushed a score that the version made of these features; a sentence where that can't be found."""


class Rules(Protocol):
    """Where the standings of rules are read; called from a thread."""

    def read(self) -> RuleData:
        """What the closer left of all rules."""


class Places:
    """All pages beside the list.

    Args:
        room: holds the board.
        problem: says which acts decide.
        history: of alerts.
        models: of the store.
        rules: as the closer left them.
        identity_ignore: labels that do not count in a fingerprint.
    """

    def __init__(
        self,
        room: TriageRoom,
        problem: Problem,
        history: History,
        models: Models,
        rules: Rules,
        identity_ignore: Collection[str] = (),
    ) -> None:
        self._room, self._problem, self._history, self._models, self._rules = room, problem, history, models, rules
        self.identity_ignore = identity_ignore

    @property
    def span(self) -> str:
        """How far back the page looks, in words."""
        hours = self._room.settings.hours
        return f"the last {hours:g} h" if hours >= 1.0 else "the time since the page started"

    async def alert(self, team: str, alert_id: str) -> Detail | None:
        """An alert's page; None where the page does not know the alert."""
        board = self._room.board
        found = board.find(team, alert_id)
        if found is None:
            return None
        state = found[1]
        levels, pushes = await asyncio.gather(
            asyncio.to_thread(self._history.read, team, state.alert.rule, state.alert.entity),
            asyncio.to_thread(self._pushes, state),
        )
        return detail_of(board, team, alert_id, levels, pushes, self._problem, self._room.clock())

    def _pushes(self, state: AlertState) -> list[Push] | str:
        """What pushed an alert's score; empty where people are shown none."""
        enriched = state.enriched
        if enriched is None or state.probability is None or enriched.score.model is None:
            return ""
        if not isinstance(enriched.features, bytes):
            return NO_FEATURES
        return self._models.pushes(enriched.score.model, enriched.features)

    async def rule_data(self) -> RuleData:
        """What the closer left of all rules."""
        return await asyncio.to_thread(self._rules.read)

    def rules(self, data: RuleData) -> list[RulePage]:
        """All rules that the closer knows or that decided on alerts of the page."""
        return rule_pages(data, self._room.board)

    def suppressed(self, data: RuleData) -> list[SuppressedRow]:
        """What is kept from people now, the oldest first."""
        return suppressed_rows(data, self._room.board, self._room.clock())

    def digests(self, data: RuleData, link: Callable[[str, str], str]) -> Sequence[Digest]:
        """What rules did in the last day, by owner; `link` gives the address of an alert's page."""
        now = self._room.clock()
        return digests(data, self._room.board, now - DIGEST_SECONDS, now, link)

    async def models(self) -> ModelsView:
        """Champion and challenger."""
        return await asyncio.to_thread(self._models.read)

    async def report(self, version: str) -> bytes | None:
        """The report of a version."""
        return await asyncio.to_thread(self._models.report, version)

    def hints(self) -> list[Hint]:
        """What is missing before a page can be of use, with the command that mends it."""
        board = self._room.board
        if not board.episodes:
            return [NO_ALERTS]
        states = [state for episode in board.episodes.values() for state in episode.firings.values()]
        found = []
        if all(state.enriched is None for state in states):
            found.append(NO_SCORER)
        elif all(state.enriched is None or state.enriched.score.model is None for state in states):
            found.append(NO_MODEL)
        if not any(act.agent == PERSON for state in states for act in state.acts):
            found.append(NO_HUMANS)
        return found

    def rule_hints(self, found: Collection[RulePage]) -> list[Hint]:
        """The same for the page of rules."""
        hints = self.hints()
        return hints if found or NO_ALERTS in hints else [*hints, NO_RULES]

    def model_hints(self, found: ModelsView) -> list[Hint]:
        """The same for the model page."""
        return [] if found.models or found.error else [NO_MODEL]
