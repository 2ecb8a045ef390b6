"""The alerts about the service: latency, progress, input and history."""

from stream.monitoring.queries import service
from stream.monitoring.queries.promql import equals, greatest, increase, raw, recorded, select
from stream.monitoring.rules import Alert

STANDSTILL_SECONDS = 90
"""Below the watchdog's `stall_seconds`, so that somebody knows before the process ends."""
WAITING = 10_000
FAILED, UNSCORED, LATE, BAD = 0.01, 0.05, 0.05, 0.5
CONFLICTS = 20
CLOCK_SECONDS = 30
"""A worker whose clock differs by more writes no ticks."""
FAILED_TO_SCORE = 'reason!="no_model"'
"""No model is how everyone starts, and NoisegateNoModel tells where one was served before."""
BURN_FAST, BURN_SLOW = 14.4, 6.0
"""Two per cent of a month's budget in an hour, five in six: the SRE workbook's pairs."""
ENRICHED_FAST, ENRICHED_SLOW = 200, 500
"""With fewer alerts in the long window a budget does not ring: one late alert of ten is no incident."""


def every(job: str) -> list[Alert]:
    """All of them."""
    return [*_latency(), *_progress(job), *_input(), *_history(), *_clock()]


def _latency() -> list[Alert]:
    budget = 1 - service.LATENCY_OBJECTIVE

    def burn(name: str, long: str, short: str, factor: float, least: int, severity: str) -> Alert:
        misses = [f"{recorded('latency_misses', f'ratio{w}')} > {factor * budget:.6g}" for w in (long, short)]
        return Alert(
            alert=name,
            expr=f"{misses[0]}\nand on (job) {misses[1]}\nand on (job) {service.enriched(long)} >= {least}",
            held="2m",
            severity=severity,
            summary="Alerts are enriched too late",
            description=(
                f"{{{{ $value | humanizePercentage }}}} of the alerts of the last {long} took more than "
                f"{service.LATENCY_SECONDS:g} s; the objective is {service.LATENCY_OBJECTIVE:.0%} within that time."
            ),
        )

    return [
        burn("NoisegateLatencyBudgetBurnsFast", "1h", "5m", BURN_FAST, ENRICHED_FAST, "page"),
        burn("NoisegateLatencyBudgetBurnsSlowly", "6h", "30m", BURN_SLOW, ENRICHED_SLOW, "ticket"),
    ]


def _progress(job: str) -> list[Alert]:
    return [
        Alert(
            alert="NoisegateTargetDown",
            expr=f"{select('up', equals('job', job))} == 0",
            held="3m",
            severity="page",
            summary="A scorer can't be scraped",
            description="{{ $labels.instance }} has not answered /metrics for 3 minutes.",
        ),
        Alert(
            alert="NoisegateNoScorer",
            expr=f"absent({select('up', equals('job', job))} == 1)",
            held="3m",
            severity="page",
            summary="No scorer is running",
            description="Prometheus can't reach any scorer: nothing is scored, and no other alert can fire.",
        ),
        Alert(
            alert="NoisegateNoProgress",
            expr=f"{service.standstill()} > {STANDSTILL_SECONDS}",
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
            expr=f"min_over_time(({service.lag()})[15m:1m]) > {WAITING}",
            held="5m",
            severity="ticket",
            summary="The scorers can't keep up",
            description="At least {{ $value | humanize }} records have been waiting for 15 minutes.",
        ),
    ]


def _input() -> list[Alert]:
    failed = increase(("job",), "records_failed_total", "1h")
    unscored = increase(("job",), "alerts_unscored_total", "15m", FAILED_TO_SCORE)
    late = increase(("job",), "alerts_late_total", "1h")
    return [
        Alert(
            alert="NoisegateRecordsFail",
            expr=f"{service.failed_share('1h')} > {FAILED}\nand on (job) {failed} >= 20",
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
            expr=f"{service.unscored_share('15m', FAILED_TO_SCORE)} > {UNSCORED}\nand on (job) {unscored} >= 20",
            held="5m",
            severity="page",
            summary="Alerts are published without a probability",
            description="{{ $value | humanizePercentage }} of the last 15 minutes' alerts with a model "
            "were not scored.",
        ),
        Alert(
            alert="NoisegateAlertsLate",
            expr=f"{service.late_share('1h')} > {LATE}\nand on (job) {late} >= 20",
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
            alert="NoisegateHistorySuspect",
            expr=f"max by (job, instance) ({raw('history_suspect')}) == 1",
            held="1m",
            severity="page",
            summary="A history is wrong",
            description="A history of {{ $labels.instance }} is wrong: "
            "its alerts are published unscored until it is rebuilt.",
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


def _clock() -> list[Alert]:
    ahead = greatest(("job", "instance"), raw("clock_difference_seconds"))
    return [
        Alert(
            alert="NoisegateClockOff",
            expr=f"{ahead} > {CLOCK_SECONDS}\nor {ahead} < -{CLOCK_SECONDS}",
            held="5m",
            severity="ticket",
            summary="A worker's clock is wrong",
            description=(
                "The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} ahead (below zero: behind); "
                "it writes no ticks until it is set."
            ),
        ),
    ]
