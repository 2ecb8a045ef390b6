"""A believable judgement, all made up: what the page is looked at with."""

import math
from datetime import UTC, date, datetime, timedelta

from stream.core.problem import BASELINES, OutcomeRule, Problem
from stream.lab.judging.report_schema import (
    Ablation,
    Ageing,
    AgeWeek,
    Band,
    Check,
    CurvePoint,
    Data,
    DependenceBin,
    Drift,
    EpisodeFigures,
    Fixed,
    Floods,
    Gain,
    Gate,
    Group,
    Importance,
    Interval,
    Judgement,
    ReliabilityBin,
    ScoreFigures,
    Shortcut,
    Team,
    Teams,
    Week,
)

_SPLIT = datetime(2025, 5, 12, tzinfo=UTC)
_LEVELS = (0.848, 0.5, 0.688, 0.741, 0.779, 0.702)


def spread(value: float, by: float = 0.012) -> Interval:
    """A figure with bounds around it."""
    return Interval(value, value - by, value + by)


def score(name: str, auc: float) -> ScoreFigures:
    """One score's figures, all following from its AUC."""
    return ScoreFigures(
        name=name,
        auc=spread(auc),
        pr_auc=spread(auc - 0.2),
        brier=spread(0.36 - auc * 0.25, 0.004),
        reliability=0.0021,
        resolution=0.0611,
        uncertainty=0.2014,
        log_loss=spread(1.05 - auc * 0.7),
        ece=spread(0.0183, 0.005),
        suppressed_target=spread((auc - 0.5) * 1.2, 0.021),
        suppressed_99=spread((auc - 0.5) * 0.6, 0.025),
        fixed=Fixed(0.0876, 0.9472, (auc - 0.5) * 1.21),
    )


def problem() -> Problem:
    """The problem that was judged."""
    rule = OutcomeRule(
        actionable=["worked", "escalated"], noise=["dismissed", "auto_closed"], horizon_hours=24, on_expiry="noise"
    )
    return Problem(name="actionable", question="Will the owning team act on this alert within a day?", outcome=rule)


def curve(power: float) -> list[CurvePoint]:
    """From keeping all to suppressing all."""
    shares = [n / 100 for n in range(101)]
    return [CurvePoint(x, 1 - x**power, 1 - (1 - x) ** power) for x in shares]


def shortcut() -> Shortcut:
    """Not a repeater."""
    return Shortcut(
        known=17_204,
        agreement=0.781,
        agreement_threshold=0.5,
        differs_count=4_310,
        auc_same=0.934,
        auc_differs=0.412,
        expected_differs=spread(0.421, 0.02),
        flagged=False,
        ablations=[
            Ablation("all features", 41, 0.848, 0.418, 0.018),
            Ablation("without last outcomes", 33, 0.839, 0.401, 0.020),
            Ablation("only history of team and rule", 9, 0.786, 0.322, 0.024),
        ],
        dependence=[(n / 10 + 0.05, 0.15 + 0.06 * n) for n in range(9)],
        dependence_of="team_rule.rate_7d",
        dependence_bins=[
            DependenceBin(n / 10, (n + 1) / 10, 4_000 - 390 * n, n / 10 + 0.05, 0.15 + 0.06 * n) for n in range(9)
        ]
        + [DependenceBin(0.9, 1.0, 12)],
    )


def teams() -> Teams:
    """More teams than the table shows."""
    verdicts = ("predictable", "predictable", "not yet", "unpredictable")
    each = [
        Team(
            name=f"team-{n:02}",
            count=1_900 - 41 * n,
            rate=0.1 + 0.013 * n,
            mean_score=0.11 + 0.0125 * n,
            auc=spread(0.88 - 0.006 * n, 0.02 + n * 0.001) if n % 4 != 2 else None,
            ece=0.01 + 0.001 * n,
            verdict=verdicts[n % 4],
        )
        for n in range(46)
    ]
    groups = [Group("predictable", 24, 14_210, 0.664), Group("not yet", 11, 4_922, 0.23)]
    groups.append(Group("unpredictable", 11, 2_268, 0.106))
    return Teams(each, groups, "Predictable: the interval of the team's AUC lies above 0.6.")


