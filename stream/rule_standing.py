"""A rule's standing for people: what it may do now and why, in sentences, and the command that takes it further.

Pure but for its types: the command line and the page show the same words.
"""

from collections.abc import Mapping

from msgspec import Struct

from stream.core.events import moment, words_for
from stream.core.observations import HOUR
from stream.core.problem import DAY_SECONDS
from stream.core.proof import PAUSE_DAYS, alpha_of, more_needed
from stream.core.records import Mode, ProofState
from stream.core.rules import MODES
from stream.rule_brakes import RuleBrakes
from stream.rule_state import DayBound, NearMisses, Standing

STALE_SECONDS = 600.0  # standings older than this allow nothing
_NO_BRAKES = RuleBrakes()
_NO_MODEL = "no model has enough observations of its own under it"
CLOSER_AWAY = "nobody judges the rules at the moment, so none acts"


class StandingSummary(Struct, frozen=True, kw_only=True):
    """One rule as people read it.

    Attributes:
        mode: what it may do now, at most.
        armed: what a person let it do; `highest` is what its file allows.
        state, why: of its proof, the second in words.
        acts: in one sentence, what it does at present.
        observations, acted, bound, limit: of the proof.
        to_proof: observations without one acted on that are missing; None where no number proves it.
        days: to that proof, at the rule's own volume; None where nothing comes.
        share: of the teams' hours that the rule leaves alone.
        next: the command that lets it climb a step; empty where a person can do nothing now.
        near_misses: acts soon after what it touched, in words; empty where nothing was touched.
        at: when the closer wrote this, seconds since 1970.
        brakes: what keeps it from acting now, a sentence each, beside what holds for all rules.
        blocked: how many alerts it left alone in the last hour and why, in words; empty where there were none.
    """

    name: str
    owner: str
    version: str
    mode: Mode
    armed: Mode
    highest: Mode
    state: ProofState
    why: str
    acts: str
    observations: int
    acted: float
    bound: float | None
    limit: float
    to_proof: int | None
    days: float | None
    share: float
    daily: float
    next: str
    loaded: bool
    models: tuple[str, ...]
    bounds: list[DayBound]
    near_misses: str
    at: float
    brakes: list[str] = []
    blocked: str = ""


def summary_of(name: str, standing: Standing, brakes: RuleBrakes = _NO_BRAKES) -> StandingSummary:
    """A rule's standing in words and figures, with the brakes that closers see."""
    ladder, verdict = standing.ladder, standing.verdict
    proof = verdict.proof
    to_proof = _to_proof(standing)
    return StandingSummary(
        name=name,
        owner=standing.owner,
        version=verdict.version,
        mode=verdict.mode,
        armed=verdict.armed,
        highest=ladder.highest_mode,
        state=proof.state,
        why=verdict.why,
        acts=_acts(standing),
        observations=proof.observations,
        acted=proof.acted,
        bound=proof.bound,
        limit=proof.limit,
        to_proof=to_proof,
        days=None if to_proof is None or not standing.daily else to_proof / standing.daily,
        share=verdict.share,
        daily=standing.daily,
        next=_next(name, standing),
        loaded=standing.loaded,
        models=standing.ready,
        bounds=standing.bounds,
        near_misses=_near_misses(standing.near_misses),
        at=standing.at,
        brakes=_brakes(name, standing, brakes),
        blocked=brakes.blocked_words(name),
    )


def summaries_of(standings: Mapping[str, Standing], brakes: RuleBrakes = _NO_BRAKES) -> list[StandingSummary]:
    """All rules; those that act first, then by name, and at the end those that no file holds any more."""
    found = [summary_of(name, one, brakes) for name, one in standings.items()]
    return sorted(found, key=lambda one: (not one.loaded, -MODES.index(one.mode), one.name))


def is_stale(standings: Mapping[str, Standing], now: float) -> bool:
    """Whether the newest standing is so old that no rule acts by it."""
    return bool(standings) and now - max(one.at for one in standings.values()) > STALE_SECONDS


def days_words(days: float | None) -> str:
    """Days to proof for people.

    >>> days_words(0.4), days_words(12.3), days_words(None)
    ('less than a day', '12 days', 'never')
    """
    if days is None:
        return "never"
    return "less than a day" if days < 1.0 else words_for(days * DAY_SECONDS)


def pace_words(one: StandingSummary) -> str:
    """How long a proof takes at its own pace; before the first observation nobody can say."""
    if not one.daily:
        return "not known before its first observation"
    return f"{days_words(one.days)} at {one.daily:.1f} observations a day"


def _acts(standing: Standing) -> str:
    ladder, verdict = standing.ladder, standing.verdict
    if not standing.loaded:
        return "no file of rules holds it any more, so it does nothing"
    if verdict.mode in ("pause", "close"):
        regime, latest = ladder.regime_at(int(standing.at // HOUR)), ladder.regimes[-1]
        since = f"{moment(regime.hour * HOUR):%F %H:%M} UTC"
        armed = f"since {since}" + (f", armed by {regime.by}" if regime.by else "")
        if latest.hour > regime.hour and latest.mode != regime.mode:
            armed += f", and {latest.mode}s them from {moment(latest.hour * HOUR):%F %H:%M} UTC on"
        return f"{verdict.mode}s alerts {armed}; {_percent(verdict.share)} of the hours of each team are left alone"
    if verdict.armed in ("pause", "close"):
        begins = ladder.regimes[-1].hour * HOUR
        if begins > standing.at:
            return f"{verdict.armed}s alerts from {moment(begins):%F %H:%M} UTC on"
        return f"was armed to {verdict.armed} and does nothing at present: {verdict.why}"
    if ladder.highest_mode == "score":
        return "does nothing, as its file says"
    return "is in shadow: says what it would do, and does nothing"


def _to_proof(standing: Standing) -> int | None:
    proof, ladder = standing.verdict.proof, standing.ladder
    if proof.state == "proven":
        return 0
    if proof.state == "failed" and ladder.tripped is None:
        return None
    return more_needed(proof.observations, proof.acted, proof.limit, alpha_of(ladder.standing.number))


def _next(name: str, standing: Standing) -> str:
    ladder, verdict = standing.ladder, standing.verdict
    if not standing.loaded or _to_proof(standing) != 0:  # a tripped rule counts anew, and stays so until it is armed
        return ""
    wanted = "pause" if verdict.armed in ("score", "shadow") else "close"
    if verdict.armed == "close" or MODES.index(wanted) > MODES.index(ladder.highest_mode):
        return ""
    if wanted == "close" and standing.at < ladder.regimes[-1].hour * HOUR + PAUSE_DAYS * DAY_SECONDS:
        return ""
    return f"noisegate rules arm {name} --to {wanted}"


def _brakes(name: str, standing: Standing, brakes: RuleBrakes) -> list[str]:
    if not standing.loaded:
        return []
    found = brakes.sentences_of(name, standing.ready)
    return [*found, _NO_MODEL] if standing.verdict.mode in ("pause", "close") and not standing.ready else found


def _near_misses(one: NearMisses) -> str:
    """The words of near-misses.

    >>> _near_misses(NearMisses(120, 3, 40, 1))
    '3 of 120 suppressed (2.5 %), 1 of 40 left alone (2.5 %)'
    """
    pairs = (one.after_suppressed, one.suppressed, "suppressed"), (one.after_held_out, one.held_out, "left alone")
    return ", ".join(f"{n:,} of {whole:,} {what} ({100.0 * n / whole:.1f} %)" for n, whole, what in pairs if whole)


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
