"""Is it working? For whoever is on call."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from stream.monitoring import alerts, queries
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
from stream.monitoring.queries import greatest, rate, raw, recorded, select, total

BUDGET = 1 - queries.LATENCY_OBJECTIVE
EACH = ("job", "instance")
HERE = (JOB, INSTANCE)


def dashboard() -> Dashboard:
    """The page."""
    why = "Whether alerts are scored, in time, and by the right model."
    built = page("noisegate-service", why, "6h")
    built.with_variable(values("instance", "Instance", 'noisegate_lag_records{job=~"$job"}'))
    for part in (_now, _latency, _flow, _models, _inside):
        part(built)
    return built


def _now(built: Dashboard) -> None:
    built.with_row(row("Now"))
    up = f"sum({select('up', *HERE)}) or vector(0)"
    unscored = queries.unscored_share(RATE, *HERE)
    misses = queries.latency_misses(RATE, *HERE)
    for panel in (
        number(
            "Scorers",
            "Scorers that Prometheus can reach. With none, nothing is scored.",
            up,
            PLAIN,
            bad_below((1, "red")),
        ),
        number(
            "Too late",
            f"Share of alerts enriched more than {queries.LATENCY_SECONDS:g} s after their record; "
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
            "Records waiting in all partitions.",
            queries.lag(*HERE),
            COUNT,
            bad_above((alerts.WAITING, "red")),
        ),
        number(
            "History",
            "1 while every scorer can reach Redis.",
            f"min({raw('history_up', *HERE)})",
            PLAIN,
            bad_below((1, "red")),
        ),
        number(
            "Champion's age",
            f"Time since the champion was trained. The limit is {alerts.CHAMPION_DAYS} days.",
            f"max({queries.champion_age(*HERE)})",
            SECONDS,
            bad_above((alerts.CHAMPION_DAYS * 86_400, "red")),
        ),
    ):
        built.with_panel(panel)


def _latency(built: Dashboard) -> None:
    built.with_row(row("Latency"))
    quantiles = {f"p{100 * q:g}": queries.latency_quantile(q, RATE, *HERE) for q in (0.5, 0.95, 0.99)}
    burns = {w: f"{recorded('latency_misses', f'ratio{w}', JOB)} / {BUDGET:.6g}" for w in queries.SLO_WINDOWS}
    limits = [(alerts.BURN_SLOW, "orange"), (alerts.BURN_FAST, "red")]
    by_stage = (rate(("job", "stage"), f"stage_seconds_{part}", RATE, *HERE) for part in ("sum", "count"))
    stages = "\n/ ".join(by_stage)
    for panel in (
        lines(
            "From event to enriched",
            "From the event's record timestamp to its enriched record, over all scorers.",
            quantiles,
            SECONDS,
            [(queries.LATENCY_SECONDS, "red")],
        ),
        lines(
            "How fast the latency budget burns",
            "1 uses a month's budget in a month. A page fires at 14.4 over 1h and 5m, a ticket at 6 over 6h and 30m.",
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
            "Alerts published per second, by band.",
            {"{{band}}": rate(("job", "band"), "alerts_scored_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Alerts without a probability",
            "By reason; see the runbook, NoisegateUnscored.",
            {"{{reason}}": rate(("job", "reason"), "alerts_unscored_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Records that can't be used",
            "By reason; `noisegate failed list` shows them.",
            {"{{reason}}": rate(("job", "reason"), "records_failed_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Waiting by partition",
            "Records waiting. If one partition grows alone, one team floods or its worker is stuck.",
            {"{{partition}}": queries.lag(*HERE, by=("job", "partition"))},
            COUNT,
            [(alerts.WAITING, "red")],
        ),
        lines(
            "Time since the last progress",
            "Time since a batch was finished or nothing was waiting.",
            {"{{instance}}": queries.standstill(*HERE)},
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
            "Number of scorers that serve each version, as champion, for some teams, or as challenger.",
            {"scorers": f"count by (model) ({served})"},
            "model",
            {"scorers": PLAIN},
            wide=8,
            high=8,
        ),
        lines("Changes", "Swaps, refusals and dropped challengers per second.", changes, "ops"),
        lines(
            "Model store",
            "1 while a scorer can read the store.",
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
            "Batches dropped because another worker wrote first. A few during a rebalance are normal.",
            {"{{instance}}": rate(EACH, "fence_conflicts_total", RATE, *HERE)},
            "ops",
        ),
        lines(
            "Records in a batch",
            "Mean size. It grows when records queue.",
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
            "Share of bad records among the latest that a scorer read.",
            {"{{instance}}": greatest(EACH, raw("bad_record_share", *HERE))},
            SHARE,
            [(alerts.BAD, "red")],
        ),
        lines(
            "Actions waiting for their alert",
            "Held until their alert arrives or the grace period has passed.",
            {"{{instance}}": total(EACH, raw("held_actions", *HERE))},
            COUNT,
        ),
        lines(
            "Scorers that answer",
            "1 for each scorer that Prometheus can reach.",
            {"{{instance}}": select("up", *HERE)},
            PLAIN,
        ),
    ):
        built.with_panel(panel)
