"""retrain.md: what a retraining learnt from, how the new model did beside the champion, what changed, what next."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from stream.console import strip_control_characters, strip_lines
from stream.lab.judging.compare_live import Comparison
from stream.lab.judging.compare_versions import VersionComparison
from stream.lab.judging.report_schema import Interval
from stream.lab.reporting.formats import count, day, moment, number, percent, signed, weights_words
from stream.models.manifest import LabelWeights, Metrics

Verdict = Literal["challenger", "first", "refused", "there_already"]
REFUSED: Verdict = "refused"
NOT_TESTED = "not tested: "  # begins a fault of the gate that is none of the model's
SHOWN = 6  # of a list
_Format = Callable[[float | None], str]


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The log and what was learnt from it; `since` where it was cut, `weights` where rules held alerts out."""

    events: int
    alerts: int
    first_raise: datetime
    split_at: datetime
    ended_at: datetime
    since: datetime | None
    used: int
    purged: int
    excluded: int
    label_rate: float
    weights: LabelWeights | None = None


class RetrainResult(Struct, frozen=True, kw_only=True):
    """The result of one retraining.

    Attributes:
        verdict: the new version is challenger; the first, so that nothing is pointed at it; refused; or was there
            already.
        faults: why it should not be challenger; `forced` is the reason why it is all the same.
        champion: of most teams; `other_champions` serve some.
        replaced: who was challenger, with what both models made of the same live alerts in `live_comparison`.
        promoted: who became champion before the training, and `not_promoted` why the challenger did not.
        moved: the new version beside the champion; `unjudged` why there is none.
        to_sign: workers take signed versions only.
    """

    version: str
    created: datetime
    problem: str
    question: str
    simulated: bool
    verdict: Verdict = field(name="standing")
    faults: list[str]
    forced: str | None
    champion: str | None
    other_champions: list[str]
    replaced: str | None
    live_comparison: Comparison | None = field(name="evidence")
    promoted: str | None
    not_promoted: str | None
    data: Data
    warnings: list[str]
    metrics: Metrics | None
    moved: VersionComparison | None
    unjudged: str | None
    to_sign: bool

    @property
    def status(self) -> int:
        """The command's exit status: 2 where the new version is not what it was trained to be."""
        return 2 if self.faults and self.forced is None else 0


def write(found: RetrainResult) -> str:
    """The page as Markdown."""
    sections = [
        f"# Retrained: {found.version}",
        _verdict(found),
        _section("The log", _data(found.data)),
        _section(f"The audit warns ({len(found.warnings)})", _warnings(found.warnings)),
        _section("The gate", _gate(found)),
        _section("Beside the champion", _beside(found)),
        _section("The challenger until now", _live(found)),
        _section("What moved", _moved(found.moved)),
        _section("What next", _next(found)),
    ]
    return strip_lines("\n\n".join(section for section in sections if section)) + "\n"


def _verdict(found: RetrainResult) -> str:
    text = {
        "challenger": f"It is the challenger of {found.champion}: it scores every alert in shadow, nobody is told yet.",
        "first": "There is no champion yet: it serves nobody until it is promoted." + _though(found),
        "refused": "It is kept in the store, but it is **not** the challenger: " + "; ".join(found.faults) + ".",
        "there_already": "The store's pointers name this very version already: the log taught nothing new.",
    }[found.verdict]
    if found.forced is not None:
        text += f" That was forced ({found.forced}), although: {'; '.join(found.faults)}."
    simulated = " **SIMULATED data.**" if found.simulated else ""
    return f"{strip_control_characters(found.question)} ({found.problem}, {moment(found.created)}){simulated}\n\n{text}"


def _though(found: RetrainResult) -> str:
    return f" It should not be: {'; '.join(found.faults)}." if found.faults and found.forced is None else ""


