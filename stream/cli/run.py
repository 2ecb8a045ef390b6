"""`noisegate run ...`: a room as a process. ROOMS is the table of all of them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from stream.cli import options
from stream.core.errors import NoisegateError


class Room(NamedTuple):
    """What a room does, for people, and the module and function that runs it: settings in, exit status out."""

    does: str
    module: str
    function: str


ROOMS = {
    "intake": Room(
        """Take what other systems post; publish alerts and acts to alerts.events.""",
        "stream.intake.worker",
        "run_intake",
    ),
    "relay": Room(
        "Take alerts from Prometheus, send them on to Alertmanager with their score, publish them to alerts.events.",
        "stream.relay.worker",
        "run_relay",
    ),
    "closer": Room(
        "Decide by rules about scored alerts; publish decisions to alerts.decisions; do what proven rules decide.",
        "stream.closer.worker",
        "run_closer",
    ),
    "scorer": Room(
        "Read alerts.events; publish scores to alerts.enriched and outcomes to alerts.outcomes.",
        "stream.scorer.worker",
        "run_scorer",
    ),
    "triage": Room(
        "Serve a live page of all alerts with their scores; publish people's verdicts to alerts.events.",
        "stream.triage.worker",
        "run_triage",
    ),
}


class _Rooms(TyperGroup):
    """The rooms as commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The room that is named; raises NoisegateError where there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in ROOMS:
            raise NoisegateError(f"there is no room {args[0]!r}", f"the rooms are: {', '.join(ROOMS)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Rooms, no_args_is_help=True, help="Run a part of noisegate as a process.")


@app.callback()
def rooms() -> None:
    """Run a part of noisegate as a process."""


def run_room(name: str) -> int:
    """Run a room in this process until a signal or a fault; returns the exit status."""
    from stream.lane.process import exit_on_sigterm
    from stream.logs import set_up_logs

    exit_on_sigterm()
    settings = options.settings()
    set_up_logs(settings.log_level)
    run: Callable[..., int] = getattr(import_module(ROOMS[name].module), ROOMS[name].function)
    return run(settings)


def _verb(name: str) -> Callable[[], None]:
    def verb() -> None:
        raise typer.Exit(run_room(name))

    return verb


for _name, _room in ROOMS.items():
    app.command(_name, help=_room.does)(_verb(_name))
