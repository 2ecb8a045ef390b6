"""What an audit found, in sentences with numbers."""

from collections.abc import Iterator

from stream.core.problem import Problem
from stream.lab.auditing import sections
from stream.lab.auditing.floods import LEAST_COUNT, LEAST_DAYS
from stream.lab.auditing.result import Audit, Finding
from stream.lab.judging.baselines import title_of
from stream.lab.log_checks import LEAST_ALERTS, LEAST_OF_A_CLASS
from stream.lab.log_warnings import fields_sentence, orphan_sentence

TRIVIAL_AUC = 0.95
LEAST = 20  # alerts or actions, for a share of them to be given
LEAST_SIDE = 100  # alerts on either side of the split, for their shares acted on to be called different
MUCH = 0.05  # a share that is worth a warning
_SHIFT = 0.05  # of the share acted on, from one side of the split to the other
_SHOWN = 5


def findings(audit: Audit, problem: Problem) -> list[Finding]:
    """Every finding, in the order of reading."""
    found = [
        *_enough(audit, problem),
        *_people(audit),
        *_names(audit),
        *_unused(audit, problem),
        *_sides(audit),
        *_trivial(audit),
    ]
    found += [*_labels(audit, problem), *_refires(audit, problem), *_floods(audit, problem), *_proposals(audit)]
    return found


def _enough(audit: Audit, problem: Problem) -> Iterator[Finding]:
    of = audit.volumes
    span, due = of.days * 24, problem.due_seconds / 3600
    yield Finding(
        "volume",
        f"{of.events:,} events hold {of.alerts:,} alerts of {of.teams:,} teams and {of.rules:,} rules in "
        f"{of.days:.1f} days ({of.raise_days:.1f} from the first raise to the last); {of.excluded:,} are excluded by "
        "the problem file.",
    )
    if not of.alerts:
        yield Finding("volume", "0 alerts: the log holds no raised event, so nothing can be learnt from it.", True)
        return
    if of.teams == 1:
        yield Finding("volume", "All alerts are of 1 team: nothing says how a model does on another team.", True)
    if span < due:
        yield Finding(
            "horizon",
            f"The log spans {span:.1f} h, less than the horizon and grace of {due:.1f} h: no expiry is known in it; "
            "take a longer log, or a shorter outcome.horizon_hours.",
            True,
        )
    if not audit.delays.by_action:
        yield Finding("actions", "0 mature alerts were decided by an action: every outcome is an expiry or open.", True)


def _people(audit: Audit) -> Iterator[Finding]:
    found = audit.people
    if found is None or not audit.volumes.alerts:
        return
    if found.days is None:
        yield Finding("people", "0 acts are by a person: there is nothing to learn.", True)
        return
    if found.days > sections.PEOPLE_DAYS and found.raised:
        yield Finding(
            "people",
            f"No act by a person in {sections.PEOPLE_DAYS:g} days: there is nothing to learn from the log's end. The "
            f"last one is {found.days:.0f} days before it; {found.raised:,} alerts were raised in its last "
            f"{sections.PEOPLE_DAYS:g} days.",
            True,
        )
    if found.silent:
        yield Finding(
            "people",
            f"Of {len(found.silent):,} of {found.large:,} teams with {sections.LARGE_TEAM} alerts or more there is no "
            f"act by a person, so nothing is learnt of what they do: {_listed(found.silent)}.",
            True,
        )


def _names(audit: Audit) -> Iterator[Finding]:
    names = audit.names
    if names.unlisted:
        total = sum(names.unlisted.values())
        listed = _listed([f"{kind} ({count:,})" for kind, count in names.unlisted.items()])
        yield Finding(
            "kinds", f"{total:,} actions are of kinds in neither list, so they decide nothing: {listed}.", True
        )
    if names.missing_kinds:
        yield Finding(
            "kinds", f"{len(names.missing_kinds)} listed kinds never occur: {_listed(names.missing_kinds)}.", True
        )
    if names.missing_labels:
        count = len(names.missing_labels)
        yield Finding("labels", f"{count} history labels never occur: {_listed(names.missing_labels)}.", True)


def _unused(audit: Audit, problem: Problem) -> Iterator[Finding]:
    if sentence := orphan_sentence(audit.orphans, problem):
        yield Finding("ledger", sentence, True)
    if audit.orphans.never:
        yield Finding(
            "ledger",
            f"{audit.orphans.never:,} actions are of alerts that the log had not raised within the grace of "
            f"{problem.outcome.grace_minutes:g} minutes: on Kafka each of them goes to alerts.failed as unknown_alert.",
            True,
        )
    if sentence := fields_sentence(audit.unknown_fields):
        yield Finding("fields", sentence, True)


