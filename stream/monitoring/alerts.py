"""The alerts: a table. Each has a section in docs/RUNBOOK.md and a test in deploy/prometheus/tests."""

from collections.abc import Sequence

from stream.monitoring import model_alerts, queries
from stream.monitoring.queries import equals, increase, raw, recorded, select
from stream.monitoring.rules import Alert, Group

STANDSTILL_SECONDS = 90
"""Below the watchdog's `stall_seconds`, so that somebody knows before the process ends."""
WAITING = 10_000
FAILED, UNSCORED, LATE, BAD = 0.01, 0.05, 0.05, 0.5
CONFLICTS = 20
BURN_FAST, BURN_SLOW = 14.4, 6.0
"""Two per cent of a month's budget in an hour, five in six: the SRE workbook's pairs."""
ENRICHED_FAST, ENRICHED_SLOW = 200, 500
"""With fewer alerts in the long window a budget does not ring: one late alert of ten is no incident."""
CHAMPION_DAYS = 45


def groups(drift_windows: Sequence[str] = queries.RINGING_WINDOWS, quality_window: str = "7d") -> list[Group]:
    """All alerting rules."""
    return [
        Group("noisegate-alerts-service", "30s", [*_latency(), *_progress(), *_input(), *_history()]),
        Group("noisegate-alerts-models", "1m", [*_models(), *_ages()]),
        Group(
            "noisegate-alerts-drift", "2m", [alert for window in drift_windows for alert in model_alerts.drift(window)]
        ),
        Group("noisegate-alerts-quality", "4m", model_alerts.from_outcomes(quality_window)),
    ]


def _latency() -> list[Alert]:
    budget = 1 - queries.LATENCY_OBJECTIVE

    def burn(name: str, long: str, short: str, factor: float, least: int, severity: str) -> Alert:
        misses = [f"{recorded('latency_misses', f'ratio{w}')} > {factor * budget:.6g}" for w in (long, short)]
        return Alert(
            alert=name,
            expr=f"{misses[0]}\nand on (job) {misses[1]}\nand on (job) {queries.enriched(long)} >= {least}",
            held="2m",
            severity=severity,
            summary="Alerts are enriched too late",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the alerts of the last {long} took more than "
                f"{queries.LATENCY_SECONDS:g} s; the objective is {queries.LATENCY_OBJECTIVE:.0%} within that time."
            ),
        )

    return [
        burn("NoisegateLatencyBudgetBurnsFast", "1h", "5m", BURN_FAST, ENRICHED_FAST, "page"),
        burn("NoisegateLatencyBudgetBurnsSlowly", "6h", "30m", BURN_SLOW, ENRICHED_SLOW, "ticket"),
    ]


def _progress() -> list[Alert]:
    return [
        Alert(
            alert="NoisegateTargetDown",
            expr=f"{select('up', equals('job', queries.JOB))} == 0",
            held="3m",
            severity="page",
            summary="A scorer can't be scraped",
            description="{{ $labels.instance }} has not answered /metrics for 3 minutes.",
        ),
        Alert(
            alert="NoisegateNoScorer",
            expr=f'absent(up{{job="{queries.JOB}"}} == 1)',
            held="3m",
            severity="page",
            summary="No scorer is running",
            description="Prometheus can't reach any scorer: nothing is scored, and no other alert can fire.",
        ),
        Alert(
            alert="NoisegateNoProgress",
            expr=f"{queries.standstill()} > {STANDSTILL_SECONDS}",
            held="1m",
            severity="page",
            summary="Records wait, but none is processed",
            description="{{ $labels.instance }} last finished a batch {{ $value | humanizeDuration }} ago.",
        ),
        Alert(
            alert="NoisegateKafkaAway",
            expr=f"min by (job, instance) ({raw('kafka_up')}) == 0",
            held="1m",
            severity="page",
            summary="Kafka is away",
            description="{{ $labels.instance }} can't reach Kafka. Alerts wait in Kafka until it is back.",
        ),
        Alert(
            alert="NoisegateLag",
            expr=f"min_over_time(({queries.lag()})[15m:1m]) > {WAITING}",
            held="5m",
            severity="ticket",
            summary="The scorers can't keep up",
            description="At least {{ $value | humanize }} records have been waiting for 15 minutes.",
        ),
    ]


