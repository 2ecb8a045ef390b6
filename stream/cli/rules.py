"""`noisegate rules ...`: rules checked, explained, planned and held against the past.

Nothing here acts; the verbs about rules that run are in `rules_live`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options, rules_digest, rules_live
from stream.console import print_json, stage_bars

if TYPE_CHECKING:
    from stream.core.rule_index import RuleIndex
    from stream.lab.rule_backtest import Backtest
    from stream.lab.rule_past import Past

app = typer.Typer(
    no_args_is_help=True, help="Check rules, show what they would do and what they did, and let them climb."
)

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[RULES]...", help="Files or folders of rules. Default: closer_rules of the settings."),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--rules", help="The same as an option; may be given more than once."),
]
Events = Annotated[
    Path | None, typer.Option(help="Event log instead of the topics: .jsonl, .jsonl.gz or .parquet (extra: lab).")
]
ModelFolder = Annotated[
    Path | None,
    typer.Option("--model", help="With --events: folder of a version or of versions. Default: the settings' store."),
]
Since = Annotated[
    str | None, typer.Option(help="Without --events: start, such as 60d or 2026-03-01T00:00:00Z. Default: 60d.")
]
_OVERLAPS = 20
LIVE = (
    rules_live.proof,
    rules_live.arm,
    rules_live.disarm,
    rules_live.log,
    rules_live.undo,
    rules_live.pause,
    rules_digest.digest,
)


@app.command()
def check(
    paths: Paths = None,
    files: Files = None,
    events: Annotated[Path | None, typer.Option(help="Event log in which to look for alerts that rules match.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print each mistake with file, line and mend, rules that hide or overlap others, and rules that match nothing."""
    import time

    from stream.cli.rules_output import Check, print_check
    from stream.core.errors import RulesError
    from stream.core.rule_index import RuleIndex
    from stream.core.rule_overlaps import overlaps
    from stream.core.rules import read_rules
    from stream.rule_files import read_rule_files

    placed, mistakes = read_rules(read_rule_files(_places(paths, files)))
    if not placed and not mistakes:
        where = " ".join(map(str, _places(paths, files)))
        raise RulesError(f"{where}: holds no rule", "write one: `docs/RULES.md` begins with an example")
    now = time.time()
    found = Check(
        rules=len(placed),
        mistakes=mistakes,
        overlaps=overlaps(placed, _OVERLAPS),
        expired=[one for one in placed if one.rule.ends_at is not None and one.rule.ends_at <= now],
    )
    if events is not None:
        from stream.lab.rule_past import raised_of_log, unmatched_rules

        found.unmatched = [one.placed for one in unmatched_rules(RuleIndex(placed), raised_of_log(events))]
    if as_json:
        print_json(found.as_json())
    else:
        print_check(found)
    if mistakes:
        raise typer.Exit(1)


@app.command()
def explain(
    alert: Annotated[str, typer.Argument(help="The alert's id.")],
    paths: Paths = None,
    files: Files = None,
    events: Events = None,
    model: ModelFolder = None,
    unblind: Annotated[
        bool, typer.Option("--unblind", help="Show it before the outcome is decided; then leave the alert to others.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Print which rules match an alert, which one decides, and what keeps the others from it.

    Of an alert that no rule has paused or closed this is shown once its outcome is decided.
    """
    from stream.cli.rules_output import blind_alert, explain_alert, print_explained
    from stream.lab.rule_past import find_in_log, find_in_topic, is_settled

    index = _index(paths, files)
    if events is not None:
        with stage_bars() as report_progress:
            enriched, settled = find_in_log(alert, events, _model_folder(model), report_progress)
        found = explain_alert(index, enriched) if settled or unblind else blind_alert(enriched)
    else:
        settings = options.settings()
        enriched = find_in_topic(alert, settings)
        if unblind or is_settled(enriched.alert, settings):
            found = explain_alert(index, enriched, rules_live.live_standings())
        else:
            found = blind_alert(enriched)
    if as_json:
        print_json(found)
    else:
        print_explained(found)


@app.command()
def backtest(
    paths: Paths = None,
    files: Files = None,
    events: Events = None,
    model: ModelFolder = None,
    since: Since = None,
    only: Annotated[str | None, typer.Option("--rule", help="Report this rule only.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print what rules would have done in the past, and what people acted on among it."""
    from stream.cli.rules_output import print_backtest

    found, past = _backtest(_index(paths, files), events, model, since)
    if only is not None:
        found.rules = [one for one in found.rules if one.name == only]
    if as_json:
        print_json(found)
    else:
        print_backtest(found, past.note)


@app.command()
def plan(
    paths: Paths = None,
    files: Files = None,
    events: Events = None,
    model: ModelFolder = None,
    since: Since = None,
    as_json: options.AsJson = False,
) -> None:
    """Print days to proof, and to notice a tenfold risk, at each rule's past volume and hold-out."""
    from msgspec import to_builtins

    from stream.cli.rules_output import print_plans
    from stream.lab.rule_backtest import plan as plan_of
    from stream.rule_standing import summary_of

    index = _index(paths, files)
    found, past = _backtest(index, events, model, since)
    floors = {one.rule.name: one.rule.holdout_floor for one in index.rules}
    plans = [plan_of(one, floors[one.name]) for one in found.rules]
    standings = rules_live.live_standings() if events is None else {}
    now = {name: summary_of(name, standings[name]) for name in floors if name in standings}
    if as_json:
        print_json([to_builtins(one) | ({"now": now[one.name]} if one.name in now else {}) for one in plans])
    else:
        print_plans(plans, past.note, now)


for _verb in LIVE:
    app.command()(_verb)


def _places(paths: list[Path] | None, files: list[Path] | None) -> list[Path]:
    from stream.core.errors import RulesError

    places = [*(paths or []), *(files or [])] or options.settings().closer.rules
    if not places:
        raise RulesError("no rules are named", "name a file or folder, or set closer_rules")
    return list(places)


def _index(paths: list[Path] | None, files: list[Path] | None) -> "RuleIndex":
    from stream.core.rule_index import RuleIndex
    from stream.core.rules import parse_rules
    from stream.rule_files import read_rule_files

    return RuleIndex(parse_rules(read_rule_files(_places(paths, files))))


def _backtest(
    index: "RuleIndex", events: Path | None, model: Path | None, since: str | None
) -> "tuple[Backtest, Past]":
    from stream.lab.rule_backtest import backtest as backtest_of

    past = _past(events, model, since)
    return backtest_of(index, past.outcomes, past.problem), past


def _past(events: Path | None, model: Path | None, since: str | None) -> "Past":
    import time

    from stream.core.errors import RulesError
    from stream.core.events import parse_past
    from stream.lab.rule_past import past_of_log, past_of_topic

    if events is None:
        return past_of_topic(options.settings(), parse_past(since or "60d", "--since", time.time()))
    if since is not None:
        raise RulesError("--since is for the topics, and --events names a log", "give one of them")
    with stage_bars() as report_progress:
        return past_of_log(events, _model_folder(model), report_progress)


def _model_folder(model: Path | None) -> Path:
    from stream.core.errors import RulesError

    if model is not None:
        return model
    store = options.settings().models.store
    if "://" in store:
        raise RulesError("no model is named whose scores the log's alerts should have", "give --model FOLDER")
    return Path(store).expanduser()
