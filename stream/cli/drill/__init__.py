"""`noisegate drill`: one marked alert through everything that runs, as one does after each deployment.

entrance  the ways in: the intake, or the relay
hops      what was seen of the alert; pure
run       the drill itself, on real topics
"""

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from stream.cli.drill.entrance import Entrance
    from stream.cli.drill.hops import DrillTrace
    from stream.config import Settings

_ROW = "{:<11}{:>9}  {}"


def drill(
    intake: Annotated[
        str | None, typer.Option(help="Address of the intake. Default: intake_host and intake_port of the settings.")
    ] = None,
    relay: Annotated[
        str | None, typer.Option(help="Address of a relay with its path prefix: post there, as Prometheus does.")
    ] = None,
    token: Annotated[
        Path | None, typer.Option(help="File with the bearer token that the intake or the relay asks for.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="PEM file of the authority that signed the certificate, if it is your own.")
    ] = None,
    decision: Annotated[
        bool | None,
        typer.Option(
            "--decision/--no-decision",
            help="Whether to wait for the closer's decision. Default: if the closer runs and relay_labels is on.",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the hops.", min=0.1)] = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Post a marked alert, wait for its score, print the time of each hop, end it. Status 1 if a hop is missing."""
    from stream.cli.drill.hops import DrillTrace
    from stream.cli.drill.run import awaited_hops, awaits_decision, run_drill
    from stream.core.errors import SettingsError

    if intake is not None and relay is not None:
        raise SettingsError("--intake and --relay are both given", "give one of them")
    settings = options.settings()
    run = f"drill-{uuid.uuid4().hex[:16]}"
    entrance = _entrance(settings, run, intake, relay, token, ca)
    wanted = awaits_decision(settings) if decision is None else decision
    trace = DrillTrace(run, awaited_hops(relay is not None, wanted))
    with stderr_console().status("waiting for the hops"):
        run_drill(settings, entrance, trace, timeout)
    if as_json:
        _print_json(trace)
    else:
        _print(trace)
    if trace.missing:
        raise typer.Exit(1)


def _entrance(
    settings: "Settings", run: str, intake: str | None, relay: str | None, token: Path | None, ca: Path | None
) -> "Entrance":
    from stream.cli.drill.entrance import IntakeEntrance, RelayEntrance

    now = time.time()
    if relay is not None:
        return RelayEntrance(relay, run, now, settings, token, ca)
    return IntakeEntrance(intake or intake_address(settings), run, now, token, ca)


def intake_address(settings: "Settings") -> str:
    """Where the intake of these settings listens, as this machine reaches it."""
    host = settings.intake.host
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    scheme = "https" if settings.intake.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.intake.port}"


def _print(trace: "DrillTrace") -> None:
    console = stdout_console()
    hops = {hop.name: hop for hop in trace.hops}
    console.print(_ROW.format("hop", "after", "seen at"), markup=False)
    for name in trace.awaited:
        if hop := hops.get(name):
            what = f"{hop.where}  {hop.what}".rstrip()
            console.print(_ROW.format(name, f"{hop.seconds:.3f} s", what), markup=False)
        else:
            console.print(_ROW.format(name, "-", "not seen"), markup=False)
    for fault in trace.faults:
        console.print(str(fault), markup=False)


def _print_json(trace: "DrillTrace") -> None:
    print_json(
        {
            "ok": not trace.missing,
            "alert_id": trace.alert_id,
            "hops": trace.hops,
            "missing": trace.missing,
            "faults": [{"problem": fault.problem, "mend": fault.mend} for fault in trace.faults],
        }
    )
