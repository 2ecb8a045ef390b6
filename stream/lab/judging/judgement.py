"""The judgement of a model on its test part, which becomes report.json and report.html."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from stream.core.events import moment
from stream.core.frame import Array, Mask
from stream.core.ledger import ACTIONABLE, FLOOD, MAINTENANCE, NOISE, VISIBILITY_ONLY
from stream.core.scoring import Thresholds
from stream.lab.judging import metrics, shortcut
from stream.lab.judging import score_figures as figures
from stream.lab.judging.ageing import judge_ageing
from stream.lab.judging.baselines import title_of
from stream.lab.judging.bootstrap import DAY, LEAST_DAYS, BootstrapFigures
from stream.lab.judging.drift import judge_drift
from stream.lab.judging.gate import LEAST_JUDGED, best_of, judge_gate
from stream.lab.judging.metrics import MODEL, check_classes
from stream.lab.judging.report_schema import Ageing, Data, Floods, Importance, Judgement, Week
from stream.lab.judging.teams import judge_teams
from stream.lab.learning.fit import Fitted
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import Trees
from stream.lab.matrix import predict, served_matrix
from stream.lab.replaying import Replayed
from stream.lab.split import Split, Window, trainable
from stream.lab.weights import effective_count, label_weights, summarise_weights, weighted_mean
from stream.models.model import Model
from stream.progress import Progress, no_progress

SEED = 7
LEAK = 0.1  # an AUC that much above the best baseline's asks for a second look
_WEEK = timedelta(days=7)
_DEFAULT = Plan()


class Case(Struct, frozen=True, eq=False, kw_only=True):
    """The input of a judgement: scores of the J judged alerts (float64[J], log order), baselines of all N, by name.

    `judged` is bool[N], `fixed` the threshold of each score fixed before the split (`model` and the baselines), `model`
    what the scores are called, `bands` the shipped edges.
    """

    replayed: Replayed
    split: Split
    judged: Mask
    scores: Array
    baselines: Mapping[str, Array]
    fixed: Mapping[str, float]
    model: str
    created: datetime
    command: str
    simulated: bool
    bands: Thresholds = Thresholds()
    seed: int = SEED


def judge_scores(case: Case) -> Judgement:
    """The judgement as far as scores alone allow; sections that need the model itself stay None.

    Raises:
        LabError: nothing to judge, or one class only.
    """
    replayed, judged, problem = case.replayed, case.judged, case.replayed.problem
    y, w = replayed.outcome[judged], label_weights(replayed, judged)
    check_classes(y, "test part")
    size = effective_count(len(y), w)
    sets = {MODEL: case.scores} | {name: known[judged] for name, known in case.baselines.items()}
    at, detection = replayed.at[judged], problem.target.detection
    compared = figures.compare(y, at, sets, case.fixed, detection, case.seed, w)
    best = best_of(
        compared.others, [name for name in problem.target.must_beat if name in sets] or list(compared.others)
    )
    names = [replayed.alerts[place].team for place in np.flatnonzero(judged).tolist()]
    return Judgement(
        title=f"{problem.name}: {case.model}",
        model=case.model,
        created=case.created,
        command=case.command,
        simulated=case.simulated,
        question=problem.question,
        problem=problem,
        problem_id=problem.id,
        split_at=moment(case.split.at),
        data=_data(case, weighted_mean(y, w)),
        weeks=_weeks(replayed, case.split),
        target_detection=detection,
        scores=compared.figures,
        gains=compared.gains,
        episodes=figures.episode_figures(y, at, replayed.episode[judged], sets, case.fixed, detection, case.seed, w),
        reliability=figures.reliability_bins(y, case.scores, w),
        curves={name: figures.curve(y, sets[name], w) for name in (MODEL, best) if name is not None},
        bands=figures.bands_of(y, case.scores, case.bands, w),
        gate=judge_gate(compared.model, compared.others, compared.gains, problem.target, size),
        shortcut=shortcut.judge_shortcut(y, case.scores, replayed.last_outcome[judged], case.seed, w),
        teams=judge_teams(names, y, case.scores, w),
        ageing=_ageing(case, sets, best),
        notes=[
            *_notes(compared.drawn, len(np.unique(np.floor(replayed.at[judged] / DAY))), size),
            *team_notes([alert.team for alert in replayed.alerts[: case.split.alert]], names),
        ],
    )


def judge_trained(
    window: Window,
    fitted: Fitted,
    model: Model,
    baselines: Mapping[str, Array],
    scores: Array,
    judged: Mask,
    *,
    plan: Plan = _DEFAULT,
    progress: Progress = no_progress,
) -> Judgement:
    """The judgement of a model just trained: all sections but the canaries.

    `scores` are float64[J] of the judged alerts (bool[N]), baselines float64[N]. Three ablations are trained with the
    manifest's seed and `plan`. Dependence is on the rate of action by which the trees gain most, as the served graph
    scores it. Version, creation time and command are those of the model's manifest.

    Raises:
        LabError: nothing to judge, or one class only.
    """
    replayed, seed = window.replayed, model.manifest.training.seed
    case = _case(window, fitted, model, baselines, scores, judged)
    judgement = judge_scores(case)
    matrix, y = served_matrix(replayed, model, np.flatnonzero(judged)), replayed.outcome[judged]
    looked, w = judgement.shortcut, label_weights(replayed, judged)
    weighed = importance(window, fitted)
    if looked is not None:
        of = shortcut.weightiest_rate(window.features, weighed)
        tenths = shortcut.dependence(matrix, window.features, model.predict, of)
        reached = [(one.rate, one.score) for one in tenths if one.rate is not None and one.score is not None]
        again = shortcut.ablations(window, (matrix, y), baselines, seed, plan, progress, w)
        looked = replace(looked, ablations=again, dependence=reached, dependence_of=of, dependence_bins=tenths)
    return replace(
        judgement,
        shortcut=looked,
        importance=weighed,
        drift=judge_drift(model.reference, replayed.at[judged], matrix, window.features, w),
        floods=floods(case, model),
    )


def _case(
    window: Window, fitted: Fitted, model: Model, baselines: Mapping[str, Array], scores: Array, judged: Mask
) -> Case:
    manifest = model.manifest
    return Case(
        replayed=window.replayed,
        split=window.end,
        judged=judged,
        scores=scores,
        baselines=baselines,
        fixed=fitted.fixed,
        model=model.version,
        created=manifest.created,
        command=manifest.training.command,
        simulated=manifest.training.simulated,
        bands=model.thresholds,
        seed=manifest.training.seed,
    )


def importance(window: Window, fitted: Fitted) -> list[Importance] | None:
    """Each feature's share of the gain of all splits, the largest first; zero everywhere without a split.

    None of what is no LightGBM model.
    """
    if not isinstance(fitted.model, Trees):
        return None
    gains = np.asarray(fitted.model.booster.feature_importance(importance_type="gain"), dtype=np.float64)
    shares = gains / max(float(gains.sum()), 1e-12)
    rows = zip(window.features, shares.tolist(), strict=True)
    found = [Importance(feature.name, share, feature.meaning) for feature, share in rows]
    return sorted(found, key=lambda one: (-one.share, one.feature))


def floods(case: Case, model: Model) -> Floods | None:
    """The model with the test part's flood alerts judged too (visibility-only never); None without such alerts."""
    replayed = case.replayed
    flood = ((replayed.flags & FLOOD) != 0) & ((replayed.flags & VISIBILITY_ONLY) == 0)
    flood &= replayed.at >= case.split.at
    if not flood.any():
        return None
    labelled = flood & replayed.mature & np.isin(replayed.outcome, (NOISE, ACTIONABLE))
    y, w = replayed.outcome[case.judged], label_weights(replayed, case.judged)
    without = metrics.auc(y, case.scores, w), metrics.ece(y, case.scores, weights=w)
    count = int(np.count_nonzero(labelled))
    if not count:
        return Floods(int(flood.sum()), 0, without[0], None, without[1], None)
    added = predict(model, served_matrix(replayed, model, np.flatnonzero(labelled)))
    all_y, all_p = np.concatenate([y, replayed.outcome[labelled]]), np.concatenate([case.scores, added])
    if w is not None:
        more = label_weights(replayed, labelled)
        w = np.concatenate([w, np.ones(count) if more is None else more])
    both = metrics.auc(all_y, all_p, w), metrics.ece(all_y, all_p, weights=w)
    return Floods(int(flood.sum()), count, without[0], both[0], without[1], both[1])


