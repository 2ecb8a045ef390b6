"""The rules of the simulated organisation's teams in shadow: a closer for the page, and figures for the summary.

The closer follows the same log as the page. A proof counts only what is raised after a rule's first load, so the page
shows nothing of the log as proof. The summary gives what the rules would have done, and that it proves nothing.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct
from rich.console import Console

from stream.core.errors import EmbeddedServerFailed
from stream.core.problem import Problem
from stream.core.records import Outcome
from stream.core.rule_index import RuleIndex
from stream.core.rules import parse_rules
from stream.dev.stack import CloserProcess
from stream.lab.rule_backtest import WARNING, backtest
from stream.rule_files import read_rule_files

RULES = Path(__file__).with_name("rules.toml")


class RuleFigures(Struct, frozen=True):
    """What one rule would have done to the scored alerts, as `noisegate rules backtest` counts it.

    Attributes:
        matched: alerts that met this rule first.
        would_pause: of these, what it would have paused if it were proven and armed.
        judged, acted: of these, those with an outcome, and those that people acted on.
    """

    name: str
    matched: int
    would_pause: int
    judged: int
    acted: int


def rule_figures(outcomes: Iterable[Outcome], problem: Problem) -> list[RuleFigures]:
    """What each rule would have done to alerts with these outcomes, in the order in which rules are tried."""
    found = backtest(RuleIndex(parse_rules(read_rule_files([RULES]))), outcomes, problem)
    return [RuleFigures(one.name, one.matched, one.would_act, one.judged, one.acted) for one in found.rules]


def rules_sentence(rules: Iterable[RuleFigures]) -> str:
    """The figures for people, and that they prove nothing.

    >>> rules_sentence([RuleFigures("quiet", 434, 373, 370, 3)]).removesuffix(WARNING)
    'Rules in shadow: quiet would have paused 373 of 434 alerts, 3 of them acted on. '
    """
    figures = "; ".join(
        f"{one.name} would have paused {one.would_pause:,} of {one.matched:,} alerts, {one.acted:,} of them acted on"
        for one in rules
    )
    return f"Rules in shadow: {figures}. {WARNING}"


class ShadowCloser:
    """A closer of rules in shadow, beside the page; where it can't run one sentence says so, and the page goes on.

    Args:
        environment: settings that reach the servers.
        rules: a file of rules; None: there is no closer.
        console: takes the sentence.
    """

    def __init__(self, environment: dict[str, str], rules: Path | None, console: Console) -> None:
        self._console = console
        self._process = None if rules is None else CloserProcess(environment, rules)

    @property
    def is_running(self) -> bool:
        """Whether there is one, as far as was seen."""
        return self._process is not None

    def await_judged(self) -> None:
        """Wait until the rules decide: of what comes before, they would decide nothing."""
        self._attempt(CloserProcess.await_judged)

    def check(self) -> None:
        """Print why it ended, if it did."""
        self._attempt(CloserProcess.check)

    def __enter__(self) -> Self:
        try:
            self._attempt(CloserProcess.start)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _attempt(self, call: Callable[[CloserProcess], None]) -> None:
        if self._process is None:
            return
        try:
            call(self._process)
        except EmbeddedServerFailed as error:
            self._close()
            self._console.print(f"The page shows no rules: {error}", markup=False, highlight=False, soft_wrap=True)
