"""Acts of a partition of alerts.events: the ends of alerts that rules keep from people, left for who keeps them.

Another worker may keep the alert, since events and scores are different topics, so ends go through Redis. An end may
come before the decision that suppresses its alert, so it is remembered for a moment.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from stream.closer.exchange import OVER, AlertKey, Ending
from stream.closer.fold import Notes, Outgoing
from stream.closer.situation import Orders
from stream.core.errors import BadRecord
from stream.core.events import Acted, decode_event, seconds
from stream.core.kinds import REOPENED, RESERVED
from stream.core.problem import Problem
from stream.kafka.records import Record

ENDS = OVER | {REOPENED}
PART = "endings"
REMEMBERED_SECONDS = 60.0  # a decision comes well within it
REMEMBERED = 50_000


class Around(Protocol):
    """What is suppressed anywhere; `stream.closer.situation.SituationWatch` is one."""

    orders: Orders


class EventsFold:
    """`Fold` of a partition of alerts.events.

    Args:
        problem: whose kinds that count as acted on bring an alert back too.
        around: what is suppressed.
        leave: leaves ends for who keeps the alerts, once they are written here; may not block.
        monotonic: seconds.
    """

    def __init__(
        self,
        problem: Problem,
        around: Around,
        leave: Callable[[Mapping[AlertKey, Ending]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        deciding = {agent: problem.outcome.deciding(agent) for agent in (None, "person", "automation")}
        self._acted = {agent: {kind for kind, acted in of.items() if acted} for agent, of in deciding.items()}
        self._around, self._leave, self._monotonic = around, leave, monotonic
        self._recent: OrderedDict[AlertKey, tuple[float, Ending]] = OrderedDict()
        self._found: dict[AlertKey, Ending] = {}  # of suppressed alerts, until nobody keeps them any more
        self._changed = False
        self._unread: Orders | None = None

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Fold`."""
        if PART in parts:
            found = msgspec.msgpack.decode(parts[PART], type=list[tuple[str, str, Ending]])
            self._found = {(team, alert): ending for team, alert, ending in found}

    def take(self, records: Sequence[Record], clock: float) -> tuple[Outgoing, Notes]:
        """Look for ends among acts."""
        now, suppressed = self._monotonic(), self._around.orders.suppressed
        for record in records:
            value = record.value or b""
            if b'"acted"' not in value:
                continue  # what is raised, and what no scorer can read, is not ours
            try:
                event = decode_event(value)
            except BadRecord:
                continue  # the scorer's dead letter
            if type(event) is Acted and self._ends(event):
                key, ending = (event.team, event.alert_id), Ending(event.kind, seconds(event.at))
                if key in suppressed:
                    self._find(key, ending)
                else:
                    self._recent[key] = now, ending
        while self._recent and (
            len(self._recent) > REMEMBERED or next(iter(self._recent.values()))[0] < now - REMEMBERED_SECONDS
        ):
            self._recent.popitem(last=False)
        return Outgoing(), Notes()

    def wake(self, now: float) -> tuple[Outgoing, Notes]:
        """Look for ends of what is suppressed since, and leave again what nobody has carried out."""
        orders = self._around.orders
        if orders is not self._unread:
            self._unread = orders
            for key in [key for key in orders.suppressed if key in self._recent]:
                self._find(key, self._recent.pop(key)[1])
            for key in [key for key in self._found if key not in orders.suppressed]:
                del self._found[key]
                self._changed = True
        return Outgoing(), Notes()

    def changed(self) -> dict[str, bytes | None]:
        """See `Fold`."""
        if not self._changed:
            return {}
        self._changed = False
        found = [(*key, ending) for key, ending in self._found.items()]
        return {PART: msgspec.msgpack.encode(found) if found else None}

    def written(self) -> None:
        """Leave the ends that nobody has carried out."""
        missing = {key: one for key, one in self._found.items() if key not in self._around.orders.endings}
        if missing:
            self._leave(missing)

    def _ends(self, event: Acted) -> bool:
        """Whether after this nobody needs the rule to keep the alert: it is over, or somebody acts on it."""
        return event.kind not in RESERVED and (event.kind in ENDS or event.kind in self._acted[event.agent])

    def _find(self, key: AlertKey, ending: Ending) -> None:
        if key not in self._found:
            self._found[key] = ending
            self._changed = True
