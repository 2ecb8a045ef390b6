"""What people order of rules: to arm or to disarm one. Each command is carried out once, or refused with a reason."""

from collections.abc import Mapping, Sequence

from stream.closer.ladders import SPREAD_SECONDS, Ladders
from stream.closer.parts import Parts
from stream.closer.tallies import PartTallies
from stream.core.errors import RulesError
from stream.core.events import moment, words_for
from stream.core.observations import HOUR
from stream.core.proof import ACTING_RULES
from stream.rule_state import RESULT_SECONDS, Change, Command, CommandResult

ARM_SECONDS = 3_600.0  # an arming that waited longer is refused: what spoke for it may be over
_KEPT_SECONDS = 24 * RESULT_SECONDS
_RESULTS = ""  # the key of the one part


class Commands:
    """What became of the commands of the last day, by their id.

    Attributes:
        parts: kept with the state, so that a command which is found again is not carried out again.
    """

    def __init__(self, ladders: Ladders) -> None:
        self.parts: Parts[dict[str, CommandResult]] = Parts("commands", dict[str, CommandResult])
        self._ladders = ladders

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self.parts.load(parts)

    def carry_out(
        self, waiting: Sequence[Command], tallies: Mapping[str, Sequence[PartTallies]], at: float
    ) -> tuple[list[CommandResult], list[Change]]:
        """Carry out what waits, in order; what was done before has the result of then, and no line in the log."""
        results, changes = [], []
        done = self.parts.values.get(_RESULTS, {})
        for command in waiting:
            result = done.get(command.id)
            if result is None:
                result, found = self._carry_out(command, tallies.get(command.rule, ()), at)
                done[command.id] = result
                changes += found
            results.append(result)
        ids = {command.id for command in waiting}
        kept = {name: one for name, one in done.items() if name in ids or one.at > at - _KEPT_SECONDS}
        if changes or len(kept) != len(done) or any(one.at == at for one in results):
            self.parts.put(_RESULTS, kept)
        return results, changes

    def _carry_out(
        self, command: Command, parts: Sequence[PartTallies], at: float
    ) -> tuple[CommandResult, list[Change]]:
        try:
            sentence, what = self._do(command, parts, at), "armed" if command.verb == "arm" else "disarmed"
        except RulesError as error:
            change = self._ladders.change(command.rule, "refused", command.by, str(error), at)
            return CommandResult(id=command.id, done=False, sentence=str(error), at=at), [change]
        change = self._ladders.change(command.rule, what, command.by, sentence, at)
        return CommandResult(id=command.id, done=True, sentence=sentence, at=at), [change]

    def _do(self, command: Command, parts: Sequence[PartTallies], at: float) -> str:
        """Carry out one command; returns what was done, in one sentence."""
        name = command.rule
        if command.verb == "arm" and at - command.at > ARM_SECONDS:
            problem = f"rule {name} was to be armed {words_for(at - command.at)} ago, while no closer ran"
            raise RulesError(problem, "arm it again if that is still wanted")
        kept = self._ladders.rules.values.get(name)
        if kept is None:
            raise RulesError(f"there is no rule {name}", "see `noisegate rules proof` for the names")
        ladder = kept.ladder
        if command.verb == "disarm":
            if ladder.regimes[-1].mode == "shadow":
                return f"rule {name} is not armed, so nothing is to be done"
            ladder.disarm(command.by, at + SPREAD_SECONDS)
            self._ladders.touch(name)
            return f"rule {name} is back in shadow at once; its proof goes on"
        rule = kept.rule
        if not kept.loaded:
            raise RulesError(f"rule {name} is in no rule file, so it can't be armed", "put it back into its file")
        if rule.ends_at is not None and at >= rule.ends_at:
            raise RulesError(f"rule {name} ended on {rule.expires}, so it can't be armed", "renew it: move `expires`")
        if command.mode is None:
            raise RulesError(f"rule {name} can't be armed to nothing", "arm it to pause or close")
        armed = self._ladders.armed()
        if name not in armed and len(armed) >= ACTING_RULES:
            problem = f"rule {name} can't be armed: {ACTING_RULES} rules are armed, which is the most that may act"
            raise RulesError(problem, f"disarm one first, such as {armed[0]}")
        tallies = self._ladders.tallies_of(name, parts)
        verdict = ladder.arm(command.mode, command.by, tallies, at + SPREAD_SECONDS)
        self._ladders.touch(name)
        begin = moment(ladder.regimes[-1].hour * HOUR)
        return f"rule {name} may {command.mode} from {begin:%F %H:%M} UTC on, version {ladder.version}; {verdict.why}"