def data() -> Data:
    """What was judged."""
    return Data(
        events=231_407,
        alerts=104_882,
        teams=46,
        rules=312,
        first=datetime(2025, 1, 6, 0, 12, tzinfo=UTC),
        last=datetime(2025, 6, 29, 23, 51, tzinfo=UTC),
        kinds={"worked": 24_118, "dismissed": 41_032, "auto_closed": 30_940, "escalated": 2_871},
        train_used=78_310,
        train_purged=412,
        judged=21_400,
        judged_rate=0.2713,
        excluded_visibility=3_120,
        excluded_flood=1_209,
        undecided=431,
    )


def weeks() -> list[Week]:
    """Half a year of them; in one nothing was labelled."""
    first = date(2025, 1, 6)
    return [
        Week(
            start=first + timedelta(weeks=n),
            alerts=int(4_100 + 700 * math.sin(n) + 20 * n),
            rate=None if n == 9 else 0.27 + 0.04 * math.cos(n / 2),
            part="training" if n < 18 else "test",
        )
        for n in range(25)
    ]


def bins() -> list[ReliabilityBin]:
    """Ten of them, nearly on the diagonal."""
    scores = [0.02, 0.05, 0.09, 0.13, 0.18, 0.25, 0.33, 0.45, 0.62, 0.86]
    return [ReliabilityBin(2_140, x, spread(min(x + 0.02 * math.sin(9 * x), 0.97), 0.016)) for x in scores]


def importances() -> list[Importance]:
    """Shares that fall."""
    names = ["team_rule.rate_7d", "team_rule.last_outcome", "entity.rate", "rule.rate", "severity", "hour_of_day"]
    shares = [0.31, 0.22, 0.16, 0.12, 0.11, 0.08]
    return [Importance(n, s, f"What {n} says at the raise.") for n, s in zip(names, shares, strict=True)]


def drifts() -> list[Drift]:
    """One drifted, one only shown."""
    return [
        Drift("entity.count", 0.412, 0.031, True, True),
        Drift("rule.rate", 0.094, 0.028, True, False),
        Drift("team_rule.rate", 0.017, 0.03, False, False),
        Drift("severity", 0.004, 0.012, False, False),
    ]


def ageing() -> Ageing:
    """Slowly worse."""
    found = [AgeWeek(n, 3_057, 0.27, 0.853 - 0.006 * n, 0.014 + 0.002 * n, 0.43 - 0.008 * n) for n in range(1, 8)]
    return Ageing(found, "AUC falls by 0.006 a week: training once a month is enough.")


def full() -> Judgement:
    """Every section there."""
    names = ("model", *BASELINES)
    return Judgement(
        title="Alerts that are acted on",
        model="2025-05-12-a1b2c3",
        created=datetime(2025, 7, 1, 9, 30, tzinfo=UTC),
        command="noisegate lab report --simulated --problem deploy/problems/simulated.toml --out report.html",
        simulated=True,
        question=problem().question,
        problem=problem(),
        problem_id=problem().id,
        split_at=_SPLIT,
        data=data(),
        weeks=weeks(),
        target_detection=0.95,
        scores=[score(name, auc) for name, auc in zip(names, _LEVELS, strict=True)],
        gains=[Gain(over=n, auc=spread(_LEVELS[0] - a), suppressed=spread(0.09)) for n, a in _beaten()],
        episodes=EpisodeFigures(
            alerts=6_172,
            rate=0.2934,
            scores=[score(name, auc - 0.03) for name, auc in zip(names, _LEVELS, strict=True)],
            gains=[Gain(over=n, auc=spread(_LEVELS[0] - a), suppressed=spread(0.07)) for n, a in _beaten()],
        ),
        reliability=bins(),
        curves={"model": curve(3.2), "team_rule_rate": curve(2.1)},
        bands=[
            Band("noise", 0.0, 0.09, 0.41, 0.031),
            Band("unsure", 0.09, 0.5, 0.37, 0.262),
            Band("act", 0.5, 1.0, 0.22, 0.738),
        ],
        gate=Gate(True, [Check("AUC", True, "0.848, above each of 5 baselines"), _gain()]),
        shortcut=shortcut(),
        teams=teams(),
        importance=importances(),
        drift=drifts(),
        ageing=ageing(),
        floods=Floods(1_209, 1_020, 0.848, 0.861, 0.018, 0.027),
        canaries=[Check("shuffled outcomes", True, "AUC 0.503, as chance would give")],
        notes=["The log ends within the horizon of 431 alerts; they are not judged."],
    )


def _beaten() -> list[tuple[str, float]]:
    return list(zip(BASELINES, _LEVELS[1:], strict=True))


def _gain() -> Check:
    return Check("noise suppressed", True, "9.0 points more than team rule rate, surely above zero (7.8 to 10.2)")
