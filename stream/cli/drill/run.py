"""One drill on real topics: the alert goes in, each hop is waited for, and the alert is ended whatever happened."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from stream.cli.drill.entrance import DrillFailed, Entrance, RelayEntrance
from stream.cli.drill.hops import ACCEPTED, ANNOTATED, DECIDED, ENDED, RAISED, SCORED, DrillTrace, Hop
from stream.config import Settings
from stream.core.errors import Fault
from stream.core.kinds import DRILL_TEAM
from stream.kafka.tail import Tail
from stream.kafka.topics import Topics
from stream.lane.group import CLOSER, consumer_group

_POLL_SECONDS = 0.02
_SLACK_SECONDS = 600.0  # by which the broker's clock may be behind this one
_END_SECONDS = 10.0  # for the end, however long the hops before took
_RETRY_SECONDS = 1.0
_KEY = DRILL_TEAM.encode()


def awaits_decision(settings: Settings) -> bool:
    """Whether every alert gets a decision: a closer runs, and relays set labels, so that it decides about all."""
    if not settings.relay.labels:
        return False
    return Topics(settings).members(consumer_group(settings.deployment, CLOSER)) > 0


def awaited_hops(is_relay: bool, decision: bool) -> list[str]:
    """The hops of a drill, in their order."""
    found = [ACCEPTED, RAISED, SCORED]
    found += [DECIDED] if decision else []
    found += [ANNOTATED] if is_relay else []
    return [*found, ENDED]


def run_drill(
    settings: Settings,
    entrance: Entrance,
    trace: DrillTrace,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Post the alert, and take what the topics show of it into `trace`, until all was seen or the time is over.

    Args:
        settings: where Kafka is, and the topics.
        entrance: the way in.
        trace: what was seen.
        timeout_seconds: how long the hops between the post and the end may take.
        clock: seconds of a clock that never goes back.

    Raises:
        DrillFailed: the post was not taken.
        BrokerError: Kafka or a topic is away.
    """
    roles = ["events", "enriched", *(["decisions"] if DECIDED in trace.awaited else [])]
    Topics(settings).require(*roles)
    names = {getattr(settings.topics, role): role for role in roles}
    with Tail(settings, list(names), time.time() - _SLACK_SECONDS, newest=0) as tail:
        began = clock()
        entrance.open()
        trace.observe(Hop(ACCEPTED, clock() - began, entrance.url))
        watch = _Watch(tail, names, trace, lambda: clock() - began)
        try:
            watch.wait((RAISED, SCORED, DECIDED), timeout_seconds)
            if isinstance(entrance, RelayEntrance) and trace.saw(RAISED, SCORED):
                _watch_alertmanagers(entrance, trace, timeout_seconds, watch.elapsed)
        finally:
            trace.end_fault = _end(entrance)
        watch.wait((ENDED,), watch.elapsed() + _END_SECONDS)


class _Watch(NamedTuple):
    """What the topics show from the post on; `elapsed` gives the seconds since then, `roles` the role of a topic."""

    tail: Tail
    roles: Mapping[str, str]
    trace: DrillTrace
    elapsed: Callable[[], float]

    def wait(self, hops: Sequence[str], until_seconds: float) -> None:
        """Take in records until these hops were seen, or so many seconds have passed since the post."""
        while not self.trace.saw(*hops) and self.elapsed() < until_seconds:
            for message in self.tail.read(_POLL_SECONDS):
                if message.key() == _KEY:
                    topic = message.topic() or ""
                    where = f"{topic}/{message.partition()}/{message.offset()}"
                    self.trace.observe_record(self.roles[topic], message.value() or b"", self.elapsed(), where)


def _watch_alertmanagers(
    entrance: RelayEntrance, trace: DrillTrace, until_seconds: float, elapsed: Callable[[], float]
) -> None:
    if not trace.is_scored:  # there is no score that an annotation could show
        trace.awaited = tuple(name for name in trace.awaited if name != ANNOTATED)
        return
    where = entrance.wait_for_score(until_seconds - elapsed())
    if where is not None:
        trace.observe(Hop(ANNOTATED, elapsed(), where, "the score is in its annotations"))


def _end(entrance: Entrance) -> Fault | None:
    """End the alert, with a second try, as the room may just be restarted; why it was not taken, None where it was."""
    fault = None
    for seconds in (0.0, _RETRY_SECONDS):
        time.sleep(seconds)
        try:
            entrance.end()
        except DrillFailed as error:
            fault = Fault(f"the end of the drill's alert was not taken: {error.problem}", error.mend)
        else:
            return None
    return fault
