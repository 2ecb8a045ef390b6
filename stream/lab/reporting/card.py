"""card.md, the model card: what a model is for, what it was made from, how good it was and to whom, where it ends."""

from stream.console import strip_lines
from stream.core.problem import Exclusion
from stream.lab.judging.baselines import ALWAYS_NOISE, ALWAYS_NOISE_MEANING, title_of
from stream.lab.judging.metrics import MODEL
from stream.lab.judging.report_schema import Judgement
from stream.lab.reporting.card_judgement import intervals, limits, teams_section
from stream.lab.reporting.formats import weights_words
from stream.models.manifest import Figures, Manifest, Metrics

_DAY = "%Y-%m-%d %H:%M"
_PATTERNS = 20
_SIMULATED = """
**SIMULATED.** The alerts, teams and actions of the log are made up, and so is every figure below. This model is for
trying noisegate out; train one on your own log before you believe a score.
"""
_LIMITS = """## Known limits
{found}
- It knows the time it was trained in. When teams change their ways its calibration goes first; train again.
- The best signal is a team's own recent history: a team or rule never seen starts at the rates of those around it.
- Teams that act at random can't be predicted by anybody. The score then stays near their rate, and `evidence` does not
  say so.
- An outcome is what the problem definition counts as one. Who acts without telling any system made noise here."""


def write(manifest: Manifest, judgement: Judgement | None = None) -> str:
    """card.md as text; with judgement also intervals, how it does between teams, and the limits that were found."""
    parts = [
        _head(manifest),
        _data(manifest),
        _exclusions(manifest),
        _figures(manifest),
        intervals(judgement) if judgement is not None else "",
        teams_section(judgement) if judgement is not None else "",
        _bands(manifest),
        _checks(manifest),
        _LIMITS.format(found=_found_limits(manifest, judgement)),
        _made(manifest),
    ]
    return strip_lines("\n\n".join(part for part in parts if part)) + "\n"


def _head(manifest: Manifest) -> str:
    problem = manifest.problem
    return f"""# Model {manifest.version}

> {problem.question}
{_SIMULATED if manifest.training.simulated else ""}
## Intended use

For each alert the probability that its owning team will act on it, by the problem definition
`{problem.name}@{problem.digest}`. Meant for sorting, for reading beside the alert, and for closing alerts only through
rules that ask for evidence of their own. Not meant to judge teams or people, to page anybody by itself, or for alerts
of another organisation than the log's."""


def _data(manifest: Manifest) -> str:
    made = manifest.training
    weighed = f"\n- weights: {weights_words(made.weights)}" if made.weights is not None else ""
    return f"""## Data

- log: {made.events:,} events; window of training from the first raise at {made.first_raise:{_DAY}} UTC to the last at
  {made.last_raise:{_DAY}} UTC
- split: at {made.split_at:{_DAY}} UTC, after {made.split:.0%} of the alerts
- learnt from: {made.used:,} alerts, {made.label_rate:.1%} of them acted on{weighed}
- not learnt from: {made.purged:,} that were not decided at the split, {made.excluded:,} visibility-only or in a flood
- priors of: {", ".join(manifest.priors.tables)}
- history labels: {", ".join(manifest.labels) or "none"}"""


def _exclusions(manifest: Manifest) -> str:
    """What is scored live, but was neither learnt from nor judged."""
    problem = manifest.problem.definition
    patterns = [f"- visibility only: {_pattern(one)}" for one in problem.exclude.visibility_only[:_PATTERNS]]
    more = len(problem.exclude.visibility_only) - _PATTERNS
    if more > 0:
        patterns.append(f"- and {more:,} patterns more, see the problem file")
    floods = (
        f"- floods: a team's rule with more than {problem.flood.per_day:g} alerts a day and {problem.flood.factor:g}"
    )
    lines = [*patterns, f"{floods} times its usual rate"]
    if problem.exclude.flood_days:
        lines.append(
            f"- {len(problem.exclude.flood_days):,} days of a team's rule that the problem file names as floods"
        )
    head = "Scored live, but neither learnt from nor judged:"
    return f"## Exclusions\n\n{head}\n\n" + "\n".join(lines)


def _pattern(exclusion: Exclusion) -> str:
    fields = ("team", "rule", "entity", "severity", "source")
    parts = [f"{name} `{getattr(exclusion, name)}`" for name in fields if getattr(exclusion, name) is not None]
    return ", ".join(parts + [f"label {key} `{value}`" for key, value in exclusion.labels.items()]) or "every alert"


