"""From a version's name to a model that can be served: fetched, signed by whom we trust, verified, warm."""

import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from stream.core.errors import ModelError, StoreAway
from stream.core.problem import Problem
from stream.models.cache import fetch, find_last_good, read_last_good, write_in_use, write_last_good
from stream.models.pointers import CHAMPION
from stream.models.model import Model, load_model
from stream.models.signing import check_signature
from stream.models.store import Store


class Loaded(Struct, frozen=True, eq=False):
    """A model, where on this machine its files lie, and when it was loaded, seconds since 1970."""

    model: Model
    folder: Path
    at: float


class Loader:
    """Loads the versions of one store for one deployment.

    Args:
        store: where versions are.
        problem: what they must answer.
        cache: where copies of them are kept.
        deployment: whose last good version is remembered.
        keys: public keys, by one of which a version must be signed; None: nothing need be.
    """

    def __init__(self, store: Store, problem: Problem, cache: Path, deployment: str, keys: Path | None = None) -> None:
        self.store = store
        self._problem = problem
        self._cache = cache
        self._deployment = deployment
        self._keys = keys
        self._named: dict[str, tuple[str, ...]] = {}

    def pointer_bytes(self, name: str) -> bytes | None:
        """A pointer file as it lies in the store; None where there is none.

        Raises:
            StoreAway: the store can't be reached, or is empty or not there though this deployment has served a model
                of it: a folder that is not mounted looks like an empty one.
        """
        data = self.store.pointer_bytes(name)
        if data is None:
            last = find_last_good(self._cache, self._deployment, CHAMPION)
            if last is not None and last.store == self.store.place and self.store.is_empty():
                raise StoreAway(
                    f"{self.store.url}: holds nothing, though {last.version} of it has served here",
                    f"bring the store back, or name another in NOISEGATE_MODEL_STORE",
                )
        return data

    def use(self, name: str, versions: Iterable[str]) -> None:
        """Keep the copies of the versions that a pointer names, until it names others."""
        named = tuple(dict.fromkeys(versions))
        if self.store.folder is None and self._named.get(name) != named:
            self._named[name] = named
            write_in_use(self._cache, self._deployment, name, named)

    def load(self, version: str) -> Loaded:
        """Fetch and load a version.

        Raises:
            StoreAway: the store can't be reached.
            ModelError: the version is not sound, not signed as it must be, or not for this problem.
        """
        return self._load(fetch(self.store, version, self._cache), version)

    def keep(self, loaded: Loaded) -> None:
        """Remember the champion of all teams as the last good one; raises ModelError where that can't be written."""
        write_last_good(self._cache, self._deployment, CHAMPION, loaded.folder, self.store.place)

    def last_good(self) -> Loaded | None:
        """The version of this store that served last, from this machine's copy; None: none did. Errors as `load`."""
        folder = read_last_good(self._cache, self._deployment, CHAMPION, self.store.place)
        return None if folder is None else self._load(folder, folder.name)

    def _load(self, folder: Path, version: str) -> Loaded:
        trusted = None if self._keys is None else check_signature(folder, self._keys)
        model = load_model(folder, self._problem, trusted)
        if model.version != version:
            raise ModelError(f"{folder}: holds version {model.version}")
        return Loaded(model, folder, time.time())