def _sides(audit: Audit) -> Iterator[Finding]:
    tests = audit.tests
    if tests is None:
        yield Finding("split", f"{audit.volumes.alerts} alerts can't be split; at least 2 are needed.", True)
        return
    before, after = tests.trainable_rate, tests.judged_rate
    yield Finding(
        "split",
        f"The split is at {tests.split_at:%Y-%m-%d %H:%M}: {tests.trainable:,} alerts to learn from "
        f"({_percent(before, tests.trainable)} acted on), {tests.judged:,} to judge by "
        f"({_percent(after, tests.judged)}).",
        before is not None
        and after is not None
        and min(tests.trainable, tests.judged) >= LEAST_SIDE
        and abs(before - after) > _SHIFT,
    )
    for part, count, rate in (("learn from", tests.trainable, before), ("judge by", tests.judged, after)):
        if rate in (0.0, 1.0):
            only = "noise" if rate == 0.0 else "actionable"
            yield Finding("split", f"All {count:,} alerts to {part} are {only}: one class teaches nothing.", True)
    rare = round(min(before, 1.0 - before) * tests.trainable) if before is not None else 0
    if tests.trainable < LEAST_ALERTS or rare < LEAST_OF_A_CLASS:
        yield Finding(
            "split",
            f"{tests.trainable:,} alerts to learn from, {rare:,} of the rarer class, are too few: training needs "
            f"{LEAST_ALERTS} and {LEAST_OF_A_CLASS}.",
            True,
        )


def _trivial(audit: Audit) -> Iterator[Finding]:
    tests = audit.tests
    if tests is None or tests.always_noise_accuracy is None:
        return
    if tests.judged < LEAST:
        text = f"Whether the target is trivial was not tested: {tests.judged:,} alerts to judge by, {LEAST} are needed."
        yield Finding("target", text)
        return
    accuracy = tests.always_noise_accuracy
    trivial = accuracy >= tests.target_detection
    yield Finding(
        "target",
        f"Always saying noise is right for {accuracy:.1%} of the {tests.judged:,} alerts judged"
        + (
            f": the target is trivial by accuracy (the problem asks for a detection of {tests.target_detection:.0%}), "
            "so only AUC and what is suppressed can tell a model from nothing."
            if trivial
            else f", below the target detection of {tests.target_detection:.0%}: the target is not trivial."
        ),
        trivial,
    )
    ranked = [(score.auc, score) for score in tests.baselines if score.auc is not None]
    if not ranked:
        return
    best, score = max(ranked, key=lambda pair: pair[0])
    suppressed = "-" if score.suppressed is None else f"{score.suppressed:.1%}"
    yield Finding(
        "target",
        f"The best baseline is {title_of(score.name)}: AUC {best:.3f}, {suppressed} of the noise suppressed at "
        f"{tests.target_detection:.0%} detection"
        + (f"; above {TRIVIAL_AUC} the target is trivial, a table answers it." if best > TRIVIAL_AUC else "."),
        best > TRIVIAL_AUC,
    )


def _labels(audit: Audit, problem: Problem) -> Iterator[Finding]:
    delays, lost = audit.delays, audit.undecided
    total = delays.by_action + delays.by_expiry
    if 0 < delays.by_action < LEAST:
        text = f"How soon an action decides was not tested: {delays.by_action:,} alerts were, {LEAST} are needed."
        yield Finding("delay", text)
    elif delays.by_action:
        yield Finding(
            "delay",
            f"Where an action decides, half do within {_minutes(delays.minutes['50%'])} and 90% within "
            f"{_minutes(delays.minutes['90%'])}; {delays.by_expiry / total:.1%} of the labels are expiries.",
        )
    if delays.by_action >= LEAST and delays.at_once > MUCH * delays.by_action:
        yield Finding(
            "delay",
            f"{delays.at_once:,} of {delays.by_action:,} actions come within a second of the raise: an outcome may "
            "stand in the raise itself, or its time may not be when it became known.",
            True,
        )
    if lost.unknown or lost.open or lost.young:
        yield Finding(
            "undecided",
            f"{lost.unknown + lost.open:,} of {audit.volumes.alerts:,} alerts give no label: {lost.unknown:,} unknown, "
            f"{lost.open:,} open when the log ends; {lost.young:,} after the split are too young to judge.",
            audit.volumes.alerts >= LEAST and lost.unknown + lost.open > MUCH * audit.volumes.alerts,
        )
    if lost.purged:
        hours = problem.outcome.horizon_hours
        yield Finding("undecided", f"{lost.purged:,} alerts are purged: decided after the split ({hours:g} h horizon).")


