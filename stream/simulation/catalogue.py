"""Who is in the simulated organisation, as tables: habits, teams, rules, reports, floods, shifts, fixes.

Points in time are shares of the simulated span (0 = start, 1 = end), so a log of any length holds all of it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habit:
    """How a team decides. `base` is a log-odds; spreads are standard deviations in log-odds; the rest are weights."""

    base: float
    rule_spread: float
    entity_spread: float
    env: float
    severity: float
    hours: float
    repeat: float


#: habit                   base  rule  entity env   sev.  hours repeat
HABITS = {
    "readable": Habit(-0.75, 1.70, 1.10, 1.10, 0.70, 1.00, 1.50),  # acts by rule, entity, env, severity and hour
    "mixed": Habit(-0.75, 1.00, 0.80, 0.80, 0.50, 0.70, 1.20),  # the same, with more chance in it
    "coin": Habit(-0.85, 0.15, 0.10, 0.10, 0.05, 0.10, 0.30),  # near random: nothing to learn but the rate
    "ignores": Habit(-4.60, 0.30, 0.20, 0.20, 0.20, 0.20, 0.50),  # hardly ever acts
    "acts": Habit(3.40, 0.30, 0.20, 0.20, 0.20, 0.20, 0.20),  # hardly ever does not
}


@dataclass(frozen=True, slots=True)
class Team:
    """`daily`: alerts a day before flapping and floods. `zone`: hours from UTC. `handoff`: share first reassigned."""

    name: str
    habit: str
    owns: tuple[str, ...]
    daily: float
    zone: int
    handoff: float


TEAMS = (
    Team("payments", "readable", ("service", "database", "queue"), 17, 0, 0.03),
    Team("checkout", "readable", ("service", "queue", "endpoint"), 15, 0, 0.05),
    Team("search", "readable", ("service", "host", "job"), 14, 1, 0.03),
    Team("identity", "readable", ("service", "database", "endpoint"), 12, 0, 0.04),
    Team("storage", "readable", ("host", "database"), 16, 1, 0.06),
    Team("orders", "readable", ("service", "database", "queue"), 12, 0, 0.05),
    Team("streaming", "readable", ("queue", "host", "job"), 13, -5, 0.03),
    Team("mobile", "readable", ("service", "endpoint"), 12, -5, 0.04),
    Team("catalogue", "readable", ("service", "database", "job"), 11, 0, 0.03),
    Team("billing", "mixed", ("service", "database", "job"), 11, 0, 0.06),
    Team("shipping", "mixed", ("service", "queue"), 11, 1, 0.08),
    Team("inventory", "mixed", ("service", "database"), 10, 1, 0.05),
    Team("recommendations", "mixed", ("service", "job", "host"), 12, 0, 0.03),
    Team("fraud", "mixed", ("service", "queue", "job"), 9, -5, 0.04),
    Team("messaging", "mixed", ("service", "queue"), 11, 5, 0.05),
    Team("warehouse", "mixed", ("job", "database", "host"), 11, 0, 0.04),
    Team("edge", "mixed", ("network", "endpoint", "host"), 13, 0, 0.10),
    Team("observability", "mixed", ("host", "service", "queue"), 12, 1, 0.12),
    Team("support-tools", "coin", ("service", "job"), 8, 0, 0.10),
    Team("marketing", "coin", ("service", "endpoint", "job"), 8, 5, 0.08),
    Team("partners", "coin", ("endpoint", "queue", "service"), 8, -5, 0.10),
    Team("legacy-erp", "ignores", ("host", "job", "database"), 14, 0, 0.02),
    Team("data-science", "ignores", ("job", "host"), 10, 0, 0.02),
    Team("network", "acts", ("network", "endpoint"), 6, 0, 0.03),
    Team("security", "acts", ("endpoint", "host"), 6, 0, 0.03),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind`: what it watches. `share`: of volume. `severities`: the usual first; empty where the source has none.
    `numbers`: those that a title may hold, from the mildest to the worst."""

    name: str
    kind: str
    share: float
    severities: tuple[str, ...]
    source: str
    title: str
    numbers: tuple[int, int] = (0, 0)


