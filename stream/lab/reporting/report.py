"""report.html: the whole judgement as one page, the verdict first."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stream.html import Markup, page
from stream.lab.judging.baselines import ALWAYS_NOISE, ALWAYS_NOISE_MEANING
from stream.lab.judging.report_schema import Judgement, ScoreFigures, Shortcut, Teams
from stream.lab.judging.shortcut import LEAST_IN_BIN, LEAST_KNOWN
from stream.lab.reporting import charts
from stream.lab.reporting.formats import FILTERS, is_known, level, name_of, number, percent

TEAMS_SHOWN = 40
_TEMPLATES = Path(__file__).parent / "templates"
_SIMULATED = "SIMULATED: teams, alerts and outcomes are made up"


def write(judgement: Judgement) -> str:
    """The judgement as one self-contained HTML page. Whatever came out of a log is escaped, and steers nothing."""
    body = (
        _environment()
        .get_template("report.html")
        .render(
            f=judgement,
            model=judgement.scores[0] if judgement.scores else None,
            best=best_baseline(judgement),
            charts=charts,
            outcome_words=outcome_words,
            shortcut_answer=shortcut_answer,
            dependence_words=dependence_words,
            ALWAYS_NOISE=ALWAYS_NOISE,
            ALWAYS_NOISE_MEANING=ALWAYS_NOISE_MEANING,
            rest_of=rest_of,
            TEAMS_SHOWN=TEAMS_SHOWN,
        )
    )
    return page(judgement.title, Markup(body), banner=_SIMULATED if judgement.simulated else "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def best_baseline(judgement: Judgement) -> ScoreFigures | None:
    """The baseline that suppresses most noise at the target; None without any."""
    known = [score for score in judgement.scores[1:] if is_known(score.suppressed_target.value)]
    return max(known, key=lambda score: score.suppressed_target.value, default=None)


def outcome_words(judgement: Judgement) -> list[str]:
    """The problem definition in sentences."""
    rule, exclude = judgement.problem.outcome, judgement.problem.exclude.visibility_only
    order = "The first deciding action counts" if rule.decides == "first" else "Any actionable action counts"
    expiry = "noise" if rule.on_expiry == "noise" else "left out as unknown"
    sentences = [
        f"Actionable: {', '.join(rule.actionable)}. Noise: {', '.join(rule.noise) or 'no action by itself'}.",
        f"{order}, within {rule.horizon_hours:g} hours of the raise; an alert without one is {expiry}.",
        f"A late event is waited for {rule.grace_minutes:g} minutes.",
        f"Promoted is a model that keeps at least {level(judgement.target_detection)} of the actionable alerts as its "
        "target and beats " + ", ".join(map(name_of, judgement.problem.target.must_beat)) + ".",
    ]
    if exclude:
        sentences.append(f"For reading only, never judged: alerts of {len(exclude)} pattern{'s' * (len(exclude) > 1)}.")
    return sentences


def shortcut_answer(found: Shortcut) -> str:
    """The sentence on whether the model only repeats the last action."""
    if not found.known:
        return "Not tested: no judged alert had a last outcome of its team and rule."
    if found.known < LEAST_KNOWN:
        few = f"{found.known} judged alerts had a last outcome of their team and rule"
        return f"Not tested: {few}, at least {LEAST_KNOWN} are needed."
    agrees = f"On {percent(found.agreement, 0)} of the alerts with a last outcome it says the same as that outcome."
    expected = found.expected_differs
    if found.auc_differs is None or expected is None:
        few = f"too few alerts ({found.differs_count:,}) came out unlike the last one of their team and rule"
        if found.flagged:
            within = f"among alerts with the same last outcome it ranks at an AUC of {number(found.auc_within)}"
            return f"Too much so: {within}. {few.capitalize()} to tell more. {agrees}"
        return f"Not tested: {few}. {agrees}"
    compared = f"AUC {number(found.auc_differs)}, where its own probabilities would lead one to expect about "
    compared += number(expected.value)
    if found.flagged:
        return f"Too much so. Where the outcome changed it ranks worse than it should: {compared}. {agrees}"
    return f"No. Where the outcome changed it ranks as well as its own probabilities promise: {compared}. {agrees}"


def dependence_words(judgement: Judgement) -> str:
    """How to read the chart of dependence, with what the rate means."""
    shortcut = judgement.shortcut
    of = shortcut.dependence_of if shortcut is not None else ""
    meaning = next((f" ({one.meaning})" for one in judgement.importance or [] if one.feature == of), "")
    return (
        f"the mean score if every judged alert had this {of}{meaning}; below, how many of them have it. A line flatter "
        f"than the dashed diagonal means that other features speak too. Where fewer than {LEAST_IN_BIN} alerts are, "
        "nothing is drawn."
    )


def rest_of(teams: Teams) -> str:
    """How many teams the table leaves out, with how many alerts; empty where it shows them all."""
    rest = teams.teams[TEAMS_SHOWN:]
    return f"and {len(rest):,} more teams with {sum(team.count for team in rest):,} alerts" if rest else ""
