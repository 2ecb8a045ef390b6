"""A `RuleState` in memory, for the tests of those who use it; `test_rule_state.py` holds it against the real one."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from stream.core.errors import RulesError
from stream.core.suppressions import Suppression
from stream.rule_brakes import HeldBrakes
from stream.rule_state import (
    BRAKES_SECONDS,
    LOG_ENTRIES,
    UNDO_SECONDS,
    Change,
    Command,
    CommandResult,
    PauseAll,
    RuleState,
    Standing,
    Undo,
)


class MemoryRuleState(RuleState):
    """Keeps everything in dictionaries; while `away` is set, every call fails as without Redis."""

    def __init__(self) -> None:
        self.away = False
        self._commands: dict[str, Command] = {}
        self._results: dict[str, CommandResult] = {}
        self._standings: dict[str, Standing] = {}
        self._log: list[Change] = []
        self._pause: PauseAll | None = None
        self._undos: dict[str, Undo] = {}
        self._undone: dict[str, dict[int, int]] = {}
        self._brakes: dict[str, HeldBrakes] = {}
        self._suppressed: dict[tuple[str, str], Suppression] = {}

    def send(self, command: Command) -> None:
        """As the real one."""
        self._check()
        self._commands[command.id] = command

    def result(self, command: str) -> CommandResult | None:
        """As the real one."""
        self._check()
        return self._results.get(command)

    def pause_all(self, order: PauseAll | None) -> None:
        """As the real one."""
        self._check()
        self._pause = order

    def undo(self, order: Undo) -> None:
        """As the real one."""
        self._check()
        self._undos = {name: one for name, one in self._undos.items() if one.at >= order.at - UNDO_SECONDS}
        self._undos[order.id] = order

    def undone(self, order: str) -> dict[int, int]:
        """As the real one."""
        self._check()
        return dict(self._undone.get(order, {}))

    def log(self, most: int = 1_000) -> list[Change]:
        """As the real one."""
        self._check()
        return self._log[:most]

    def suppressed(self) -> list[Suppression]:
        """As the real one."""
        self._check()
        return sorted(self._suppressed.values(), key=lambda one: one.since)

    def paused(self) -> PauseAll | None:
        """As the real one."""
        self._check()
        return self._pause

    def standings(self, bounds: bool = True) -> dict[str, Standing]:
        """As the real one."""
        self._check()
        return {name: one if bounds else replace(one, bounds=[]) for name, one in sorted(self._standings.items())}

    def brakes(self) -> list[HeldBrakes]:
        """As the real one."""
        self._check()
        return list(self._brakes.values())

    def publish_brakes(self, held: HeldBrakes | None, worker: str) -> None:
        """As the real one."""
        self._check()
        if held is None:
            self._brakes.pop(worker, None)
            return
        self._brakes[worker] = held
        self._brakes = {name: one for name, one in self._brakes.items() if one.at >= held.at - BRAKES_SECONDS}

    def undos(self) -> list[Undo]:
        """As the real one."""
        self._check()
        return sorted(self._undos.values(), key=lambda one: one.at)

    def commands(self) -> list[Command]:
        """As the real one."""
        self._check()
        return sorted(self._commands.values(), key=lambda one: one.at)

    def publish(
        self, standings: Mapping[str, Standing], results: Sequence[CommandResult], changes: Sequence[Change]
    ) -> None:
        """As the real one."""
        self._check()
        self._standings |= standings
        for result in results:
            self._results[result.id] = result
            self._commands.pop(result.id, None)
        self._log = [*reversed(changes), *self._log][:LOG_ENTRIES]

    def note_undone(self, order: str, partition: int, count: int) -> None:
        """As the real one."""
        self._check()
        self._undone.setdefault(order, {})[partition] = count

    def note_suppressed(self, begun: Sequence[Suppression], ended: Sequence[tuple[str, str]]) -> None:
        """As the real one."""
        self._check()
        self._suppressed |= {(one.team, one.alert_id): one for one in begun}
        for key in ended:
            self._suppressed.pop(key, None)

    def close(self) -> None:
        """There is nothing to close."""

    def _check(self) -> None:
        if self.away:
            raise RulesError("Redis does not answer", "start it")
