"""The gate: the conditions that a model must meet before it may be promoted."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from stream.core.problem import Target
from stream.lab.judging.baselines import title_of
from stream.lab.judging.bootstrap import LEAST_DAYS, BootstrapFigures
from stream.lab.judging.report_schema import Check, Gain, Gate, Interval

LEAST_JUDGED = 50  # alerts, to call one AUC above another
_NO_THRESHOLD = "no threshold was fixed before the test"
_TOO_FEW = f"too few days for an interval, at least {LEAST_DAYS} are needed"
_NO_BASELINE = "none of the scores that must be beaten is there to compare with"


def best_of(drawn: Mapping[str, BootstrapFigures], names: Sequence[str]) -> str | None:
    """The baseline that suppresses most at the target detection on the test part; of equal ones that of highest AUC."""
    known = [name for name in names if name in drawn]
    ranked = sorted(known, key=lambda name: (drawn[name].values["suppressed_target"], drawn[name].values["auc"]))
    return ranked[-1] if ranked else None


def judge_gate(
    model: BootstrapFigures,
    baselines: Mapping[str, BootstrapFigures],
    gains: Sequence[Gain],
    target: Target,
    judged: int | None = None,
) -> Gate:
    """The gate: AUC above each baseline that must be beaten, detection kept, more suppressed than the best of them.

    Detection at the threshold fixed before the test is as asked for unless its upper 95 % bound is below. The gain in
    suppression is at equal detection (see `gain_at_equal_detection`); surely is its lower 95 % bound above zero. Where
    days are too few for a bound, or a threshold or a baseline is missing, the condition is not tested, and the gate not
    passed; nor is an AUC on fewer than `LEAST_JUDGED` alerts. `judged` is how many alerts the figures rest on.
    """
    must_beat = target.must_beat
    checks = [_auc(model, baselines.get(name), name, judged) for name in must_beat]
    checks.append(_detection(model, target.detection))
    best = best_of(baselines, must_beat)
    if best is not None:
        gain = next((one.suppressed for one in gains if one.over == best), None)
        checks.append(_suppression(model, gain, best))
    elif must_beat:
        checks.append(Check("more noise suppressed than by any of them", None, _NO_BASELINE))
    checks = [replace(check, n=judged) for check in checks]
    results = {check.passed for check in checks}
    return Gate(False if False in results else None if None in results else True, checks)


def _auc(model: BootstrapFigures, other: BootstrapFigures | None, name: str, judged: int | None) -> Check:
    title = title_of(name)
    asked = f"AUC above {title}"
    if other is None:
        return Check(asked, None, f"there is no score {title} to compare with")
    ours, theirs = model.values["auc"], other.values["auc"]
    text = f"AUC {ours:.3f}, {title} has {theirs:.3f}"
    if judged is not None and judged < LEAST_JUDGED:
        return Check(asked, None, f"{text}; too few alerts to compare them, at least {LEAST_JUDGED} are needed")
    return Check(asked, ours > theirs, text)


def _detection(model: BootstrapFigures, wanted: float) -> Check:
    asked = f"detection of {wanted:.0%} kept"
    if "detection_fixed" not in model.values:
        return Check(asked, None, _NO_THRESHOLD)
    kept = model.interval("detection_fixed")
    text = f"the threshold fixed before the test kept {kept.value:.1%} of the actionable"
    if kept.low is None or kept.high is None:
        return Check(asked, None, f"{text}; {_TOO_FEW}")
    return Check(asked, kept.high >= wanted, f"{text}, 95 % interval {kept.low:.1%} to {kept.high:.1%}")


def _suppression(model: BootstrapFigures, gain: Interval | None, name: str) -> Check:
    title = title_of(name)
    asked = f"more noise suppressed than by {title}"
    if gain is None:
        return Check(asked, None, _NO_THRESHOLD)
    text = (
        f"at that threshold {model.values['suppressed_fixed']:.1%} of the noise suppressed, {gain.value:+.1%} over "
        f"what {title}, the best by ranking, could suppress at the same detection"
    )
    if gain.low is None or gain.high is None:
        return Check(asked, None, f"{text}; {_TOO_FEW}")
    return Check(asked, gain.low > 0, f"{text}, 95 % interval {gain.low:+.1%} to {gain.high:+.1%}")
