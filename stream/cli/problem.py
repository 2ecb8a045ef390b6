"""`noisegate problem`: a problem file proposed from a log, and one of your own checked."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli import options
from stream.console import print_json, print_notice, stage_bars, stdout_console, strip_lines
from stream.core.errors import NoisegateError, ProblemError

if TYPE_CHECKING:
    from stream.core.problem import Problem
    from stream.lab.suggestion import Suggestion

app = typer.Typer(no_args_is_help=True, help="Propose a problem file from a log, or check one.")
Events = Annotated[Path, typer.Option(help="Event log: .jsonl, .jsonl.gz or .parquet, in order of time.")]


@app.callback()
def verbs() -> None:
    """Propose a problem file from a log, or check one."""


@app.command("suggest")
def suggest_command(
    events: Events,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Problem file to write. Default: standard output.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Propose a problem file: which actions mean acted on, how soon, and what an untouched alert is. (extra: lab)"""
    from stream.eventlog import read_log
    from stream.extras import AUDITING, require_lab
    from stream.lab.suggestion import suggest

    require_lab("a proposed problem file needs", *AUDITING)
    if output is not None and output.exists():
        raise ProblemError(f"{output}: is there already", "name another file, or remove it")
    with stage_bars() as report_progress:
        found = suggest(read_log(events, progress=report_progress))
        text = _text_of(found, events)
    if output is not None:
        _write(output, text)
    if as_json:
        print_json(found)
    elif output is None:
        sys.stdout.write(text)
    else:
        stdout_console().print(f"written to {output}; answer its three questions, then check it", markup=False)


@app.command("check")
def check_command(
    problem: Annotated[Path, typer.Argument(help="Problem file (TOML).")],
    events: Annotated[Path | None, typer.Option(help="Event log to hold it against. (extra: lab)")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a problem file and say what it means; with a log, also what of the log it could learn from."""
    from stream.config import load_problem

    definition = load_problem(problem)
    against = None if events is None else _against(events, definition)
    if as_json:
        print_json({"id": definition.id, "says": list(_sentences(definition)), "log": against})
    else:
        console = stdout_console()
        for sentence in _sentences(definition):
            console.print(sentence, markup=False)
        if against is not None:
            console.print(against["split"], markup=False)
            for finding in against["findings"]:
                console.print(f"! {finding}", markup=False)
    if against is not None and against["fault"]:
        print_notice(f"noisegate: {events}: {against['fault']}")
        raise typer.Exit(1)


def _text_of(found: "Suggestion", events: Path) -> str:
    """The problem file with the baselines on the log under it; without, where the log is too short to be split."""
    from stream.core.problem import parse_problem
    from stream.eventlog import read_log
    from stream.lab.auditing.sections import tests
    from stream.lab.replaying import replay
    from stream.lab.split import judgeable, split_at_share
    from stream.lab.suggestion_text import problem_text

    plain = problem_text(found, events.name)
    replayed = replay(read_log(events), parse_problem(plain, "the proposed problem file"))
    if len(replayed.at) < 2:
        return plain
    cut = split_at_share(replayed, 0.6)
    return problem_text(found, events.name, tests(replayed, cut)) if judgeable(replayed, cut).any() else plain


def _write(output: Path, text: str) -> None:
    from stream.files import atomic_write

    try:
        atomic_write(output, text.encode())
    except OSError as error:
        raise ProblemError(f"{output}: can't be written: {error.strerror}", "name a file in another folder") from None


def _sentences(problem: "Problem") -> Iterator[str]:
    outcome = problem.outcome
    yield strip_lines(f"{problem.id}: {problem.question}")
    yield f"acted on: {', '.join(outcome.actionable)}; noise: {', '.join(outcome.noise) or 'no kind'}"
    wins = "the first of them decides" if outcome.decides == "first" else "any action that means acted on wins"
    yield f"within {outcome.horizon_hours:g} hours of the raise, {wins}; what nobody decided is {outcome.on_expiry}"
    excluded = problem.exclude
    counts = (len(excluded.visibility_only), len(excluded.windows), len(excluded.flood_days))
    if any(counts):
        yield "excluded: {} patterns, {} maintenance windows, {} flood days".format(*counts)


def _against(events: Path, problem: "Problem") -> dict[str, Any]:
    """What of a log could be learnt from and judged by, what warns, and why it can't be trained on, if it can't."""
    from stream.lab.auditing.audit import audit_log
    from stream.lab.log_checks import check_judging, check_log, check_training
    from stream.lab.split import split_at_share, trainable

    with stage_bars() as report_progress:
        replayed, found = audit_log(events, problem, progress=report_progress)
    fault = None
    try:
        check_log(replayed)
        cut = split_at_share(replayed, 0.6)
        check_training(replayed.outcome[: cut.alert][trainable(replayed, cut)])
        check_judging(replayed, cut)
    except NoisegateError as error:
        fault = str(error)
    split = next((finding.text for finding in found.findings if finding.about == "split"), "")
    about = ("kinds", "labels", "horizon", "ledger", "actions", "agents")
    warned = [finding.text for finding in found.findings if finding.warns and finding.about in about]
    return {"split": split, "findings": warned, "fault": fault}
