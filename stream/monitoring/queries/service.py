"""The PromQL of the service: latency, flow, what waits, and which models are served."""

from collections.abc import Sequence

from stream.monitoring.queries.promql import greatest, increase, rate, ratio, raw, total

LATENCY_SECONDS = 1.0
LATENCY_OBJECTIVE = 0.99
"""The objective: so many alerts enriched within LATENCY_SECONDS of their record's timestamp."""
SLO_WINDOWS = ("5m", "30m", "1h", "6h", "3d")
DEFAULT_JOB = "noisegate-scorer"
"""The scorers' scrape job, unless `python -m stream.monitoring write --job` names another."""


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


def served_model() -> str:
    """1 for every model that scores alerts, not for the challenger."""
    return greatest(("job", "model"), raw("model_info", 'role!="challenger"')) + " == 1"