def encode_judgement(judgement: Judgement) -> bytes:
    """The bytes of `report.json`: indented, ending in a line end; what is not a number is null."""
    return msgspec.json.format(msgspec.json.encode(judgement), indent=1) + b"\n"


def _ageing(case: Case, sets: Mapping[str, Array], best: str | None) -> Ageing | None:
    if best is None:
        return None
    replayed, judged = case.replayed, case.judged
    since, detection = replayed.at[judged] - case.split.at, replayed.problem.target.detection
    y, w = replayed.outcome[judged], label_weights(replayed, judged)
    return judge_ageing(since, y, case.scores, (best, sets[best]), detection, w)


def _data(case: Case, rate: float) -> Data:
    """Excluded alerts are those of the whole log; what the problem file excludes and is in a flood is the former.

    Alerts of a maintenance window are counted with the visibility-only ones.
    """
    replayed, split = case.replayed, case.split
    after = replayed.at >= split.at
    usable = trainable(replayed, split)
    used = int(np.count_nonzero(usable))
    read_only = (replayed.flags & (VISIBILITY_ONLY | MAINTENANCE)) != 0
    return Data(
        events=replayed.events,
        alerts=len(replayed.alerts),
        teams=len({alert.team for alert in replayed.alerts}),
        rules=len({alert.rule for alert in replayed.alerts}),
        first=moment(float(replayed.at.min())),
        last=moment(float(replayed.at.max())),
        kinds=dict(replayed.kinds),
        train_used=used,
        train_purged=int(np.count_nonzero(~after & replayed.counts)) - used,
        judged=int(np.count_nonzero(case.judged)),
        judged_rate=float(rate),
        excluded_visibility=int(np.count_nonzero(read_only)),
        excluded_flood=int(np.count_nonzero(((replayed.flags & FLOOD) != 0) & ~read_only)),
        undecided=int(np.count_nonzero(after & replayed.counts & ~case.judged)),
        train_weights=summarise_weights(replayed, usable),
        judged_weights=summarise_weights(replayed, case.judged),
    )