def _data(data: Data) -> str:
    lines = [
        f"- {count(data.events)} events, {count(data.alerts)} alerts, {day(data.first_raise)} to {day(data.ended_at)}",
        f"- learnt from {count(data.used)} alerts raised before {moment(data.split_at)}, "
        f"{percent(data.label_rate)} of them acted on",
        f"- not learnt from: {count(data.purged)} undecided at that time, {count(data.excluded)} visibility-only or in "
        "a flood",
    ]
    if data.weights is not None:
        lines.append(f"- weights: {weights_words(data.weights)}")
    if data.since is not None:
        lines.append(
            f"- the log was cut at {moment(data.since)}: counts that never decay are smaller here than in a scorer's "
            "history, which began earlier"
        )
    return "\n".join(lines)


def _warnings(warnings: Sequence[str]) -> str:
    return _some([f"- {strip_control_characters(text)}" for text in warnings], "more; see `noisegate lab audit`")


def _gate(found: RetrainResult) -> str:
    faults = [fault.removeprefix("gate: ") for fault in found.faults if fault.startswith("gate: ")]
    untested = [fault for fault in faults if fault.startswith(NOT_TESTED)]
    failed = len(faults) - len(untested)
    faulty = [f"Failed on {failed} of its conditions"] if failed else []
    faulty += [f"{len(untested)} could not be tested"] if untested else []
    lines = [f"{', '.join(faulty)}:", ""] if faulty else ["Passed."]
    lines += [f"- {strip_control_characters(fault)}" for fault in faults]
    if found.metrics is not None:
        of, kept = found.metrics.model, percent(found.metrics.target_detection, 0)
        lines += [
            "",
            f"On {count(found.metrics.judged)} alerts after the split: AUC {number(of.auc)}, calibration error "
            f"{number(of.ece)}, {percent(of.suppressed_at)} of the noise suppressed at {kept} detection.",
        ]
    return "\n".join(lines)


def _beside(found: RetrainResult) -> str:
    if found.unjudged is not None:
        return f"The champion can't be judged on this log: {strip_control_characters(found.unjudged)}"
    if found.moved is None:
        return ""
    auc = found.moved.auc
    extra = [f"| AUC | {number(auc.before)} | {number(auc.after)} | {signed(auc.after - auc.before)} | |"]
    text = _compared(found.moved.comparison, "champion", "new", extra)
    if found.other_champions:
        text += f"\n\nSome teams are served by {', '.join(found.other_champions)}; they are not compared here."
    return text


def _live(found: RetrainResult) -> str:
    lines = []
    if found.promoted is not None:
        lines.append(f"{found.promoted} was promoted before this training: `retrain_promotes` is set.")
    elif found.replaced is not None and found.verdict == "challenger":
        lines.append(f"{found.replaced} was the challenger; this version takes its place.")
    elif found.replaced is not None:
        lines.append(f"{found.replaced} stays the challenger.")
    if found.not_promoted is not None:
        lines.append(f"It was not promoted: {found.not_promoted}.")
    of = found.live_comparison
    if of is None:
        return "\n".join(lines)
    lines.append(f"Live it scored {count(of.matured)} matured alerts with the champion, {count(of.needed)} are needed.")
    if found.promoted is None and found.verdict == "challenger" and of.matured < of.needed:
        lines.append("It was replaced before it could be judged: retrain less often, or lower target.min_outcomes.")
    table = _compared(of, "champion", "challenger", []) if of.matured else ""
    return "\n".join(lines) + (f"\n\n{table}" if table else "")


def _weighed(of: Comparison) -> str:
    """That held-out alerts were weighed, and how much the compared ones tell."""
    size = of.effective
    return f"; held-out alerts weigh 1/(1 - p_act), effective sample size {size:,.0f}" if size else ""


def _compared(of: Comparison, first: str, second: str, extra: Sequence[str]) -> str:
    rows = [
        _row("Brier score (less is better)", of, "brier", _brier, _brier_moved),
        _row("detection at its own likely_noise edge", of, "detection", percent, _points),
        _row("noise below that edge", of, "suppressed", percent, _points),
    ]
    head = [
        f"{count(of.matured)} matured alerts of {of.days} days, {percent(of.label_rate)} acted on; intervals by "
        f"{of.blocks}{_weighed(of)}.",
        "",
        f"| | {first} {of.champion} | {second} {of.challenger} | difference | 95 % interval |",
        "|---|---:|---:|---:|---:|",
    ]
    return "\n".join([*head, *rows, *extra, "", _worse(of)])