def _input() -> list[Alert]:
    failed = increase(("job",), "records_failed_total", "1h")
    unscored = increase(("job",), "alerts_unscored_total", "15m")
    late = increase(("job",), "alerts_late_total", "1h")
    return [
        Alert(
            alert="NoisegateRecordsFail",
            expr=f"{queries.failed_share('1h')} > {FAILED}\nand on (job) {failed} >= 20",
            held="5m",
            severity="ticket",
            summary="Records can't be used",
            description="{{ $value | humanizePercentage }} of the last hour's records went to alerts.failed.",
        ),
        Alert(
            alert="NoisegateBadRecords",
            expr=f"max by (job, instance) ({raw('bad_record_share')}) > {BAD}",
            held="5m",
            severity="page",
            summary="Most records are bad",
            description="{{ $value | humanizePercentage }} of the latest records of {{ $labels.instance }} are bad.",
        ),
        Alert(
            alert="NoisegateUnscored",
            expr=f"{queries.unscored_share('15m')} > {UNSCORED}\nand on (job) {unscored} >= 20",
            held="5m",
            severity="page",
            summary="Alerts are published without a probability",
            description="{{ $value | humanizePercentage }} of the last 15 minutes' alerts were not scored.",
        ),
        Alert(
            alert="NoisegateAlertsLate",
            expr=f"{queries.late_share('1h')} > {LATE}\nand on (job) {late} >= 20",
            held="5m",
            severity="ticket",
            summary="Alerts arrive later than the grace period",
            description="{{ $value | humanizePercentage }} of the last hour's alerts arrived after the grace period.",
        ),
    ]


def _history() -> list[Alert]:
    return [
        Alert(
            alert="NoisegateHistoryDown",
            expr=f"min by (job, instance) ({raw('history_up')}) == 0",
            held="1m",
            severity="page",
            summary="Redis is away",
            description="{{ $labels.instance }} can't reach Redis. Alerts are published unscored until it is back.",
        ),
        Alert(
            alert="NoisegateFenceConflicts",
            expr=f"{increase(('job',), 'fence_conflicts_total', '1h')} > {CONFLICTS}",
            held="5m",
            severity="ticket",
            summary="Workers compete for partitions",
            description="{{ $value | humanize }} batches were dropped in the last hour: another worker wrote first.",
        ),
    ]


def _models() -> list[Alert]:
    up = select("up", equals("job", queries.JOB))
    champion = raw("model_info", 'role="champion"')
    return [
        Alert(
            alert="NoisegateNoModel",
            expr=f"{up} == 1 unless on (job, instance) {champion} == 1",
            held="5m",
            severity="page",
            summary="A scorer serves no model",
            description="{{ $labels.instance }} has no champion. Its alerts are published unscored.",
        ),
        Alert(
            alert="NoisegateChampionsDiffer",
            expr=f"count by (job) (count by (job, model) ({champion} == 1)) > 1",
            held="10m",
            severity="ticket",
            summary="Scorers serve different champions",
            description="{{ $value }} versions are champion at once. A scorer refused the new one or can't read it.",
        ),
        Alert(
            alert="NoisegateModelRefused",
            expr=(
                f"{increase(('job', 'instance'), 'model_refused_total', '1h')} > 0\n"
                f"or max by (job, instance) ({raw('model_pointers_refused')}) > 0"
            ),
            held="0m",
            severity="ticket",
            summary="A model was refused",
            description="{{ $labels.instance }} refused the version that a pointer names, and keeps the model it has.",
        ),
        Alert(
            alert="NoisegateModelStoreDown",
            expr=f"min by (job, instance) ({raw('model_store_up')}) == 0",
            held="10m",
            severity="ticket",
            summary="The model store is away",
            description="{{ $labels.instance }} can't read the model store. It keeps serving the models it has loaded.",
        ),
        Alert(
            alert="NoisegateChallengerDropped",
            expr=f"{increase(('job', 'reason'), 'challenger_dropped_total', '1h')} > 0",
            held="0m",
            severity="info",
            summary="A challenger was dropped",
            description="It was dropped as {{ $labels.reason }}. The champion keeps scoring; the comparison has a gap.",
        ),
    ]


def _ages() -> list[Alert]:
    return [
        Alert(
            alert="NoisegateChampionOld",
            expr=f"{recorded('champion_age', 'seconds')} > {CHAMPION_DAYS * 86_400}",
            held="1h",
            severity="ticket",
            summary="The champion is old",
            description=f"{{{{ $labels.model }}}} was trained {{{{ $value | humanizeDuration }}}} ago, more than "
            f"{CHAMPION_DAYS} days.",
        ),
        Alert(
            alert="NoisegateFeaturesUnwatched",
            expr=f"max by (job, model, reason) ({raw('features_unwatched')}) > 0",
            held="10m",
            severity="info",
            summary="Features are not watched for drift",
            description="{{ $value }} features of {{ $labels.model }} are not watched: {{ $labels.reason }}.",
        ),
    ]
