"""The PromQL of quality: from outcomes once they matured, and from scores alone before.

Histograms are cumulative by `le`: alerts with p <= le. Each matured alert is counted once, when it was folded.
"""

from collections.abc import Sequence
from itertools import pairwise

from stream.metrics.scorer import SCORE_EDGES
from stream.metrics.series import le_of
from stream.monitoring.queries.promql import greatest, increase, ratio, raw, recorded, total

MODEL = ("job", "model", "role")
PART = (*MODEL, "part")
QUALITY_WINDOWS = ("24h", "7d")
DETECTION, CALIBRATION_GAP = 0.9, 0.1  # alerts ring below and above
LEAST_OUTCOMES = 500
"""Matured alerts of a model in a window; with fewer no alert about its quality rings."""
LEAST_ACTED = 100
"""Actionable ones among them: of five, one that was missed is no low detection."""
LEAST_OF_GROUP = 50
"""Matured alerts of a group of teams; with fewer its figures are not shown."""
MISSED = 0.05
"""The share of actionable alerts that may be missed: noise suppressed is measured at 95 % detection."""

BIN_EDGES = ("0.05", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0")
"""Upper edges of the bins in which calibration is measured."""
EDGES = tuple(map(le_of, SCORE_EDGES))
"""All edges that the workers count at."""


def _all(name: str, window: str, *matchers: str) -> str:
    return recorded(name, window, 'le="1.0"', *matchers)


def binned(by: Sequence[str], name: str, window: str, edges: Sequence[str], *matchers: str) -> str:
    """What lies between an edge and the one below it, under the label `bin` = the upper edge."""
    pattern = "|".join(edge.replace(".", "[.]") for edge in edges)
    series = recorded(name, window, *matchers, f'le=~"{pattern}"')
    labels = (*by, "bin")
    upper = total(labels, f'label_replace({series}, "bin", "$1", "le", "(.*)")')
    below = series
    for edge, following in pairwise(edges):
        below = f'label_replace({below}, "bin", "{following}", "le", "{edge.replace(".", "[.]")}")'
    # The last edge has nothing above it: its lower counterpart keeps an empty bin and is dropped by the match.
    return f"{upper}\n- ({total(labels, below)} or 0 * {upper})"


# From outcomes


def scores(window: str) -> str:
    """Matured alerts with p <= le, by outcome and last outcome."""
    return increase((*PART, "outcome", "last", "le"), "quality_scores_bucket", window)


def scores_below(window: str) -> str:
    """The sum of their p."""
    return increase((*PART, "le"), "quality_scores_below_sum_total", window)


def outcomes(window: str) -> str:
    """Matured alerts, by outcome."""
    return total((*PART, "outcome"), _all("quality_scores", window))


def label_rate(window: str) -> str:
    """The share that was acted on."""
    n = recorded("quality_outcomes", window)
    return ratio(total(PART, recorded("quality_outcomes", window, 'outcome="actionable"')), total(PART, n))


def mean_score(window: str) -> str:
    """The mean of p."""
    return ratio(total(PART, _all("quality_scores_below", window)), total(PART, recorded("quality_outcomes", window)))


def brier(window: str) -> str:
    """The mean squared error of p."""
    errors = increase(PART, "quality_squared_error_total", window)
    return ratio(errors, total(PART, recorded("quality_outcomes", window)))


def calibration_count(window: str) -> str:
    """Matured alerts by bin of p."""
    return binned(PART, "quality_scores", window, BIN_EDGES)


def calibration_rate(window: str) -> str:
    """The share acted on by bin of p."""
    acted = binned(PART, "quality_scores", window, BIN_EDGES, 'outcome="actionable"')
    return ratio(f"({acted})", recorded("calibration_count", window))


def calibration_mean(window: str) -> str:
    """The mean p by bin."""
    summed = binned(PART, "quality_scores_below", window, BIN_EDGES)
    return ratio(f"({summed})", recorded("calibration_count", window))


def calibration_error(window: str) -> str:
    """Expected calibration error: the mean distance of rate and mean p over bins, weighed by their alerts."""
    gap = f"abs({recorded('calibration_rate', window)} - {recorded('calibration_mean', window)})"
    return ratio(
        total(PART, f"{gap} * {recorded('calibration_count', window)}"),
        total(PART, recorded("calibration_count", window)),
    )


def _cumulative(window: str, outcome: str) -> tuple[str, str]:
    matcher = f'outcome="{outcome}"'
    below = total((*PART, "le"), recorded("quality_scores", window, matcher))
    return below, f"({total(PART, recorded('quality_outcomes', window, matcher))} > 0)"


def suppressed_at_95(window: str) -> str:
    """Noise below the highest edge that keeps 95 % of the actionable alerts above it; 0 where no edge does."""
    noise, noises = _cumulative(window, "noise")
    acted, acteds = _cumulative(window, "actionable")
    labels = ", ".join(PART)
    share = f"{noise} / on ({labels}) group_left () {noises}"
    keeps = f"{acted} / on ({labels}) group_left () {acteds} <= {MISSED}"
    return f"max by ({labels}) (({share}) and ({keeps}))\nor\n0 * ({noises} + {acteds})"


def auc(window: str) -> str:
    """Area under the curve by trapezoids between the edges: a little low, as ties within a bin count half."""
    acted = binned(PART, "quality_scores", window, EDGES, 'outcome="actionable"')
    noise = binned(PART, "quality_scores", window, EDGES, 'outcome="noise"')
    below, noises = _cumulative(window, "noise")
    _, acteds = _cumulative(window, "actionable")
    upper = total((*PART, "bin"), f'label_replace({below}, "bin", "$1", "le", "(.*)")')
    return f"{total(PART, f'({acted}) * ({upper} - ({noise}) / 2)')}\n/ ({noises} * {acteds})"


def last_agreement(window: str) -> str:
    """The share of alerts with a last outcome on which `p > 0.5` says the same as it."""
    n = total(PART, _all("quality_scores", window, 'last!="none"'))
    return ratio(f"({_says(window, 'actionable', 'last=')} + {_says(window, 'noise', 'last=')})", n)


def last_wrong(window: str) -> str:
    """Alerts whose last outcome was another than their own."""
    odd = ('last="noise",outcome="actionable"', 'last="actionable",outcome="noise"')
    return " + ".join(total(PART, _all("quality_scores", window, pair)) for pair in odd)


def right_where_last_wrong(window: str) -> str:
    """The share of those on which `p > 0.5` was right all the same."""
    fits = f"({_odd(window, 'actionable', 'noise')} + {_odd(window, 'noise', 'actionable')})"
    return ratio(fits, recorded("quality_last_wrong", window))


def _says(window: str, name: str, label: str) -> str:
    """Alerts on which p > 0.5 says `name`, among those whose label is that."""
    matcher = f'{label}"{name}"'
    low = total(PART, recorded("quality_scores", window, 'le="0.5"', matcher))
    return low if name == "noise" else f"({total(PART, _all('quality_scores', window, matcher))} - {low})"


def _odd(window: str, outcome: str, last: str) -> str:
    return _says(window, outcome, f'last="{last}",outcome=')


# By band and group: exact at the model's own edges


def alerts(window: str) -> str:
    """Matured alerts by group, band and outcome."""
    return increase((*MODEL, "group", "band", "outcome"), "quality_alerts_total", window)


def _counted(by: Sequence[str], window: str, *matchers: str) -> str:
    return total(by, recorded("quality_alerts", window, *matchers))


KEPT = {"likely_noise": 'band!="likely_noise"', "likely_actionable": 'band="likely_actionable"'}
"""What stays above an edge of the bands."""


def detection(window: str, edge: str, by: Sequence[str] = MODEL) -> str:
    """The share of actionable alerts that lie above the edge."""
    acted = 'outcome="actionable"'
    return ratio(_counted(by, window, KEPT[edge], acted), _counted(by, window, acted))


def precision(window: str, edge: str, by: Sequence[str] = MODEL) -> str:
    """The share of actionable among what lies above the edge."""
    return ratio(_counted(by, window, KEPT[edge], 'outcome="actionable"'), _counted(by, window, KEPT[edge]))


def suppressed(window: str, by: Sequence[str] = MODEL) -> str:
    """The share of noise that lies in the band `likely_noise`."""
    noise = 'outcome="noise"'
    return ratio(_counted(by, window, 'band="likely_noise"', noise), _counted(by, window, noise))


def of_group(window: str, figure: str) -> str:
    """A figure by group, where the group has enough alerts."""
    by = (*MODEL, "group")
    return f"({figure})\nand on ({', '.join(by)}) ({_counted(by, window)} >= {LEAST_OF_GROUP})"


def noise_band_acted(window: str) -> str:
    """Of the alerts called likely noise, the share that was acted on all the same, by group."""
    by, band = (*MODEL, "group"), 'band="likely_noise"'
    return ratio(_counted(by, window, band, 'outcome="actionable"'), _counted(by, window, band))


# Before labels: calibration-based performance estimation (CBPE)


def published(window: str) -> str:
    """Published scores with p <= le."""
    return increase((*MODEL, "le"), "scores_bucket", window)


def published_below(window: str) -> str:
    """The sum of their p."""
    return increase((*MODEL, "le"), "scores_below_sum_total", window)


def estimated_rate(window: str) -> str:
    """The share that will be acted on if the model is calibrated: the mean of p."""
    return ratio(total(MODEL, _all("scores_below", window)), total(MODEL, _all("scores", window)))


def expected_brier(window: str) -> str:
    """The Brier score if the model is calibrated: the mean of p (1 - p)."""
    return ratio(increase(MODEL, "scores_expected_squared_error_total", window), total(MODEL, _all("scores", window)))


def expected_suppressed_at_95(window: str) -> str:
    """Noise suppressed at 95 % detection if the model is calibrated."""
    labels = ", ".join(MODEL)
    s, p = recorded("scores", window), recorded("scores_below", window)
    noises = f"({total(MODEL, _all('scores', window))} - {total(MODEL, _all('scores_below', window))} > 0)"
    acteds = f"({total(MODEL, _all('scores_below', window))} > 0)"
    keeps = f"{p} / on ({labels}) group_left () {acteds} <= {MISSED}"
    return (
        f"max by ({labels}) ((({s} - {p}) / on ({labels}) group_left () {noises}) and ({keeps}))"
        f"\nor\n0 * ({noises} + {acteds})"
    )


# How far the window has matured


def matured_until() -> str:
    """Seconds since 1970: alerts raised before it have been counted, on every partition."""
    return f"min by (job) ({raw('history_time_seconds')}) - {greatest(('job',), raw('maturity_seconds'))}"


def matured_share(window: str) -> str:
    """Matured beside published alerts of the same window: far below 1, the figures rest on an early part of it."""
    matured = total(MODEL, recorded("quality_outcomes", window))
    return ratio(matured, total(MODEL, _all("scores", window)))
