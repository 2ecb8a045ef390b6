"""The audit: what a log holds, and what in it would fool a model, before anything is trained."""

from pathlib import Path
from time import time

import msgspec

from stream.core.errors import LabError
from stream.core.kinds import MUTED, REOPENED, RESERVED
from stream.core.problem import Problem
from stream.eventlog import read_log
from stream.extras import AUDITING, require_lab
from stream.files import AnyPath
from stream.lab.auditing import sections
from stream.lab.auditing.biases import Actors, biases, episodes
from stream.lab.auditing.floods import floods
from stream.lab.auditing.result import Audit, Finding
from stream.lab.auditing.sentences import findings
from stream.lab.log_checks import no_judging_fault
from stream.lab.replaying import Replayed, replay
from stream.lab.split import judgeable, split_at_share
from stream.progress import Progress, no_progress

OWN_KINDS = RESERVED | {REOPENED, MUTED}


def audit(log: AnyPath, problem: Problem, split: float = 0.6, progress: Progress = no_progress) -> Audit:
    """Fold a log and look at it; see `audit_log`."""
    return audit_log(Path(log), problem, split, progress)[1]


def audit_log(
    log: Path, problem: Problem, split: float = 0.6, progress: Progress = no_progress
) -> tuple[Replayed, Audit]:
    """The log's replay, and what an audit finds in it.

    Raises:
        LogError: the log can't be read.
        LabError: the split is no share.
    """
    if not 0.0 < split < 1.0:
        raise LabError(f"split={split}: give a share between 0 and 1")
    require_lab("the audit needs", *AUDITING, error=LabError)
    actors = Actors()
    replayed = replay(actors.watch(read_log(log, problem.outcome.grace_minutes * 60.0, progress)), problem)
    progress("auditing", 0.0)
    found = audit_replayed(replayed, split, actors, time())
    progress("auditing", 1.0)
    return replayed, found


def audit_replayed(
    replayed: Replayed, split: float = 0.6, actors: Actors | None = None, now: float | None = None
) -> Audit:
    """The same on a replay; a log that can't be split or judged is a finding. For `actors` and `now` see `biases`."""
    cut = split_at_share(replayed, split) if len(replayed.at) >= 2 else None
    found = Audit(
        problem=replayed.problem.id,
        simulated=any(alert.labels.get("simulated") == "true" for alert in replayed.alerts),
        volumes=sections.volumes(replayed),
        weeks=sections.by_week(replayed),
        teams=sections.by_team(replayed),
        rules=sections.by_rule(replayed),
        floods=floods(replayed),
        refires=sections.refires(replayed, cut),
        delays=sections.delays(replayed),
        undecided=sections.undecided(replayed, cut),
        people=sections.people(replayed),
        names=sections.names(replayed, OWN_KINDS),
        tests=None if cut is None else sections.tests(replayed, cut),
        proposals=[] if cut is None else sections.proposals(replayed, cut),
        rules_tested=0 if cut is None else sections.rules_tested(replayed, cut),
        findings=[],
        orphans=replayed.orphans,
        unknown_fields=dict(replayed.unknown_fields),
        agents=dict(replayed.agents),
        episodes=episodes(replayed),
    )
    sentences = [*findings(found, replayed.problem), *biases(replayed, actors, now)]
    if cut is not None and not judgeable(replayed, cut).any():
        sentences.append(Finding("horizon", f"{no_judging_fault(replayed, cut)}.", True))
    return msgspec.structs.replace(found, findings=sentences)