def _refires(audit: Audit, problem: Problem) -> Iterator[Finding]:
    refires, hours = audit.refires, problem.outcome.horizon_hours
    if refires.refires:
        enough = audit.volumes.alerts >= LEAST
        share = f" ({refires.refires / audit.volumes.alerts:.1%})" if enough else ""
        same = f"; {refires.same / refires.paired:.1%} end as the one before" if refires.paired >= LEAST else ""
        yield Finding(
            "re-fires",
            f"{refires.refires:,} alerts{share} follow one of the same team, rule and entity within {hours:g} h{same}.",
            enough and refires.refires > MUCH * audit.volumes.alerts,
        )
    if refires.like_before:
        enough, part = refires.after >= LEAST, refires.across / refires.after
        share = f" ({part:.2%})" if enough else ""
        yield Finding(
            "re-fires",
            f"{refires.across:,} of {refires.after:,} alerts after the split{share} re-fire across it: their "
            f"like came before it, at most {hours:g} h earlier; {refires.like_before:,} had their like raised within "
            f"{hours:g} h before the split.",
            enough and part > MUCH,
        )
    if refires.repeated:
        yield Finding("re-fires", f"{refires.repeated:,} raises repeat an alert already known and count once.")


def _floods(audit: Audit, problem: Problem) -> Iterator[Finding]:
    floods, rule = audit.floods, problem.flood
    if floods.untested:
        yield Finding(
            "floods",
            f"Not tested for flood days: {floods.untested:,} pairs of team and rule with {LEAST_COUNT} alerts or more, "
            f"for the log has fewer than {LEAST_DAYS} days of them; {floods.tested:,} pairs were tested.",
        )
    if not floods.days:
        flagged = f"the fold flagged {floods.flagged_in_all:,} alerts as in a flood."
        if floods.tested or not floods.untested:
            yield Finding("floods", f"0 flood days; {flagged}")
        else:
            yield Finding("floods", flagged[0].upper() + flagged[1:])
        return
    worst = floods.days[0]
    yield Finding(
        "floods",
        f"{len(floods.days):,} flood days with {floods.alerts:,} alerts; the worst is {worst.day} with {worst.count:,} "
        f"of {worst.rule!r} for {worst.team!r}, usually {worst.usual:g} a day (robust z {worst.z:.0f}).",
        True,
    )
    share = floods.flagged / floods.alerts
    if share == 1.0:
        return
    yield Finding(
        "floods",
        f"The live fold keeps floods out of figures and training by itself: it flagged {floods.flagged:,} of these "
        f"{floods.alerts:,} alerts ({share:.0%}), at over {rule.per_day:g} a day and {rule.factor:g} times the usual; "
        "the others count unless the days are named in exclude.flood_days (--write), or [flood] limits are lowered.",
        share < 0.5,
    )


def _proposals(audit: Audit) -> Iterator[Finding]:
    for proposal in audit.proposals:
        yield Finding(
            "visibility-only",
            f"Rule {proposal.rule!r} looks visibility-only: {proposal.actionable:,} of {proposal.known:,} alerts "
            f"known at the split were acted on (at most {proposal.upper:.2%}, 95 %), {proposal.closed_by_hand:,} were "
            "closed by an action; exclude it only if nobody is meant to act on it.",
            True,
        )
    if not audit.rules_tested:
        yield Finding(
            "visibility-only",
            f"Which rules look visibility-only was not tested: none of {audit.volumes.rules:,} has "
            f"{sections.LEAST_KNOWN} outcomes known at the split.",
        )
    elif not audit.proposals:
        yield Finding(
            "visibility-only",
            f"0 rules look visibility-only: none of the {audit.rules_tested:,} with at least {sections.LEAST_KNOWN} "
            f"outcomes known at the split is surely acted on less than {sections.SMALL_SHARE:.0%} of the time.",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _percent(share: float | None, of: int) -> str:
    if share is None:
        return "none"
    return f"{share:.1%}" if of >= LEAST else "too few for a share"


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