def _figures(manifest: Manifest) -> str:
    metrics = manifest.metrics
    if metrics is None:
        return "## Figures\n\nNot judged: there was no test part."
    kept = f"{metrics.target_detection:.0%}"
    weighed = f"\n\nWeights: {weights_words(metrics.weights)}." if metrics.weights is not None else ""
    meaning = f"\n\n{ALWAYS_NOISE_MEANING}" if ALWAYS_NOISE in metrics.baselines else ""
    return f"""## Figures

Judged once, on {metrics.judged:,} alerts after the split, of which {metrics.label_rate:.1%} were acted on. Each
baseline knows only what was known at the raise. Not judged: visibility-only and flood alerts, and those whose horizon
had not passed when the log ended.{weighed}{meaning}

{_table(metrics, kept)}

"Suppressed at {kept}" is a ranking figure: the noise below the highest threshold that keeps {kept} of the actionable on
the test part itself. The last two columns are what a threshold fixed before really kept and suppressed: the highest
that kept {kept} on the end of the training window."""


def _table(metrics: Metrics, kept: str) -> str:
    head = f"| score | AUC | ECE | Brier | log loss | suppressed at {kept} | detection | suppressed |\n"
    line = "|---|---|---|---|---|---|---|---|\n"
    rows = {MODEL: metrics.model, **metrics.baselines}
    return head + line + "\n".join(_row(name, figures) for name, figures in rows.items())


def _row(name: str, of: Figures) -> str:
    values = (of.auc, of.ece, of.brier, of.log_loss, of.suppressed_at, of.detection, of.suppressed)
    return f"| {title_of(name)} | " + " | ".join(f"{value:.3f}" for value in values) + " |"


def _found_limits(manifest: Manifest, judgement: Judgement | None) -> str:
    """The limits of this model as list items; those of every model follow."""
    if judgement is not None:
        found = limits(judgement)
    elif manifest.gate is not None:
        found = [f"The gate: {text}." for text in manifest.gate.faults]
    else:
        found = ["It was not judged: nobody knows how good it is."]
    return "".join(f"\n- {line}" for line in found)


def _bands(manifest: Manifest) -> str:
    at, how, target = manifest.thresholds, manifest.calibration, manifest.problem.definition.target
    calibrated = "none; no other gained anything on later data, or there was too little of it"
    if how.kind == "platt":
        calibrated = f"Platt's sigmoid (a = {how.a:.3f}, b = {how.b:.3f}), inside the ONNX graph"
    elif how.kind == "isotonic":
        calibrated = f"isotonic, lines through {len(how.x)} points, inside the ONNX graph"
    return f"""## Bands

- likely_noise: below {at.likely_noise:.3f}, the highest threshold that kept {target.detection:.0%} of the actionable
  on the end of the training window, 0.5 at most
- likely_actionable: from {at.likely_actionable:.3f}; unsure: between the two
- evidence, by outcomes known at a half-life of 30 d: strong from {at.strong:g} of team and rule, some from {at.some:g},
  weak from {at.weak:g} of the team, else none
- calibration: {calibrated}"""


def _checks(manifest: Manifest) -> str:
    """The cross-validation and the canaries; nothing where the manifest has neither."""
    folds, canaries = manifest.training.folds, manifest.training.canaries
    parts = []
    if folds:
        rows = "\n".join(
            f"| {fold.start:{_DAY}} | {fold.learnt:,} | {fold.judged:,} | {fold.auc:.3f} | {fold.log_loss:.3f} "
            f"| {fold.rounds} |"
            for fold in folds
        )
        parts.append(f"""## Cross-validation

Within the training window, in order of time: each fold learnt from what was known at its start, and was judged on what
followed. The number of rounds is the fold's own best, so its log loss is a little too good.

| start (UTC) | learnt from | judged | AUC | log loss | rounds |
|---|---|---|---|---|---|
{rows}""")
    if canaries:
        untested = manifest.training.untested_canaries
        lines = "\n".join(
            f"- {name}: {'not tested: ' if name in untested else ''}{text}" for name, text in canaries.items()
        )
        passed = len(canaries) - len(untested)
        result = f"{passed} passed, {len(untested)} were not tested" if untested else "all passed"
        parts.append(f"## Canaries\n\nChecked before anything was learnt; {result}.\n\n{lines}")
    return "\n\n".join(parts)


def _made(manifest: Manifest) -> str:
    made = manifest.training
    params = "\n".join(f"    {name} = {value}" for name, value in made.params.items())
    held = made.options.get("monotone", True)
    monotone = "; a higher rate never lowers the score (monotone)" if held else ""
    learner = made.params.get("estimator", made.params.get("adopted"))
    how = f"`{learner}` on {len(manifest.features)} features"
    if learner is None:
        how = (
            f"LightGBM on {len(manifest.features)} features, {made.rounds} rounds, found on the end\n"
            f"of the training window{monotone}"
        )
    return f"""## How it was made

    {made.command}

At {manifest.created:{_DAY}} UTC. {how}. Parameters:

{params}{_options(manifest)}"""


def _options(manifest: Manifest) -> str:
    options = manifest.training.options
    lines = "\n".join(f"    {name} = {value}" for name, value in options.items())
    return f"\n\nOptions:\n\n{lines}" if options else ""