def _worse(of: Comparison) -> str:
    """In what the second is surely worse, and what of it could not be tested."""
    sentences = [f"Surely worse: {'; '.join(of.worse)}."] if of.worse else []
    if of.not_tested:
        sentences.append(f"Not tested: {'; '.join(of.not_tested)}.")
    tested = [name for name in ("Brier", "detection") if not any(text.startswith(name) for text in of.not_tested)]
    if tested and not of.worse:
        sentences.append(
            f"Surely worse in neither {' nor '.join(tested)}."
            if len(tested) > 1
            else f"Not surely worse in {tested[0]}."
        )
    return " ".join(sentences)


def _row(title: str, of: Comparison, name: str, form: _Format, differ: _Format) -> str:
    moved: Interval | None = getattr(of, name)
    values = [form(getattr(kept, name)) for kept in (of.of_champion, of.of_challenger)]
    wide = "–" if moved is None or moved.low is None else f"{differ(moved.low)} to {differ(moved.high)}"
    return f"| {title} | {values[0]} | {values[1]} | {differ(None if moved is None else moved.value)} | {wide} |"


def _moved(moved: VersionComparison | None) -> str:
    if moved is None:
        return ""
    drifted = [f"{one.feature} (PSI {one.psi:.2f}, rings above {one.threshold:.2f})" for one in moved.drift]
    tested = moved.watched - moved.untested
    data = f"{len(moved.drift)} of {tested} watched features drifted" + (f": {_names(drifted)}" if drifted else "")
    if moved.untested:
        few = f"{moved.untested} features could not be tested, with {count(moved.alerts)} alerts after the split"
        data = f"{data}; {few}" if tested else few
    lines = [f"- the data, since the champion was made: {data}"]
    if moved.importance is None:
        lines.append("- what the trees lean on: the champion's report does not tell")
    else:
        shifts = [f"{one.name} {percent(one.before)} → {percent(one.after)}" for one in moved.importance]
        lines.append(f"- what the trees lean on (share of the gain): {_names(shifts) or 'the same'}")
    edges = [f"{one.name} {one.before:.3g} → {one.after:.3g}" for one in moved.thresholds]
    lines.append(f"- thresholds: {_names(edges) or 'the same'}")
    teams = [f"{one.team} {one.before} → {one.after} ({count(one.alerts)} alerts)" for one in moved.verdicts]
    lines.append(f"- teams whose verdict changed, on the same alerts: {_names(teams) or 'none'}")
    if moved.newly_unreadable:
        lines.append(f'- told "not enough history" from now on: {_names(moved.newly_unreadable)}')
    if moved.readable_again:
        lines.append(f'- no longer told "not enough history": {_names(moved.readable_again)}')
    return "\n".join(lines)


def _next(found: RetrainResult) -> str:
    promote = f"`noisegate models promote {found.version}`"
    sign = (
        f" Workers take signed versions only: first `noisegate models sign {found.version}`." if found.to_sign else ""
    )
    if found.verdict == "there_already":
        return "Nothing to do."
    if found.verdict == "refused":
        return (
            f"Read its `report.html`; the mend is in the data or the problem file. To see it in shadow all the same: "
            f'`noisegate models challenge {found.version}`, or retrain with `--force "reason"`.'
        )
    if found.verdict == "first":
        forced = ' (with `--force "reason"`, as it did not pass the gate)' if found.faults else ""
        return f"Read its `report.html`, then {promote}{forced}: a first version needs no evidence from serving.{sign}"
    return (
        f"When it has scored as many alerts as `target.min_outcomes` asks for and their time has passed: {promote}, "
        f"which refuses it where it is surely worse; `noisegate models rollback` undoes that.{sign}"
    )


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _some(lines: Sequence[str], more: str) -> str:
    rest = len(lines) - SHOWN
    return "\n".join([*lines[:SHOWN], *([f"- and {rest} {more}"] if rest > 0 else [])])


def _names(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(map(strip_control_characters, names[:SHOWN])) + (f", and {rest} more" if rest > 0 else "")


def _brier(value: float | None) -> str:
    return number(value, 4)


def _brier_moved(value: float | None) -> str:
    return signed(value, 4)


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1%}"
