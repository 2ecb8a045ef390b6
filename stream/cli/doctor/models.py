"""Doctor's checks of the models that the pointers name."""

from collections.abc import Iterator

from stream.cli.doctor.finding import Finding, finding_of
from stream.cli.doctor.sample import open_sample, sample_events
from stream.cli.models_query import loader_of
from stream.config import Settings
from stream.core.errors import ModelError, SettingsError, StoreAway
from stream.core.events import Raised, is_simulated
from stream.models.pointers import CHALLENGER, CHAMPION
from stream.models.reload import Loader
from stream.models.store import Store, no_champion


def check_models(settings: Settings) -> Iterator[Finding]:
    """The champion can be served for this problem."""
    try:
        store = Store(settings.models.store)
        loader = Loader(store, settings.load_problem(), settings.models.cache, settings.deployment)
        loader.pointer_bytes(CHAMPION)  # a store that was emptied is away
        pointer, challenger = store.pointer(CHAMPION), store.pointer(CHALLENGER)
    except StoreAway as error:
        yield Finding("model", "wrong", error.problem, error.mend or "make model_store reachable from this machine")
        return
    except ModelError as error:
        yield Finding("model", "wrong", str(error), "run `noisegate models rollback`, or promote a sound version")
        return
    if pointer is None:
        yield finding_of("model", "warning", no_champion(store))
    for version in pointer.versions if pointer else ():
        yield check_version(settings, store, version, "run `noisegate models rollback`, or promote a sound version")
    for version in challenger.versions if challenger else ():
        yield check_version(
            settings, store, version, "run `noisegate models challenge --none`, or name a sound version"
        )


def check_version(settings: Settings, store: Store, version: str, mend: str) -> Finding:
    """A version that a pointer names can be served."""
    try:
        loader_of(settings, store).load(version)
    except SettingsError as error:
        return Finding("model", "wrong", str(error), "set model_keys to a file of public keys")
    except ModelError as error:
        return Finding("model", "wrong", str(error), mend)
    return Finding("model", "ok", f"{version} can be served")


def check_simulated(settings: Settings) -> Iterator[Finding]:
    """A champion made of simulated alerts scores simulated alerts only."""
    store = Store(settings.models.store)
    pointer = store.pointer(CHAMPION)
    made_up = [one for one in (pointer.versions if pointer else ()) if store.manifest(one).training.simulated]
    if not made_up:
        return
    alerts = sample_alerts(settings)
    real = sum(not is_simulated(alert) for alert in alerts)
    if real:
        found = (
            f"{', '.join(made_up)} was trained on simulated alerts, but {real:,} of {len(alerts):,} sampled alerts "
            "are real: their scores mean nothing and are flagged `simulated`"
        )
        mend = "train a model on your own log (`noisegate lab train`) and set NOISEGATE_MODEL_STORE to its store"
        yield Finding("simulated", "warning", found, mend)


def sample_alerts(settings: Settings) -> list[Raised]:
    """Some of the newest alerts of the events topic."""
    with open_sample(settings) as reader:
        return [event for event, _ in sample_events(reader) if isinstance(event, Raised)]
