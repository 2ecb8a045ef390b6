"""`noisegate topics ...`: the topics of the settings."""

from typing import Annotated, Any

import typer

from stream.cli import options
from stream.console import print_json, stdout_console
from stream.core.errors import Fault

app = typer.Typer(no_args_is_help=True, help="Create or describe the topics.")

_DAY_MS = 86_400_000
_MESSAGE_BYTES = 1_048_588  # Kafka's own default of max.message.bytes, which is enough for every topic


@app.command()
def create(
    partitions: Annotated[
        int, typer.Option(min=1, help="Partitions of each topic. A later change needs a rebuild of the history.")
    ] = 4,
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1,
    retention_days: Annotated[
        float | None, typer.Option(min=0.01, help="Retention of events and outcomes. Default: forever.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Create the missing topics."""
    from stream.kafka.topics import Topics, topic_configs

    topics = Topics(options.settings())
    made = topics.create(partitions, replication, topic_configs(retention_days))
    there = [name for name in topics.names.values() if name not in made]
    if as_json:
        print_json({"created": made, "there_already": there})
        return
    console = stdout_console()
    for name in made:
        console.print(f"created {name}, {partitions} partitions")
    counts = topics.partitions()
    for name in there:
        console.print(f"{name} already exists, with {counts[name]} partitions; nothing was changed")


@app.command()
def describe(as_json: options.AsJson = False) -> None:
    """Show each topic: its purpose, partitions and retention, and whether it exists."""
    from rich.table import Table

    from stream.kafka.topics import Topics

    settings = options.settings()
    facts = topic_facts(Topics(settings))
    stamped = timestamp_warning(facts, settings.kafka.bootstrap_servers)
    warnings = retention_warnings(facts) + size_warnings(facts, settings.kafka.bootstrap_servers)
    warnings += [stamped] if stamped else []
    if as_json:
        print_json({"topics": facts, "warnings": [str(warning) for warning in warnings]})
        return
    table = Table("topic", "what", "partitions", "kept")
    for fact in facts:
        kept = kept_for(fact) if fact["exists"] else "-"
        table.add_row(fact["name"], fact["what"], str(fact["partitions"] or "missing"), kept)
    stdout_console().print(table)
    for warning in warnings:
        stdout_console().print("[yellow]warning[/yellow]: ", end="")
        stdout_console().print(str(warning), markup=False)


def topic_facts(topics: Any) -> list[dict[str, Any]]:
    """What Kafka says of each topic of the settings; `topics` is `stream.kafka.topics.Topics`."""
    from stream.core.topics import TOPICS

    there = topics.partitions()
    facts = []
    for role, name in topics.names.items():
        configs = topics.configs(name) if name in there else {}
        facts.append(
            {
                "role": role,
                "name": name,
                "what": TOPICS[role].meaning,
                "written_by": list(TOPICS[role].written_by),
                "exists": name in there,
                "partitions": there.get(name, 0),
                "retention_ms": _number(configs.get("retention.ms")),
                "retention_bytes": _number(configs.get("retention.bytes")),
                "cleanup": configs.get("cleanup.policy"),
                "max_message_bytes": _number(configs.get("max.message.bytes")),
                "timestamps": configs.get("message.timestamp.type"),
            }
        )
    return facts


def retention_warnings(facts: list[dict[str, Any]]) -> list[Fault]:
    """What is wrong with how long the log of events is kept."""
    warnings = []
    for fact in facts:
        if fact["role"] != "events" or not fact["exists"]:
            continue
        name, limited = (
            fact["name"],
            [key for key in ("retention_ms", "retention_bytes") if fact[key] not in (-1, None)],
        )
        if limited:
            problem = f"{name} is kept for {kept_for(fact)} only, so a lost history can't be rebuilt in full"
            warnings.append(Fault(problem, "set retention.ms and retention.bytes to -1"))
        if fact["cleanup"] and "compact" in fact["cleanup"]:
            warnings.append(Fault(f"{name} is compacted, which deletes events", "set cleanup.policy to delete"))
    return warnings


def size_warnings(facts: list[dict[str, Any]], servers: str) -> list[Fault]:
    """Topics whose `max.message.bytes` refuses records that noisegate's own limits allow.

    `servers` is the setting `kafka_bootstrap_servers`, for the command that mends it.
    """
    from stream.core.topics import TOPICS

    return [
        Fault(
            f"{fact['name']} accepts records of at most {fact['max_message_bytes']:,} bytes, and one may need "
            f"{TOPICS[fact['role']].message_bytes:,}",
            f"run `kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics"
            f" --entity-name {fact['name']} --add-config max.message.bytes={_MESSAGE_BYTES}`",
        )
        for fact in facts
        if fact["exists"]
        and fact["max_message_bytes"] is not None
        and fact["max_message_bytes"] < TOPICS[fact["role"]].message_bytes
    ]


def timestamp_warning(facts: list[dict[str, Any]], servers: str) -> Fault | None:
    """Why the timestamps of the log of events can't be trusted; None where the broker gives them.

    `servers` are the broker's addresses, for the command that mends it.
    """
    from stream.kafka.topics import LOG_APPEND_TIME, TIMESTAMPS

    for fact in facts:
        if fact["role"] == "events" and fact["timestamps"] not in (LOG_APPEND_TIME, None):
            return Fault(
                f"{fact['name']} is stamped by its producers ({fact['timestamps']}), so a worker's or producer's wrong"
                " clock moves time",
                f"run `kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics"
                f" --entity-name {fact['name']} --add-config {TIMESTAMPS}={LOG_APPEND_TIME}`",
            )
    return None


def kept_for(fact: dict[str, Any]) -> str:
    """How long a topic is kept, in words."""
    time, size = fact["retention_ms"], fact["retention_bytes"]
    days = "" if time in (-1, None) else f"{time / _DAY_MS:g} days"
    most = "" if size in (-1, None) else f"{size:,} bytes a partition"
    if time is None and size is None:
        return "the broker's default"
    return " and ".join(filter(None, (days, most))) or "ever"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None
