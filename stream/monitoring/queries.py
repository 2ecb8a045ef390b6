"""The PromQL of service and drift. Counters are summed over all workers, by job, so that two deployments do not mix.

The smoothing is that of `stream.core.drift`: with n observed, m rows of the reference and B bins (missing is one),
p = (x + 0.5) / (n + 0.5 B) and q = (s m + 0.5) / (m + 0.5 B).
"""

from collections.abc import Sequence

from stream.core import drift

JOB = "noisegate-scorer"
DRIFT_WINDOWS = ("1h", "24h", "7d")
RINGING_WINDOWS = ("24h", "7d")
"""One hour is for looking."""
QUALITY_WINDOWS = ("24h", "7d")

LATENCY_SECONDS = 1.0
LATENCY_OBJECTIVE = 0.99
"""The objective: so many alerts enriched within LATENCY_SECONDS of their record's timestamp."""
SLO_WINDOWS = ("5m", "30m", "1h", "6h", "3d")

LEAST_OBSERVED = drift.ROWS_LEAST
"""With fewer observations of a feature in a window nothing rings, whatever PSI says."""
EFFECT_FLOOR = drift.EFFECT_FLOOR
"""PSI below it rings on nothing, however certain."""

FEATURE = ("job", "model", "feature")
BIN = (*FEATURE, "bin")
KEY = ("job", "model", "key")
GROUP = ("job", "group")


def select(name: str, *matchers: str) -> str:
    """A series with its matchers: select('up', 'job="a"') is up{job="a"}."""
    return f"{name}{{{','.join(matchers)}}}" if matchers else name


def equals(label: str, value: str) -> str:
    """A matcher."""
    return f'{label}="{value}"'


def raw(name: str, *matchers: str) -> str:
    """A metric of the catalogue."""
    return select(f"noisegate_{name}", *matchers)


def recorded(name: str, window: str = "", *matchers: str) -> str:
    """A recording rule's series; `window` ends its name."""
    return select(f"noisegate:{name}" + (f":{window}" if window else ""), *matchers)


def total(by: Sequence[str], vector: str) -> str:
    """Summed over everything but these labels."""
    return f"sum by ({', '.join(by)}) ({vector})"


def greatest(by: Sequence[str], vector: str) -> str:
    """One of what all workers say alike."""
    return f"max by ({', '.join(by)}) ({vector})"


def increase(by: Sequence[str], name: str, window: str, *matchers: str) -> str:
    """What a counter of all workers grew by in the window; right under resets, and as workers come and go."""
    return total(by, f"increase({raw(name, *matchers)}[{window}])")


def rate(by: Sequence[str], name: str, window: str, *matchers: str) -> str:
    """The same, a second."""
    return total(by, f"rate({raw(name, *matchers)}[{window}])")


def ratio(part: str, whole: str) -> str:
    """A share; no series where the whole is nothing."""
    return f"{part}\n/\n({whole} > 0)"


# Drift


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


def served_model() -> str:
    """1 for every model that scores alerts, not for the challenger."""
    return greatest(("job", "model"), raw("model_info", 'role!="challenger"')) + " == 1"


# Volume and labels, by group of teams


def team_alerts(window: str) -> str:
    """Alerts by group of teams."""
    return increase(GROUP, "team_alerts_total", window)


def team_rate(window: str) -> str:
    """The share acted on among what was decided, by group of teams."""
    acted = increase(GROUP, "team_outcomes_total", window, 'outcome="actionable"')
    return ratio(acted, increase(GROUP, "team_outcomes_total", window, 'outcome=~"actionable|noise"'))


# Service


def latency_misses(window: str, *matchers: str, by: Sequence[str] = ("job",)) -> str:
    """The share of alerts that were enriched later than the objective allows."""
    within = rate(by, "event_to_enriched_seconds_bucket", window, f'le="{LATENCY_SECONDS}"', *matchers)
    return f"1 - {ratio(within, rate(by, 'event_to_enriched_seconds_count', window, *matchers))}"


def enriched(window: str) -> str:
    """How many alerts were enriched."""
    return increase(("job",), "event_to_enriched_seconds_count", window)


def latency_quantile(quantile: float, window: str, *matchers: str) -> str:
    """Seconds from event to enriched record."""
    buckets = rate(("job", "le"), "event_to_enriched_seconds_bucket", window, *matchers)
    return f"histogram_quantile({quantile}, {buckets})"


def unscored_share(window: str, *matchers: str, by: Sequence[str] = ("job",)) -> str:
    """The share of alerts that were published without a probability."""
    unscored = rate(by, "alerts_unscored_total", window, *matchers)
    return _share(unscored, rate(by, "alerts_scored_total", window, *matchers))


def failed_share(window: str, *matchers: str, by: Sequence[str] = ("job",)) -> str:
    """The share of records that could not be used."""
    failed = rate(by, "records_failed_total", window, *matchers)
    return _share(failed, rate(by, "events_total", window, *matchers))


def late_share(window: str) -> str:
    """The share of raised alerts that came later than the grace behind their partition's time."""
    raised = increase(("job",), "events_total", window, 'type="raised"')
    return ratio(increase(("job",), "alerts_late_total", window), raised)


def _share(part: str, rest: str) -> str:
    """Of part and rest together; where the rest has no series yet, it is nothing."""
    return ratio(part, f"(({rest} or 0 * {part}) + {part})")


def lag(*matchers: str, by: Sequence[str] = ("job",)) -> str:
    """Records that wait."""
    return total(by, raw("lag_records", *matchers))


def standstill(*matchers: str) -> str:
    """Seconds since a worker finished a batch, or nothing waited."""
    return f"time() - {greatest(('job', 'instance'), raw('progress_timestamp_seconds', *matchers))}"


def champion_age(*matchers: str) -> str:
    """Seconds since the champion was trained."""
    created = greatest(("job", "model"), raw("model_created_timestamp_seconds", *matchers))
    champion = raw("model_info", 'role="champion"', *matchers)
    return f"time() - ({created} and on (job, model) {champion} == 1)"
