"""The PromQL of drift: features, scores and volume over time, held against each model's reference.

The smoothing is that of `stream.core.drift`: with n observed, m rows of the reference and B bins (missing is one),
p = (x + 0.5) / (n + 0.5 B) and q = (s m + 0.5) / (m + 0.5 B).
"""

from stream.core import drift
from stream.monitoring.queries.promql import greatest, increase, ratio, raw, recorded, total

DRIFT_WINDOWS = ("1h", "24h", "7d")
ALERT_WINDOWS = ("24h", "7d")
"""The windows that alerts look at; one hour is for people to look at."""

LEAST_OBSERVED = drift.ROWS_LEAST
"""With fewer observations of a feature in a window there is no alert, whatever PSI says."""
EFFECT_FLOOR = drift.EFFECT_FLOOR
"""A PSI below it sets off no alert, however certain it is."""

FEATURE = ("job", "model", "feature")
BIN = (*FEATURE, "bin")
KEY = ("job", "model", "key")
GROUP = ("job", "group")


def observations(window: str) -> str:
    """x by model, feature and bin: zero for a bin of the reference that nobody observed."""
    reference = greatest(BIN, raw("feature_reference_share"))
    return f"{increase(BIN, 'feature_observations_total', window)}\nor\n0 * {reference}"


def observed(window: str) -> str:
    """n by model and feature."""
    return total(FEATURE, recorded("feature_observations", window))


def observed_share(window: str) -> str:
    """p by model, feature and bin; no series while nothing was observed."""
    x, n = recorded("feature_observations", window), recorded("feature_observed", window)
    bins = f"count by ({', '.join(FEATURE)}) ({x})"
    return f"({x} + 0.5)\n/ on (job, model, feature) group_left ()\n(({n} > 0) + 0.5 * {bins})"


def reference_share() -> str:
    """q by model, feature and bin."""
    share = greatest(BIN, raw("feature_reference_share"))
    rows = greatest(("job", "model"), raw("reference_rows"))
    bins = f"count by ({', '.join(FEATURE)}) ({share})"
    over = f"(0.5 * {bins} + on (job, model) group_left () {rows})"
    return f"({share} * on (job, model) group_left () {rows} + 0.5)\n/ on (job, model, feature) group_left ()\n{over}"


def psi(window: str) -> str:
    """Population stability index: the sum over bins of (p - q) ln(p / q)."""
    p, q = recorded("feature_share", window), recorded("feature_reference_share")
    return total(FEATURE, f"({p} - {q}) * ln({p} / {q})")


def jensen_shannon(window: str) -> str:
    """Jensen-Shannon divergence to base 2, from 0 to 1."""
    p, q = recorded("feature_share", window), recorded("feature_reference_share")
    return f"{total(FEATURE, f'{p} * log2(2 * {p} / ({p} + {q})) + {q} * log2(2 * {q} / ({p} + {q}))')} / 2"


def psi_threshold(window: str) -> str:
    """What PSI exceeds by chance alone with the stated probability: drift_chance (1/n + 1/m).

    Alerts cluster otherwise in a week than in a day; windows that are not a week are taken as a day is.
    """
    rows = greatest(("job", "model"), raw("reference_rows"))
    n = recorded("feature_observed", window)
    of = 'window="7d"' if window == "7d" else 'window="24h"'
    return f"{greatest(FEATURE, raw('drift_chance', of))}\n* (1 / ({n} > 0) + on (job, model) group_left () 1 / {rows})"


def missing_share(window: str) -> str:
    """The share of observations without a value."""
    x = recorded("feature_observations", window, 'bin="missing"')
    return ratio(total(FEATURE, x), recorded("feature_observed", window))


def reference_missing_share() -> str:
    """The same in training."""
    return greatest(FEATURE, raw("feature_reference_share", 'bin="missing"'))


def categories(window: str) -> str:
    """How many alerts a key was looked up for."""
    return increase(KEY, "category_observations_total", window)


def unseen_share(window: str) -> str:
    """The share of alerts whose value of a key training did not know."""
    unseen = increase(KEY, "category_observations_total", window, 'seen="no"')
    return ratio(unseen, recorded("categories_observed", window))


# Volume and labels, by group of teams


def team_alerts(window: str) -> str:
    """Alerts by group of teams."""
    return increase(GROUP, "team_alerts_total", window)


def team_rate(window: str) -> str:
    """The share acted on among what was decided, by group of teams."""
    acted = increase(GROUP, "team_outcomes_total", window, 'outcome="actionable"')
    return ratio(acted, increase(GROUP, "team_outcomes_total", window, 'outcome=~"actionable|noise"'))
