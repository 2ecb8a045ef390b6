"""Near-misses: people acted on an alert soon after a rule suppressed one of the same team and entity.

The base rate is the same after alerts that the rule held out, which its draw made alike.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from msgspec import Struct

from stream.closer.parts import Parts
from stream.core import limits
from stream.core.events import seconds
from stream.core.kinds import CORRECTION, ENDED_BY_RULE, is_drill
from stream.core.observations import HOUR, NEVER, PROOF, hour_of
from stream.core.records import Outcome
from stream.core.rule_index import IndexedRule

NEAR_SECONDS = 2 * HOUR
_PARTS = 64
V = TypeVar("V")


class Touched(Struct, array_like=True):
    """An alert that a rule suppressed, or held out: raised when, and whether one that was acted on followed."""

    raised_at: float
    rule: str
    version: str
    suppressed: bool
    followed: bool = False


class Recent(Struct, array_like=True):
    """What a rule touched of one team and entity, and what people acted on there (raised when), by alert id."""

    touched: dict[str, Touched] = {}
    acted: dict[str, float] = {}


class Followed(NamedTuple):
    """An alert that a rule touched, once it is known whether one that was acted on followed."""

    rule: str
    version: str
    hour: int
    suppressed: bool
    followed: bool


class NearAlerts:
    """The alerts of one partition that near-misses are found among, until their hour is due.

    Attributes:
        parts: kept with the state, by team and entity, some of them together.
    """

    def __init__(self) -> None:
        self.parts: Parts[dict[str, Recent]] = Parts("near", dict[str, Recent])

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        self.parts.load(parts)

    def add(self, outcome: Outcome, found: Iterable[tuple[IndexedRule, list[str]]]) -> list[str]:
        """Keep what an outcome says; returns the rule of each near-miss that it shows, whichever outcome came first."""
        if is_drill(outcome.team) or not NEVER.isdisjoint(outcome.flags):
            return []
        suppressed = outcome.by in ENDED_BY_RULE
        rule = None
        if suppressed or ("held_out" in outcome.flags and outcome.by != CORRECTION):
            rule = next((one for one, models in found if PROOF in models), None)
        if rule is None and outcome.outcome != "actionable":
            return []
        key, at = f"{outcome.team}\0{outcome.entity}", seconds(outcome.raised_at)
        name = str(zlib.crc32(key.encode()) % _PARTS)
        recent = self.parts.put(name, self.parts.values.get(name) or {}).setdefault(key, Recent())
        near: list[Touched] = []
        if rule is not None:
            one = Touched(at, rule.rule.name, rule.version, suppressed)
            _keep(recent.touched, outcome.alert_id, one)
            one.followed = any(_is_near(one, acted) for acted in recent.acted.values())
            near = [one] * one.followed
        if outcome.outcome == "actionable":
            _keep(recent.acted, outcome.alert_id, at)
            for one in recent.touched.values():
                if not one.followed and _is_near(one, at):
                    one.followed = True
                    near.append(one)
        return [one.rule for one in near if one.suppressed]

    def take_due(self, observed: int) -> list[Followed]:
        """What lies before the first hour that is still open; it is let go of."""
        found = []
        for name, part in list(self.parts.values.items()):
            for key, recent in list(part.items()):
                due = {alert: one for alert, one in recent.touched.items() if hour_of(one.raised_at) < observed}
                gone = [alert for alert, at in recent.acted.items() if hour_of(at) < observed]
                for alert in due:
                    del recent.touched[alert]
                for alert in gone:
                    del recent.acted[alert]
                if not recent.touched and not recent.acted:
                    del part[key]
                if due or gone:
                    self.parts.put(name, part)
                found += [
                    Followed(one.rule, one.version, hour_of(one.raised_at), one.suppressed, one.followed)
                    for one in due.values()
                ]
            if not part:
                self.parts.drop(name)
        return found


def _is_near(one: Touched, acted_at: float) -> bool:
    return one.raised_at < acted_at <= one.raised_at + NEAR_SECONDS


def _keep(among: dict[str, V], name: str, value: V) -> None:
    """Keep a value under a name; over the limit the oldest goes."""
    if name not in among and len(among) >= limits.RULE_NEAR:
        del among[next(iter(among))]
    among[name] = value
