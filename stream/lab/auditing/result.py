"""What an audit found, as data. Times are UTC, shares and rates lie between 0 and 1, None where there is nothing."""

from datetime import date, datetime

from msgspec import Struct

from stream.lab.log_warnings import Orphans


class Finding(Struct, frozen=True):
    """One sentence with numbers; `warns` where it would fool a model or its reader."""

    about: str
    text: str
    warns: bool = False


class Volumes(Struct, frozen=True, kw_only=True):
    """How much the log holds: `days` from the first raise to the last event, `raise_days` to the last raise."""

    events: int
    alerts: int
    teams: int
    rules: int
    excluded: int
    first: datetime | None
    last: datetime | None
    days: float
    raise_days: float


class Rate(Struct, frozen=True):
    """Alerts of one team, rule or week; of the labelled and mature ones, the share acted on."""

    name: str
    alerts: int
    labelled: int
    rate: float | None


class FloodDay(Struct, frozen=True, kw_only=True):
    """A day on which a team's rule raised far more than usual, and how many of that day's alerts the fold flagged."""

    day: date
    team: str
    rule: str
    count: int
    usual: float
    z: float
    flagged: int


class Floods(Struct, frozen=True):
    """Flood days, the worst first; their alerts, how many of those the fold flagged, and how many it flagged in all.

    `tested` pairs of team and rule had alerts and days enough to find a flood day, `untested` had alerts enough only.
    """

    days: list[FloodDay]
    alerts: int
    flagged: int
    flagged_in_all: int
    tested: int = 0
    untested: int = 0


class Proposal(Struct, frozen=True, kw_only=True):
    """A rule that looks visibility-only, by outcomes known at the split; `toml` is the line that would exclude it."""

    rule: str
    known: int
    actionable: int
    upper: float
    closed_by_hand: int
    toml: str


class Refires(Struct, frozen=True):
    """Alerts raised within the horizon of their like (same team, rule and entity).

    `repeated` are raises of an alert already known, which the fold counts once. Of `after` alerts after the split,
    `across` re-fire across it (within the horizon of a like before it), and `like_before` had a like raised within the
    horizon before the split, however much later they came themselves. Of `paired` re-fires where both outcomes are
    known, `same` had that of their like.
    """

    refires: int
    repeated: int
    across: int
    like_before: int
    after: int
    paired: int
    same: int


class Decided(Struct, frozen=True):
    """The share of mature alerts that have an outcome by so many hours after the raise."""

    hours: float
    share: float


class Delays(Struct, frozen=True):
    """Minutes from raise to outcome where an action decided, by quantile; what expired; and how labels mature."""

    minutes: dict[str, float]
    by_action: int
    by_expiry: int
    at_once: int
    maturity: list[Decided]


class Undecided(Struct, frozen=True):
    """Alerts that give no label: unknown, open at the end, purged (decided after the split), too young to judge."""

    unknown: int
    open: int
    purged: int
    young: int


class Score(Struct, frozen=True):
    """A baseline on the test part."""

    name: str
    auc: float | None
    suppressed: float | None


class Tests(Struct, frozen=True, kw_only=True):
    """The two sides of the split, and what the simplest readers of history reach after it."""

    split_at: datetime
    trainable: int
    trainable_rate: float | None
    judged: int
    judged_rate: float | None
    always_noise_accuracy: float | None
    target_detection: float
    baselines: list[Score]


class People(Struct, frozen=True):
    """Acts by people: days from the last one to the log's end; large teams, and those of them of which there is none.

    `days` is None where no person acted at all. `raised` counts alerts of the log's last `sections.PEOPLE_DAYS` days.
    """

    days: float | None
    raised: int
    large: int
    silent: list[str]


class Names(Struct, frozen=True):
    """Kinds and labels of the log beside those of the problem."""

    unlisted: dict[str, int]
    missing_kinds: list[str]
    missing_labels: list[str]


class Audit(Struct, frozen=True, kw_only=True):
    """What a log holds under a problem; `findings` says it in words."""

    problem: str
    simulated: bool
    volumes: Volumes
    weeks: list[Rate]
    teams: list[Rate]
    rules: list[Rate]
    floods: Floods
    refires: Refires
    delays: Delays
    undecided: Undecided
    people: People | None = None
    names: Names
    tests: Tests | None
    proposals: list[Proposal]
    findings: list[Finding]
    rules_tested: int = 0  # with outcomes enough, known at the split, to be called visibility-only
    orphans: Orphans = Orphans()
    unknown_fields: dict[str, int] = {}
    agents: dict[str, int] = {}  # kinds by who did them, such as `escalated@person`
    episodes: int = 0
