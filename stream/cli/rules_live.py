"""`noisegate rules proof|arm|disarm|log|undo|pause`: what people ask of rules that run.

Each leaves a command or an order in Redis, which the closer carries out, and shows what came of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from stream.cli import options
from stream.console import print_json
from stream.core.errors import BrokerError, RulesError

if TYPE_CHECKING:
    from stream.core.records import Mode
    from stream.rule_state import CommandResult, RuleState, Standing, Undo

ANSWER_SECONDS = 15.0
POLL_SECONDS = 0.05
REDIS_SECONDS = 5.0
START = "start it with `noisegate run closer`"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")]
By = Annotated[str | None, typer.Option("--by", help="Who wants it, for the log. Default: your login name.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0.0, help="Seconds to wait for the closer's answer.", show_default=True)
]
T = TypeVar("T")


@contextmanager
def open_state() -> Iterator["RuleState"]:
    """What the closer and people leave for each other, of the settings' deployment."""
    from stream.rule_state import RuleState

    settings = options.settings()
    state = RuleState(settings.redis.url, settings.deployment, min(settings.redis.timeout_seconds, REDIS_SECONDS))
    try:
        yield state
    finally:
        state.close()


def proof(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One rule, in detail. Default: all.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what each rule may do now, what keeps it from acting, its proof, and the command that takes it further."""
    from stream.cli.standings_output import print_brakes, print_standing, print_standings
    from stream.rule_brakes import merge_brakes
    from stream.rule_standing import summaries_of

    now = time.time()
    with open_state() as state:
        standings, paused, brakes = state.standings(), state.paused(), merge_brakes(state.brakes(), now)
    found = summaries_of(standings if name is None else {name: _known(standings, name)}, brakes)
    if as_json:
        print_json({"paused": paused, "brakes": brakes.sentences, "rules": found})
        return
    print_brakes(found, paused, brakes, now)
    if name is None:
        print_standings(found)
    else:
        print_standing(found[0])


def arm(
    name: Name,
    to: Annotated[Literal["pause", "close"], typer.Option("--to", help="The step that the rule may take.")],
    by: By = None,
    wait: Wait = ANSWER_SECONDS,
) -> None:
    """Let a proven rule climb one step, from the next full hour on; print its proof before and after."""
    _command("arm", name, to, by, wait)


def disarm(name: Name, by: By = None, wait: Wait = ANSWER_SECONDS) -> None:
    """Take a rule back to shadow at once. What it suppressed comes back in its time; `undo` brings it back now."""
    _command("disarm", name, None, by, wait)


def _command(verb: Literal["arm", "disarm"], name: str, mode: "Mode | None", by: str | None, wait: float) -> None:
    import uuid

    from stream.cli.standings_output import print_brakes, print_line, print_standing
    from stream.rule_brakes import merge_brakes
    from stream.rule_standing import summary_of
    from stream.rule_state import Command

    with open_state() as state:
        now = time.time()
        paused, brakes = state.paused(), merge_brakes(state.brakes(), now)
        before = summary_of(name, _known(state.standings(), name), brakes)
        print_brakes([before], paused, brakes, now)
        print_standing(before)
        command = Command(id=uuid.uuid4().hex, verb=verb, rule=name, mode=mode, by=who(by), at=time.time())
        state.send(command)
        result = _until(lambda: state.result(command.id), wait)
        if result is None:
            raise RulesError(
                "the closer has not answered; is it running?",
                f"{START}; the command waits for it, and is carried out once it runs",
            )
        _check(result)
        print_line("")
        print_line(result.sentence)
        print_standing(summary_of(name, _known(state.standings(), name), brakes))


def _check(result: "CommandResult") -> None:
    if not result.done:
        raise RulesError(result.sentence)


def log(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One rule. Default: all.")] = None,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="So many changes, the newest.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """Print what changed of rules, by whom and why, the newest first."""
    from stream.cli.standings_output import print_log
    from stream.rule_state import LOG_ENTRIES

    with open_state() as state:
        found = [one for one in state.log(LOG_ENTRIES if name else last) if name is None or one.rule == name][:last]
        if name is not None and not found:
            _known(state.standings(), name)
    if as_json:
        print_json(found)
    else:
        print_log(found)


def undo(
    name: Name,
    since: Annotated[str, typer.Option(help="What was suppressed from then on: 2h, or 2026-03-01T00:00:00Z.")],
    by: By = None,
    wait: Wait = ANSWER_SECONDS,
    as_json: options.AsJson = False,
) -> None:
    """Bring back at once what a rule paused or closed since a time, each as an event of its own."""
    import uuid

    from stream.cli.standings_output import print_line
    from stream.core.events import parse_past
    from stream.rule_state import Undo

    now = time.time()
    begin = parse_past(since, "--since", now)
    with open_state() as state:
        if not any(one.by_rule == name for one in state.suppressed()):
            _known(state.standings(), name)
        order = Undo(id=uuid.uuid4().hex, rule=name, since=begin, by=who(by), at=now)
        state.undo(order)
        partitions = _partitions()
        counts = _undone(state, order, partitions, wait, quiet=as_json)
    missing = partitions - len(counts)
    if as_json:
        print_json({"id": order.id, "rule": name, "since": begin, "undone": counts, "partitions": partitions})
    else:
        back = sum(counts.values())
        print_line("1 alert is back" if back == 1 else f"{back:,} alerts are back")
    if missing > 0:
        raise RulesError(
            f"{missing} of {partitions} partitions have not answered; is the closer running?",
            f"{START}; the undo stands for an hour, and who runs by then carries it out",
        )


def _undone(state: "RuleState", order: "Undo", partitions: int, wait: float, quiet: bool) -> dict[int, int]:
    """How many alerts each partition brought back, once all have said so or the time is over."""
    from stream.cli.standings_output import print_line

    told: set[int] = set()

    def look() -> dict[int, int] | None:
        counts = state.undone(order.id)
        for partition in sorted(counts.keys() - told):
            told.add(partition)
            if counts[partition] and not quiet:
                print_line(f"partition {partition}: {counts[partition]:,} brought back")
        return counts if len(counts) >= partitions else None

    counts = _until(look, wait)
    return state.undone(order.id) if counts is None else counts


def _partitions() -> int:
    """How many partitions have to answer an undo."""
    from stream.kafka.topics import Topics

    settings = options.settings()
    try:
        return Topics(settings).partitions().get(settings.topics.enriched, 1)
    except BrokerError as error:
        raise RulesError(
            f"the undo is ordered, and Kafka can't be asked how many partitions have to carry it out: {error.problem}",
            error.mend or "start it",
        ) from None


def pause(
    everything: Annotated[bool, typer.Option("--all", help="All rules of the deployment.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Take the order back.")] = False,
    why: Annotated[str, typer.Option(help="The reason, for everybody who looks.")] = "",
    by: By = None,
) -> None:
    """Order that no rule acts, on all workers within 2 seconds, until `--off`. What is suppressed stays its time."""
    from stream.cli.standings_output import pause_words, print_line
    from stream.rule_state import Change, PauseAll

    if not everything:
        raise RulesError("one rule is not paused, it is disarmed", "give --all, or use `noisegate rules disarm NAME`")
    if off and why:
        raise RulesError("--why is the reason of a pause, and --off takes one back", "give one of them")
    person, now = who(by), time.time()
    with open_state() as state:
        before = state.paused()
        if off and before is None:
            print_line("rules are not paused")
            return
        order = None if off else PauseAll(by=person, at=now, why=why)
        state.pause_all(order)
        sentence = "rules may act again" if order is None else pause_words(order, now)
        what: Literal["paused", "resumed"] = "resumed" if off else "paused"
        state.publish({}, [], [Change(at=now, rule="", version="", what=what, by=person, sentence=sentence)])
    print_line(sentence)
    if order is not None:
        print_line("take it back with: noisegate rules pause --all --off")


def who(given: str | None) -> str:
    """Who asks: the name that was given, or the login name."""
    from getpass import getuser

    if given is not None:
        return given
    try:
        return getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def live_standings() -> "dict[str, Standing]":
    """The standings that the closer left; none where Redis does not answer or no closer ever ran."""
    try:
        with open_state() as state:
            return state.standings()
    except RulesError:
        return {}


def _known(standings: "dict[str, Standing]", name: str) -> "Standing":
    if name in standings:
        return standings[name]
    if not standings:
        raise RulesError("the closer has left no standing of any rule", f"set closer_rules, and {START}")
    raise RulesError(f"the closer knows no rule {name}", f"name one of: {', '.join(standings)}")


def _until(look: Callable[[], T | None], wait: float) -> T | None:
    """What `look` finds, asked again and again for so many seconds; None where that is too short."""
    end = time.monotonic() + wait
    while (found := look()) is None and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return found
