"""The model store as a retraining finds it: whom its pointers name, and how champion and challenger do live.

A store that can't be reached is asked again: a hiccup must not cost the hours of a training.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stream.config import Settings
from stream.core.errors import ModelError, StoreAway
from stream.core.problem import Problem
from stream.lab.judging.compare_live import Comparison, compare_live, read_outcomes
from stream.lab.sources.decisions import holdout_chances, read_decision_topic
from stream.models.changes import before_last, challenged_since
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.store import Store, no_champion

AWAY_SECONDS = (1.0, 5.0, 20.0)  # pauses before a store that can't be reached is asked again
T = TypeVar("T")
Promote = Callable[[str], str | None]
"""Make a version the champion if that is allowed; returns why not, None if it was done."""


class StoreState(Struct, frozen=True):
    """The store as it is before the new version: whom the pointers name, and how the challenger does live."""

    champion: Pointer | None
    challenger: str | None
    live_comparison: Comparison | None
    promoted: str | None = None
    not_promoted: str | None = None


def retry_while_away(call: Callable[[], T]) -> T:
    """The result of a call to the store.

    Raises:
        StoreAway: the store can't be reached, after a few tries.
    """
    for pause in AWAY_SECONDS:
        try:
            return call()
        except StoreAway:
            time.sleep(pause)
    return call()


def read_store_state(settings: Settings, store: Store, problem: Problem) -> StoreState:
    """The pointers, and both models' live comparison where there are two.

    Raises:
        StoreAway: the store can't be reached.
        BrokerError: the outcomes can't be read from Kafka.
    """
    champion, pointed = store.pointer(CHAMPION), read_pointer_or_none(store, CHALLENGER)
    challenger = pointed.default if pointed else None
    if champion is None or challenger is None or challenger == champion.default:
        return StoreState(champion, challenger, None)
    names = champion.default, challenger
    try:
        edges = {name: store.manifest(name).thresholds.likely_noise for name in names}
    except StoreAway:
        raise
    except ModelError:  # a pointer to nothing
        return StoreState(champion, challenger, None)
    since = challenged_since(store.changes(), challenger)
    outcomes, chances = read_outcomes(settings, since), holdout_chances(read_decision_topic(settings, since))
    return StoreState(champion, challenger, compare_live(outcomes, *names, problem, edges, chances))


def read_pointer_or_none(store: Store, name: str) -> Pointer | None:
    """A pointer; None where there is none or it can't be decoded, which the next write mends.

    Raises:
        StoreAway: the store can't be reached.
    """
    try:
        return store.pointer(name)
    except StoreAway:
        raise
    except ModelError:
        return None


def after_promotion(store: Store, before: StoreState, promote: Promote) -> StoreState:
    """The state once `promote` was tried on the challenger; unchanged where there is none to promote."""
    if before.live_comparison is None or before.challenger is None:
        return before
    fault = promote(before.challenger)
    if fault is not None:
        return replace(before, not_promoted=fault)
    return replace(before, champion=store.pointer(CHAMPION), challenger=None, promoted=before.challenger)


def lost_champion(store: Store, before: StoreState) -> list[str]:
    """A warning where there was a champion and is none any more: the new version is then not the first."""
    if before.champion is not None or before_last(retry_while_away(store.changes), None) is None:
        return []
    return [str(no_champion(store))]


def fetch_champion(store: Store, champion: Pointer | None, into: Path) -> Path | ModelError | None:
    """The folder of most teams' champion, or the error that says why it is not sound; None where there is none.

    Raises:
        StoreAway: the store can't be reached, after a few tries; called before the hours of training.
    """
    if champion is None:
        return None
    try:
        return retry_while_away(lambda: store.fetch(champion.default, into))
    except StoreAway:
        raise
    except ModelError as error:
        return error
