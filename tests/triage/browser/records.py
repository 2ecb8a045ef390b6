"""Alerts of a day as the scorer writes them: titles that people read, scores that fit their history, episodes."""

import hashlib
import math
import random
from collections.abc import Iterator

from msgspec import Struct

from stream.core.events import Raised, moment
from stream.core.records import Band, Enriched, Evidence, Flag, Reason, Score, Why, Whys

MODEL = "2026-11-25-7f3a"


class Habit(Struct, frozen=True):
    """An alert that keeps coming: what it looks like, and how often its team acts on it."""

    team: str
    rule: str
    entities: tuple[str, ...]
    title: str  # with {entity} and {n}
    severity: str
    acted: int
    decided: int
    n: tuple[int, int] = (2, 40)
    flags: tuple[Flag, ...] = ()


HABITS = (
    Habit("payments", "api_error_rate", ("payments-api", "refunds-api"),
          "Payment API error rate {n} % (5 min)", "critical", 19, 24, (3, 9)),
    Habit("data-platform", "replica_lag", ("orders-db-2", "orders-db-3"),
          "Replica lag {n} s on {entity}", "high", 11, 15, (120, 620)),
    Habit("edge", "cert_expiry", ("edge-eu-1", "edge-us-2"),
          "Certificate of {entity} expires in {n} days", "warning", 5, 11, (3, 9)),
    Habit("billing", "queue_depth", ("invoices", "dunning"),
          "Queue depth {n},240 on {entity}", "high", 9, 31, (4, 28)),
    Habit("web", "disk_full", ("cache-17", "cache-18"), "Disk {n} % on {entity}", "warning", 0, 2, (90, 97)),
    Habit("payments", "disk_full", ("db-7", "db-9", "db-11"), "Disk {n} % on {entity}", "warning", 1, 42, (90, 97)),
    Habit("data-platform", "cpu_steal", ("batch-3", "batch-5"),
          "CPU steal above {n} % on {entity}", "info", 2, 61, (8, 20)),
    Habit("web", "pod_restart", ("checkout-6c", "search-2f"),
          "Pod {entity} restarted", "info", 3, 118, flags=("flood",)),
    Habit("edge", "ntp_offset", ("edge-us-2", "edge-ap-1"), "NTP offset {n} ms on {entity}", "info", 0, 37, (25, 90)),
    Habit("it", "backup_slow", ("wiki", "mail"), "Backup of {entity} took {n} min", "info", 0, 29, (50, 90)),
    Habit("it", "login_failures", ("vpn", "sso"), "Login failures {n}/min (scanner)", "info", 1, 204, (8, 30)),
    Habit("search", "p99_latency", ("query-eu", "query-us"),
          "p99 latency {n}00 ms on {entity}", "high", 22, 40, (8, 30)),
    Habit("data-platform", "late_load", ("clicks_daily", "orders_hourly"),
          "Load of {entity} is {n} min late", "high", 14, 33, (20, 95)),
    Habit("web", "synthetic_check", ("login-page", "basket"),
          "Check of {entity} failed from {n} of 9 places", "critical", 8, 29, (2, 8)),
)  # fmt: skip


def likely(habit: Habit) -> float:
    """The probability that a model would give."""
    return (habit.acted + 0.4) / (habit.decided + 1.6)


def score(habit: Habit) -> Score:
    """As the model's manifest bands it."""
    evidence: Evidence = "none" if habit.decided < 5 else "some" if habit.decided < 20 else "strong"
    probability = likely(habit)
    band: Band = "likely_actionable" if probability >= 0.6 else "unsure" if probability >= 0.2 else "likely_noise"
    return Score(round(probability, 3), band, MODEL, evidence)


def unscored(reason: Reason) -> Score:
    """As the scorer writes it while it can't."""
    return Score(None, "unscored", None, "none", reason)


def outcomes(habit: Habit, chance: random.Random) -> list[int]:
    """The last outcomes like it, newest first."""
    shown = min(habit.decided, 16)
    ones = min(math.ceil(shown * habit.acted / max(habit.decided, 1)), shown)
    marks = [1] * ones + [0] * (shown - ones)
    chance.shuffle(marks)
    return marks


def enriched(habit: Habit, alert_id: str, at: float, chance: random.Random, episode: str | None = None) -> Enriched:
    """One alert of a habit, raised at `at` (seconds since 1970); `episode`: None for one of its own."""
    entity = chance.choice(habit.entities)
    title = habit.title.format(entity=entity, n=chance.randint(*habit.n))
    alert = Raised(
        moment(at), alert_id, habit.team, habit.rule, entity, habit.severity, "alertmanager", title, {"env": "prod"}
    )
    known = Why(habit.decided, habit.acted, outcomes(habit, chance), moment(at - 43_000))
    whys = Whys(known, Why(10 * habit.decided, 3 * habit.acted, [], None))
    name = episode or hashlib.sha256(f"{habit.team}/{alert_id}".encode()).hexdigest()[:16]
    return Enriched(
        alert, score(habit), whys, list(habit.flags), moment(at + 0.02), f"alerts.events/0/{alert_id}", name
    )


def day(count: int, until: float, seed: int = 7, every: float = 47.0) -> Iterator[Enriched]:
    """So many alerts of a day, oldest first, the last one raised at `until`; each sixth fires again in its episode."""
    chance = random.Random(seed)
    weights = [habit.decided + 4 for habit in HABITS]
    before: Enriched | None = None
    for at in range(count):
        raised = until - every * (count - 1 - at)
        habit = chance.choices(HABITS, weights)[0]
        if before is not None and at % 6 == 5:
            yield enriched(habit_of(before), f"INC{seed}-{at}", raised, chance, before.episode)
            continue
        before = enriched(habit, f"INC{seed}-{at}", raised, chance)
        yield before


def habit_of(record: Enriched) -> Habit:
    """The habit that a record was made of."""
    return next(one for one in HABITS if (one.team, one.rule) == (record.alert.team, record.alert.rule))
