"""What stands between a version and its promotion: soundness, signature, gate, and evidence from outcomes."""

from stream.config import Settings
from stream.models.cache import fetch
from stream.models.serving import Model, load_model
from stream.models.signing import check_signature
from stream.models.store import Store


def load_checked(settings: Settings, store: Store, version: str) -> Model:
    """A version loaded as a scorer of these settings would.

    Raises:
        ModelError: it can't be served, in one sentence.
        SettingsError: the file of keys can't be used.
    """
    store.manifest(version)
    folder = fetch(store, version, settings.model_cache)
    if settings.model_keys is not None:
        check_signature(folder, settings.model_keys)
    return load_model(folder, settings.load_problem())
