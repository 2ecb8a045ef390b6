"""`noisegate intake explain`: how a body that a system sends is read, without Kafka and Redis."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options as shared
from stream.console import print_json, stdout_console

if TYPE_CHECKING:
    from stream.sources.decisions import Decision
    from stream.sources.explain import Explanation

app = typer.Typer(no_args_is_help=True, help="What other systems send, and how it is read.")
_NOTHING = 3  # the exit status where nothing was understood


@app.callback()
def verbs() -> None:
    """What other systems send, and how it is read."""


@app.command("explain")
def explain(
    file: Annotated[Path, typer.Argument(help="The body of a post, as it is sent; - for standard input.")],
    source: Annotated[str, typer.Option(help="Where it comes from, such as alertmanager, grafana or map/zabbix.")],
    headers: Annotated[Path | None, typer.Option(help="Headers of the post, one `Name: value` a line.")] = None,
    options: Annotated[
        Path | None, typer.Option(help="The TOML file of sources; default: `sources` of the settings.")
    ] = None,
    received: Annotated[
        str | None, typer.Option(help="When the body came, such as 2026-03-01T10:00:00Z; default: now.")
    ] = None,
    as_json: shared.AsJson = False,
) -> None:
    """How a body is read: events, team and why, id, agent, and what is refused or ignored; status 3 if nothing is."""
    from stream.sources.agents import load_agents
    from stream.sources.body import read_headers
    from stream.sources.explain import explain as explain_body
    from stream.sources.options import load_sources
    from stream.sources.readers import with_automation

    settings = shared.settings()
    sources = load_sources(options or settings.sources.options)
    pairs = _header_lines(headers) if headers else []
    raw = sys.stdin.buffer.read() if str(file) == "-" else _read(file)
    agents = with_automation(load_agents(settings.sources.agents), sources)
    found = explain_body(
        raw, read_headers(pairs), source, sources, settings.intake.body_bytes, _received_at(received), agents
    )
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if not found.is_understood:
        raise typer.Exit(_NOTHING)


def _print(found: "Explanation") -> None:
    lines: list[str] = []
    if found.error is not None:
        lines.append(f"refused with status {found.error.status}: {found.error}")
    if found.resolution is not None:
        for number, decision in enumerate(found.resolution.decisions, start=1):
            lines += _decision_lines(number, decision)
        lines += [f"refused: {one.where or 'the body'}: {one.reason}: {one.detail}" for one in found.resolution.refused]
        lines += [f"ignored: {name}" for name in found.resolution.ignored]
        lines += [f"note: {note}" for note in found.resolution.notes]
    console = stdout_console()
    for line in lines:
        console.print(line, markup=False)


def _decision_lines(number: int, decision: "Decision") -> list[str]:
    from stream.core.events import Acted

    event = decision.event
    again = ", already known: not published again" if decision.duplicate else ""
    cut = ", cut" if decision.cut else ""
    lines = [
        f"{number}. {event.__class__.__name__.lower()} {event.at.isoformat().replace('+00:00', 'Z')}{again}{cut}",
        f"   team     {event.team} ({decision.team_why})",
        f"   alert_id {event.alert_id} ({decision.id_why})",
    ]
    if isinstance(event, Acted):
        agent = f"{event.agent or 'not known'} ({decision.agent_why or 'the source does not say'})"
        actor = f", actor {event.actor}" if event.actor else ""
        return [*lines, f"   kind     {event.kind}, agent {agent}{actor}"]
    severity = event.severity or "none"
    return [*lines, f"   rule     {event.rule}, entity {event.entity}, severity {severity}, {len(event.labels)} labels"]


def _read(file: Path) -> bytes:
    from stream.core.errors import SettingsError

    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} can't be read: {error.strerror}; name the file of a body") from None


def _header_lines(file: Path) -> list[tuple[str, str]]:
    lines = _read(file).decode("utf-8", "replace").splitlines()
    return [(name, value) for name, colon, value in (line.partition(":") for line in lines) if colon]


def _received_at(text: str | None) -> float:
    import time

    from stream.core.errors import SettingsError
    from stream.sources.times import BadTime, read_time

    if text is None:
        return time.time()
    try:
        return read_time(text)
    except BadTime as error:
        raise SettingsError(f"--received: {error}; write one such as 2026-03-01T10:00:00Z") from None
