"""Is it working? For whoever is on call."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring.alerts import service as alerts
from stream.monitoring.alerts.models import CHAMPION_DAYS
from stream.monitoring.dashboards.panels import (
    COUNT,
    INSTANCE,
    JOB,
    PLAIN,
    RATE,
    SECONDS,
    SHARE,
    bad_above,
    bad_below,
    lines,
    number,
    page,
    row,
    rows,
    values,
)
from stream.monitoring.queries import service
from stream.monitoring.queries.promql import greatest, rate, raw, recorded, select, total

BUDGET = 1 - service.LATENCY_OBJECTIVE
EACH = ("job", "instance")
HERE = (JOB, INSTANCE)


def dashboard() -> Dashboard:
    """The page."""
    why = "Whether alerts are scored, in time, by the right model."
    built = page("noisegate-service", why, "6h")
    built.with_variable(values("instance", "Instance", 'noisegate_history_up{job=~"$job"}'))
    for part in (_now, _latency, _flow, _models, _inside):
        part(built)
    return built


def _now(built: Dashboard) -> None:
    built.with_row(row("Now"))
    up = f"sum({select('up', *HERE)}) or vector(0)"
    unscored = service.unscored_share(RATE, *HERE)
    misses = service.latency_misses(RATE, *HERE)
    for panel in (
        number(
            "Scorers",
            "Scorers that Prometheus reaches. With none, nothing is scored.",
            up,
            PLAIN,
            bad_below((1, "red")),
        ),
        number(
            "Too late",
            f"Share of alerts enriched later than {service.LATENCY_SECONDS:g} s after their record; "
            f"the objective allows {BUDGET:.0%}.",
            misses,
            SHARE,
            bad_above((BUDGET, "orange"), (alerts.BURN_FAST * BUDGET, "red")),
        ),
        number(
            "Unscored",
            "Share of alerts published without a probability.",
            unscored,
            SHARE,
            bad_above((alerts.UNSCORED, "red")),
        ),
        number(
            "Waiting",
            "Records that wait, over all partitions.",
            service.lag(*HERE),
            COUNT,
            bad_above((alerts.WAITING, "red")),
        ),
        number(
            "Kafka",
            "1 while every scorer reaches Kafka.",
            f"min({raw('kafka_up', *HERE)})",
            PLAIN,
            bad_below((1, "red")),
        ),
        number(
            "Redis",
            "1 while every scorer reaches its history.",
            f"min({raw('history_up', *HERE)})",
            PLAIN,
            bad_below((1, "red")),
        ),
        number(
            "Wrong histories",
            "Scorers whose history waits for a rebuild; they publish alerts unscored.",
            f"sum({raw('history_suspect', *HERE)})",
            PLAIN,
            bad_above((1, "red")),
        ),
        number(
            "Champion's age",
            f"Time since the champion was trained; the limit is {CHAMPION_DAYS} days.",
            f"max({service.champion_age(*HERE)})",
            SECONDS,
            bad_above((CHAMPION_DAYS * 86_400, "red")),
        ),
    ):
        built.with_panel(panel.span(3))


def _latency(built: Dashboard) -> None:
    built.with_row(row("Latency"))
    quantiles = {f"p{100 * q:g}": service.latency_quantile(q, RATE, *HERE) for q in (0.5, 0.95, 0.99)}
    burns = {w: f"{recorded('latency_misses', f'ratio{w}', JOB)} / {BUDGET:.6g}" for w in service.SLO_WINDOWS}
    limits = [(alerts.BURN_SLOW, "orange"), (alerts.BURN_FAST, "red")]
    by_stage = (rate(("job", "stage"), f"stage_seconds_{part}", RATE, *HERE) for part in ("sum", "count"))
    stages = "\n/ ".join(by_stage)
    for panel in (
        lines(
            "From event to enriched",
            "From the event's record timestamp to its enriched record, over all scorers.",
            quantiles,
            SECONDS,
            [(service.LATENCY_SECONDS, "red")],
        ),
        lines(
            "How fast the latency budget burns",
            "1 uses a month's budget in a month. 14.4 over 1h and 5m pages, 6 over 6h and 30m opens a ticket.",
            burns,
            PLAIN,
            limits,
        ),
        lines("Time of a batch by stage", "Mean time of one batch in each stage.", {"{{stage}}": stages}, SECONDS),
    ):
        built.with_panel(panel)


def _flow(built: Dashboard) -> None:
    built.with_row(row("Traffic"))
    for panel in (
        lines(
            "Events",
            "Events folded per second, by type.",
            {"{{type}}": rate(("job", "type"), "events_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Alerts by band",
            "Alerts published per second, by band of their probability.",
            {"{{band}}": rate(("job", "band"), "alerts_scored_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Alerts without a probability",
            "Per second, by reason; the runbook explains them under NoisegateUnscored.",
            {"{{reason}}": rate(("job", "reason"), "alerts_unscored_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Records that can't be used",
            "Per second, by reason; `noisegate failed list` shows them.",
            {"{{reason}}": rate(("job", "reason"), "records_failed_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Waiting by partition",
            "Records that wait. If one partition grows alone, a team floods it or its worker stands still.",
            {"{{topic}}/{{partition}}": service.lag(*HERE, by=("job", "topic", "partition"))},
            COUNT,
            [(alerts.WAITING, "red")],
        ),
        lines(
            "Time since the last progress",
            "Time since a batch was finished, or since nothing waited.",
            {"{{instance}}": service.standstill(*HERE)},
            SECONDS,
            [(alerts.STANDSTILL_SECONDS, "red")],
        ),
    ):
        built.with_panel(panel)


def _models(built: Dashboard) -> None:
    built.with_row(row("Models"))
    served = greatest(("job", "instance", "model", "role"), raw("model_info", *HERE)) + " == 1"
    changes = {
        "swapped": rate(("job",), "model_swaps_total", RATE, *HERE),
        "refused": rate(("job",), "model_refused_total", RATE, *HERE),
        "challenger dropped": rate(("job",), "challenger_dropped_total", RATE, *HERE),
    }
    for panel in (
        rows(
            "Served",
            "Scorers that serve each version, in any role.",
            {"scorers": f"count by (model) ({served})"},
            "model",
            {"scorers": PLAIN},
            wide=8,
            high=8,
        ),
        lines("Changes", "Swaps, refusals and dropped challengers per second.", changes, "ops"),
        lines(
            "Model store",
            "1 while the scorer can read the model store.",
            {"{{instance}}": greatest(EACH, raw("model_store_up", *HERE))},
            PLAIN,
        ),
    ):
        built.with_panel(panel)


def _inside(built: Dashboard) -> None:
    built.with_row(row("Inside"))
    for panel in (
        lines(
            "Fence conflicts",
            "Batches dropped per second because another worker had written first. Some during a rebalance are normal.",
            {"{{instance}}": rate(EACH, "fence_conflicts_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Records in a batch",
            "Mean size of a batch; it grows when records queue.",
            {
                "{{instance}}": f"{rate(EACH, 'batch_records_sum', RATE, *HERE)}\n"
                f"/ {rate(EACH, 'batch_records_count', RATE, *HERE)}"
            },
            COUNT,
        ),
        lines(
            "Calls to Redis",
            "Round trips per second, by call.",
            {"{{call}}": rate(("job", "call"), "history_round_trips_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Bad records",
            "Share of bad records among the last ones that a scorer read.",
            {"{{instance}}": greatest(EACH, raw("bad_record_share", *HERE))},
            SHARE,
            [(alerts.BAD, "red")],
        ),
        lines(
            "Actions waiting for their alert",
            "Actions held until their alert arrives or the grace has passed.",
            {"{{instance}}": total(EACH, raw("held_actions", *HERE))},
            COUNT,
        ),
        lines(
            "Kafka by scorer",
            "1 while a scorer reaches Kafka, 0 after two looks in a row without an answer.",
            {"{{instance}}": greatest(EACH, raw("kafka_up", *HERE))},
            PLAIN,
        ),
        lines(
            "Clocks",
            "How far a scorer's clock is ahead of the broker's, or of Redis's; beyond 30 s it writes no ticks.",
            {"{{instance}}": greatest(EACH, raw("clock_difference_seconds", *HERE))},
            SECONDS,
            [(alerts.CLOCK_SECONDS, "red")],
            least=None,
        ),
        lines(
            "Scorers that answer",
            "1 for each scorer that Prometheus reaches.",
            {"{{instance}}": select("up", *HERE)},
            PLAIN,
        ),
    ):
        built.with_panel(panel)
