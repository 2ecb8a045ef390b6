"""The load: one acted event for each raised one, over 100 teams × 20 rules × 1,000 entities, drawn evenly.

Even draws are the hard case: nearly every alert has a (team, rule, entity) that was never seen before, so caches help
little. Seeded: the same events in every run.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.events import Acted, Raised, encode_event

TEAMS, RULES, ENTITIES = 100, 20, 1_000
SEED = 20_260_301
START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
SECONDS_APART = 0.5  # event time from one event to the next
LAG_ALERTS = (100, 400)  # how many alerts are raised between an alert and its action: some hundreds of events
_SEVERITIES = ("critical", "high", "medium", "low")
_BLOCK = 50_000  # alerts drawn at once

Ints = NDArray[np.int64]


class Event(Struct, frozen=True):
    """One record to be: `team` is the key, `value` the JSON."""

    team: bytes
    value: bytes
    raised: bool


def events(count: int) -> Iterator[Event]:
    """A load of `count` events, in log order, with an action for every alert."""
    rng = np.random.default_rng(SEED)
    rates = rng.beta(0.6, 1.4, size=(TEAMS, RULES))  # each team's habit for each rule
    drawn = _draw(rng, rates, (count + 1) // 2)
    for number, code in enumerate(_order(drawn.lags, count)):
        at = START + timedelta(seconds=number * SECONDS_APART)
        alert = code >> 1
        yield _acted(drawn, alert, at) if code & 1 else _raised(drawn, alert, at)


class _Drawn(Struct, frozen=True, eq=False):
    """Columns, one row an alert."""

    teams: list[int]
    rules: list[int]
    entities: list[int]
    worked: list[bool]
    lags: Ints


def _draw(rng: np.random.Generator, rates: NDArray[np.float64], alerts: int) -> _Drawn:
    blocks = [_draw_block(rng, rates) for _ in range(-(-alerts // _BLOCK))]
    teams, rules, entities, worked, lags = (np.concatenate(column)[:alerts] for column in zip(*blocks, strict=True))
    return _Drawn(teams.tolist(), rules.tolist(), entities.tolist(), worked.tolist(), lags)


def _draw_block(rng: np.random.Generator, rates: NDArray[np.float64]) -> tuple[NDArray[np.generic], ...]:
    teams, rules = rng.integers(TEAMS, size=_BLOCK), rng.integers(RULES, size=_BLOCK)
    entities = rng.integers(ENTITIES, size=_BLOCK)
    worked = rng.random(_BLOCK) < rates[teams, rules]
    return teams, rules, entities, worked, rng.integers(*LAG_ALERTS, size=_BLOCK)


def _order(lags: Ints, count: int) -> list[int]:
    """Codes in log order: 2 i for "alert i is raised", 2 i + 1 for "alert i is acted on"."""
    raises = np.arange(len(lags))
    keys = np.concatenate([raises, raises + lags])
    codes = np.concatenate([2 * raises, 2 * raises + 1])
    order: list[int] = codes[np.argsort(keys, kind="stable")][:count].tolist()
    return order


def _raised(drawn: _Drawn, alert: int, at: datetime) -> Event:
    team, rule, entity = drawn.teams[alert], drawn.rules[alert], drawn.entities[alert]
    name = f"team-{team:02d}"
    raised = Raised(
        at=at,
        alert_id=f"INC{alert:08d}",
        team=name,
        rule=f"rule_{rule:02d}",
        entity=f"host-{entity:04d}",
        severity=_SEVERITIES[rule % len(_SEVERITIES)],
        source="benchmark",
        title=f"Rule {rule:02d} fired on host-{entity:04d}",
        labels={"env": "prod"},
    )
    return Event(name.encode(), encode_event(raised), True)


def _acted(drawn: _Drawn, alert: int, at: datetime) -> Event:
    name = f"team-{drawn.teams[alert]:02d}"
    kind = "worked" if drawn.worked[alert] else "dismissed"
    acted = Acted(
        at=at, alert_id=f"INC{alert:08d}", team=name, action_id=f"INC{alert:08d}-1", kind=kind, actor="9b97e7f7fd"
    )
    return Event(name.encode(), encode_event(acted), False)
