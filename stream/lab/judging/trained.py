"""A judgement of a model just trained: what `find` tells, and what only the model and its window can."""

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from stream.core.frame import Array
from stream.core.ledger import ACTIONABLE, FLOOD, NOISE, VISIBILITY_ONLY
from stream.lab.judging import metrics, shortcut
from stream.lab.judging.drifting import judge_drift
from stream.lab.judging.finding import Case, find
from stream.lab.judging.findings import Findings, Floods, Importance
from stream.lab.learning.fitting import Fitted, Window
from stream.lab.learning.plan import Plan
from stream.eventlog import Progress, no_progress
from stream.lab.matrix import predict, served_matrix
from stream.lab.window import Mask
from stream.models.model import Model

_DEFAULT = Plan()


def find_trained(
    window: Window,
    fitted: Fitted,
    model: Model,
    baselines: Mapping[str, Array],
    scores: Array,
    judged: Mask,
    *,
    plan: Plan = _DEFAULT,
    progress: Progress = no_progress,
) -> Findings:
    """All sections but the canaries. `scores` are float64[J] of the judged alerts (bool[N]), baselines float64[N].

    Three ablations are trained with the manifest's seed and `plan`. Dependence is on the
    smoothed rate of team and rule by which the trees gain most. Version, creation time and command are those of
    the model's manifest.

    Raises:
        LabError: nothing to judge, or one class only.
    """
    replayed, seed = window.replayed, model.manifest.training.seed
    case = _case(window, fitted, model, baselines, scores, judged)
    findings = find(case)
    matrix, y = served_matrix(replayed, model, np.flatnonzero(judged)), replayed.outcome[judged]
    looked = findings.shortcut
    weighed = importance(window, fitted)
    if looked is not None:
        of = next((one.feature for one in weighed if one.feature in shortcut.RATES), "")
        reached = shortcut.dependence(matrix, window.features, model.predict, of)
        again = shortcut.ablations(window, (matrix, y), baselines, seed, plan, progress)
        looked = replace(looked, ablations=again, dependence=reached, dependence_of=of)
    return replace(
        findings,
        shortcut=looked,
        importance=weighed,
        drift=judge_drift(model.reference, replayed.at[judged], matrix, window.features),
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


def importance(window: Window, fitted: Fitted) -> list[Importance]:
    """Each feature's share of the gain of all splits, the largest first; zero everywhere without a split."""
    gains = np.asarray(fitted.trees.booster.feature_importance(importance_type="gain"), dtype=np.float64)
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
    y = replayed.outcome[case.judged]
    without = metrics.auc(y, case.scores), metrics.ece(y, case.scores)
    count = int(np.count_nonzero(labelled))
    if not count:
        return Floods(int(flood.sum()), 0, without[0], None, without[1], None)
    added = predict(model, served_matrix(replayed, model, np.flatnonzero(labelled)))
    all_y, all_p = np.concatenate([y, replayed.outcome[labelled]]), np.concatenate([case.scores, added])
    both = metrics.auc(all_y, all_p), metrics.ece(all_y, all_p)
    return Floods(int(flood.sum()), count, without[0], both[0], without[1], both[1])