RULES = (
    Rule(
        "latency_high",
        "service",
        3.0,
        ("high", "critical", "medium"),
        "prometheus",
        "p99 latency {n} % over target",
        (15, 240),
    ),
    Rule(
        "error_rate_high", "service", 3.0, ("high", "critical"), "prometheus", "{n} of 1,000 requests fail", (12, 160)
    ),
    Rule(
        "pod_restarting",
        "service",
        2.5,
        ("medium", "high"),
        "prometheus",
        "Pod restarted {n} times in an hour",
        (4, 30),
    ),
    Rule("log_error_burst", "service", 0.8, (), "log-search", "{n} new error lines a minute", (40, 900)),
    Rule("deploy_rolled_back", "service", 0.8, ("high",), "deploy-bot", "Deploy rolled back after {n} minutes", (2, 9)),
    Rule("disk_full", "host", 3.0, ("high", "critical", "medium"), "prometheus", "Disk {n} % full", (85, 99)),
    Rule("cpu_high", "host", 3.0, ("medium", "low"), "prometheus", "CPU at {n} % for ten minutes", (88, 99)),
    Rule("memory_high", "host", 2.0, ("medium", "high"), "prometheus", "Memory {n} % used", (88, 98)),
    Rule("host_down", "host", 0.8, ("critical",), "ping-check", "No answer to {n} pings", (3, 12)),
    Rule("clock_skew", "host", 0.8, ("low",), "prometheus", "Clock off by {n} ms", (80, 900)),
    Rule("replication_lag", "database", 2.0, ("high", "critical"), "prometheus", "Replica {n} s behind", (20, 400)),
    Rule("slow_queries", "database", 2.5, ("low", "medium"), "log-search", "{n} slow queries a minute", (30, 400)),
    Rule(
        "connections_exhausted",
        "database",
        1.2,
        ("critical", "high"),
        "prometheus",
        "{n} % of connections used",
        (90, 100),
    ),
    Rule("backup_missing", "database", 0.8, ("high",), "cron-monitor", "No backup for {n} hours", (26, 60)),
    Rule(
        "consumer_lag",
        "queue",
        3.0,
        ("medium", "high"),
        "prometheus",
        "Consumers {n} thousand messages behind",
        (20, 600),
    ),
    Rule(
        "dead_letters",
        "queue",
        1.5,
        ("medium", "high"),
        "cloudwatch",
        "{n} messages in the dead-letter queue",
        (10, 400),
    ),
    Rule("job_failed", "job", 3.0, ("medium", "high"), "cron-monitor", "Job failed after {n} minutes", (2, 90)),
    Rule("job_overdue", "job", 1.5, ("low", "medium"), "cron-monitor", "Job {n} minutes late", (15, 180)),
    Rule("probe_failed", "endpoint", 3.0, ("high", "critical"), "synthetics", "Probe failed from {n} places", (2, 8)),
    Rule(
        "certificate_expiring",
        "endpoint",
        1.0,
        ("low", "medium", "high"),
        "synthetics",
        "Certificate ends in {n} days",
        (30, 2),
    ),
    Rule("packet_loss", "network", 2.0, ("medium", "high"), "snmp", "{n} of 1,000 packets lost", (8, 120)),
    Rule("link_flapped", "network", 1.5, ("medium", "critical"), "snmp", "Link changed state {n} times", (3, 40)),
)


@dataclass(frozen=True, slots=True)
class Report:
    """A visibility-only rule: comes by the clock, for people to read, and nobody ever acts on it. `every`: hours."""

    name: str
    every: int
    title: str
    teams: tuple[str, ...]


REPORTS = (
    Report("report/capacity", 4, "Capacity report", ("storage", "search", "warehouse", "observability")),
    Report("report/cost", 24, "Cost of yesterday", tuple(team.name for team in TEAMS)[:12]),
    Report("report/deploys", 8, "Deploys of the last hours", ("checkout", "mobile", "orders")),
)


@dataclass(frozen=True, slots=True)
class Flood:
    """A bug makes a quiet rule of a team fire `firings` times (at scale 1) within the day at `share` of the span."""

    team: str
    rule: str
    share: float
    firings: int


FLOODS = (
    Flood("observability", "log_error_burst", 0.20, 430),
    Flood("orders", "backup_missing", 0.47, 680),
    Flood("mobile", "certificate_expiring", 0.82, 360),
)


@dataclass(frozen=True, slots=True)
class Shift:
    """A team's log-odds to act move by `by` between two shares of the span; the same share twice is a sudden drift.

    `redrawn`: from then on the team also cares for other rules and entities than before.
    """

    team: str
    since: float
    until: float
    by: float
    redrawn: bool = False


SHIFTS = (
    Shift("search", 0.0, 1.0, -2.4),  # slowly tires
    Shift("recommendations", 0.0, 1.0, 2.0),  # slowly takes its alerts up
    Shift("warehouse", 0.3, 0.9, -1.6),
    Shift("identity", 0.7, 0.7, -3.0),  # a new lead mutes the channel on one day
    Shift("mobile", 0.5, 0.5, 0.0, redrawn=True),  # a new on-call guide: the same effort, other alerts
)


@dataclass(frozen=True, slots=True)
class Fix:
    """A noisy rule is mended at a share of the span: it fires `keeps` as often, and what still fires is meant.

    `before`, `after`: the team's leaning to the rule in log-odds, instead of one drawn by chance.
    """

    team: str
    rule: str
    share: float
    keeps: float
    before: float
    after: float


FIXES = (
    Fix("payments", "pod_restarting", 0.55, 0.15, -2.5, 1.5),
    Fix("storage", "cpu_high", 0.40, 0.20, -2.5, 1.5),
)


@dataclass(frozen=True, slots=True)
class Drifts:
    """What changes on the way. Floods are no drift: they come and go in any organisation."""

    shifts: tuple[Shift, ...]
    fixes: tuple[Fix, ...]


DRIFTS = Drifts(SHIFTS, FIXES)
STEADY = Drifts((), ())
