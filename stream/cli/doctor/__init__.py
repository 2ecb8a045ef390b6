"""`noisegate doctor`: checks everything the settings name, and prints what is wrong and how to mend it.

finding   the result of a check
sample    the newest records of the events topic
checks    the table of checks; problem file, Kafka, partitioner
history   Redis, clocks, histories
models    champion and challenger
relay     the Alertmanagers behind the relay
rules     the closer's rules, whether all closers have them, and Prometheus, which may hold them back
targets   the systems in which the closer pauses and closes
"""

import typer

from stream.cli import options
from stream.console import print_json, stderr_console, stdout_console

_STYLE = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


def doctor(as_json: options.AsJson = False) -> None:
    """Check Kafka, topics, partitioner, Redis, problem file and model. Status 1 if something is wrong."""
    from stream.cli.doctor.checks import run_checks

    settings = options.settings()
    with stderr_console().status("looking"):
        findings = list(run_checks(settings))
    wrong = sum(finding.verdict == "wrong" for finding in findings)
    if as_json:
        print_json({"ok": not wrong, "findings": findings})
    else:
        console = stdout_console()
        for finding in findings:
            style = _STYLE[finding.verdict]
            console.print(f"[{style}]{finding.verdict:<8}[/{style}]{finding.check:<12}", end="")
            console.print(finding.found, markup=False)
            if finding.mend:
                console.print(f"{'':20}fix: {finding.mend}", markup=False)
    if wrong:
        raise typer.Exit(1)