def _weeks(replayed: Replayed, split: Split) -> list[Week]:
    first = datetime.fromtimestamp(float(replayed.at.min()), UTC).date()
    start = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
    length = _WEEK.total_seconds()
    number = np.floor((replayed.at - start) / length).astype(np.int64)
    made = []
    for week in range(int(number.max()) + 1):
        within = number == week
        known = within & replayed.labelled
        labels = replayed.outcome[known]
        begin, end = start + week * length, start + (week + 1) * length
        part = "training" if end <= split.at else "test" if begin >= split.at else "both"
        rate = weighted_mean(labels, label_weights(replayed, known)) if len(labels) else None
        made.append(Week(start=first + week * _WEEK, alerts=int(within.sum()), rate=rate, part=part))
    return made


def _notes(drawn: Mapping[str, BootstrapFigures], days: int, judged: int) -> list[str]:
    notes = []
    others = {name: one.values["auc"] for name, one in drawn.items() if name != MODEL}
    if others and judged >= LEAST_JUDGED:
        name = max(others, key=lambda each: others[each])
        above = drawn[MODEL].values["auc"] - others[name]
        if above > LEAK:
            notes.append(
                f"The model's AUC is {above:.2f} above {title_of(name)}, the best baseline: look for a leak first."
            )
    if days < LEAST_DAYS:
        notes.append(f"The judged alerts are of {days} days: too few for intervals, which take {LEAST_DAYS}.")
    return notes


def team_notes(learnt: Sequence[str], judged: Sequence[str]) -> list[str]:
    """Notes on what the teams of the training window and of the judged alerts (one name an alert) leave open."""
    known, count = set(learnt), len(set(judged) | set(learnt))
    if count == 1:
        return [f"All alerts are of one team, {judged[0]!r}: nothing here says how the model does on another."]
    strange = Counter(name for name in judged if name not in known)
    if not strange:
        return []
    most, total = strange.most_common(1)[0][0], strange.total()
    return [
        f"{total:,} of {len(judged):,} judged alerts ({total / len(judged):.1%}) are of teams never seen before the "
        f"split ({len(strange):,}, most of {most!r}): the model knew nothing of their own ways."
    ]
