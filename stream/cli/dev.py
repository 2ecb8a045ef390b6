"""`noisegate dev ...`: embedded servers for trying things out."""

import signal
import sys
from typing import Annotated

import typer

from stream.console import print_notice

app = typer.Typer(no_args_is_help=True, help="Run Kafka and Redis on this machine, for trying things out.")


@app.command()
def up(
    kafka_port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the broker; 0 takes a free one.")] = 9_092,
    redis_port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of Redis; 0 takes a free one.")] = 6_379,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 4,
) -> None:
    """Start an embedded broker and Valkey, create the topics, and keep them running until Ctrl-C.

    Standard output gets lines for a shell: with them, every other command talks to these servers. What they hold is in
    memory and gone when they end. For anything that matters, use a Kafka and a Redis of your own (extra: embedded).
    """
    from stream.dev.stack import running_servers

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with the command
    with running_servers(kafka_port, redis_port, partitions) as environment:
        for name, value in environment.items():
            typer.echo(f"export {name}={value}")
        sys.stdout.flush()
        print_notice("Kafka and Redis run until Ctrl-C. Paste the lines above into another shell, then for instance:")
        print_notice("  noisegate doctor")
        try:
            signal.pause()
        except KeyboardInterrupt:
            print_notice("Stopped; what the servers held is gone.")
