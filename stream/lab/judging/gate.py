"""DESIGN's gate: what a model must show before it may be promoted."""

from collections.abc import Mapping, Sequence

from stream.lab.judging.bootstrap import LEAST_DAYS, Drawn
from stream.lab.judging.findings import Check, Gate


def best_of(drawn: Mapping[str, Drawn], names: Sequence[str]) -> str | None:
    """The baseline that suppresses most at the target detection on the test part; of equal ones that of highest AUC."""
    known = [name for name in names if name in drawn]
    ranked = sorted(known, key=lambda name: (drawn[name].values["suppressed_target"], drawn[name].values["auc"]))
    return ranked[-1] if ranked else None


def judge_gate(model: Drawn, baselines: Mapping[str, Drawn], must_beat: Sequence[str]) -> Gate:
    """AUC above each of `must_beat`; and, at thresholds fixed before the test, surely more suppressed than the best.

    "Surely" is the lower 95 % bound of the paired bootstrap by day above zero. Where days are too few for a bound, or a
    threshold is missing, the gate is not passed.
    """
    checks = []
    for name in must_beat:
        if name not in baselines:
            checks.append(Check(f"AUC above {name}", False, f"there is no score {name} to compare with"))
            continue
        ours, theirs = model.values["auc"], baselines[name].values["auc"]
        checks.append(Check(f"AUC above {name}", ours > theirs, f"AUC {ours:.3f}, {name} has {theirs:.3f}"))
    best = best_of(baselines, must_beat)
    if best is not None:
        checks.append(_suppression(model, baselines[best], best))
    return Gate(all(check.passed for check in checks), checks)


def _suppression(model: Drawn, best: Drawn, name: str) -> Check:
    asked = f"more noise suppressed than by {name}"
    if "suppressed_fixed" not in model.values or "suppressed_fixed" not in best.values:
        return Check(asked, False, "no threshold was fixed before the test")
    gain = model.gain(best, "suppressed_fixed")
    kept = [one.values["detection_fixed"] for one in (model, best)]
    text = (
        f"at thresholds fixed before the test {gain.value:+.1%} of the noise over {name}, the best by ranking "
        f"(detection {kept[0]:.1%}, {name} {kept[1]:.1%})"
    )
    if gain.low is None or gain.high is None:
        return Check(asked, False, f"{text}; too few days for an interval, at least {LEAST_DAYS} are needed")
    return Check(asked, gain.low > 0, f"{text}, 95 % interval {gain.low:+.1%} to {gain.high:+.1%}")
