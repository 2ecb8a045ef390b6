"""DESIGN's gate: what a model must show before it may be promoted."""

from collections.abc import Mapping, Sequence

from stream.core.problem import Target
from stream.lab.judging.bootstrap import LEAST_DAYS, Drawn
from stream.lab.judging.findings import Check, Gain, Gate, Interval

_NO_THRESHOLD = "no threshold was fixed before the test"
_TOO_FEW = f"too few days for an interval, at least {LEAST_DAYS} are needed"


def best_of(drawn: Mapping[str, Drawn], names: Sequence[str]) -> str | None:
    """The baseline that suppresses most at the target detection on the test part; of equal ones that of highest AUC."""
    known = [name for name in names if name in drawn]
    ranked = sorted(known, key=lambda name: (drawn[name].values["suppressed_target"], drawn[name].values["auc"]))
    return ranked[-1] if ranked else None


def judge_gate(model: Drawn, baselines: Mapping[str, Drawn], gains: Sequence[Gain], target: Target) -> Gate:
    """AUC above each that must be beaten, detection as asked for, and surely more suppressed than the best of them.

    Detection at the threshold fixed before the test is as asked for unless its upper 95 % bound is below. The gain in
    suppression is at equal detection (see `gain_at_equal_detection`); surely is its lower 95 % bound above zero. Where
    days are too few for a bound, or a threshold is missing, the gate is not passed.
    """
    must_beat = target.must_beat
    checks = []
    for name in must_beat:
        if name not in baselines:
            checks.append(Check(f"AUC above {name}", False, f"there is no score {name} to compare with"))
            continue
        ours, theirs = model.values["auc"], baselines[name].values["auc"]
        checks.append(Check(f"AUC above {name}", ours > theirs, f"AUC {ours:.3f}, {name} has {theirs:.3f}"))
    best = best_of(baselines, must_beat)
    if best is not None:
        gain = next((one.suppressed for one in gains if one.over == best), None)
        checks += [_detection(model, target.detection), _suppression(model, gain, best)]
    return Gate(all(check.passed for check in checks), checks)


def _detection(model: Drawn, wanted: float) -> Check:
    asked = f"detection of {wanted:.0%} kept"
    if "detection_fixed" not in model.values:
        return Check(asked, False, _NO_THRESHOLD)
    kept = model.interval("detection_fixed")
    text = f"the threshold fixed before the test kept {kept.value:.1%} of the actionable"
    if kept.low is None or kept.high is None:
        return Check(asked, False, f"{text}; {_TOO_FEW}")
    return Check(asked, kept.high >= wanted, f"{text}, 95 % interval {kept.low:.1%} to {kept.high:.1%}")


def _suppression(model: Drawn, gain: Interval | None, name: str) -> Check:
    asked = f"more noise suppressed than by {name}"
    if gain is None:
        return Check(asked, False, _NO_THRESHOLD)
    text = (
        f"at that threshold {model.values['suppressed_fixed']:.1%} of the noise suppressed, {gain.value:+.1%} over "
        f"what {name}, the best by ranking, could suppress at the same detection"
    )
    if gain.low is None or gain.high is None:
        return Check(asked, False, f"{text}; {_TOO_FEW}")
    return Check(asked, gain.low > 0, f"{text}, 95 % interval {gain.low:+.1%} to {gain.high:+.1%}")
