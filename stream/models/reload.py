"""Model reload: follows the store's pointers, loads the versions they name and swaps them in by one assignment.

A version that can't be served is refused and tried again after growing pauses, while the active models go on serving.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from stream.core.errors import ModelError, NoisegateError, StoreAway
from stream.core.limits import CHAMPIONS
from stream.core.problem import Problem
from stream.core.records import Reason
from stream.models.active import ActiveModels, Challenger
from stream.models.cache import fetch, find_last_good, read_last_good, write_in_use, write_last_good
from stream.models.model import Model, load_model
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer, parse_challenger, parse_pointer
from stream.models.signing import check_signature
from stream.models.store import Store, no_champion

log = logging.getLogger(__name__)
LONGEST_PAUSE_SECONDS = 300.0  # before a version that was refused is tried again


class Loaded(Struct, frozen=True, eq=False):
    """A model, the folder of its files on this machine, and when it was loaded, seconds since 1970."""

    model: Model
    folder: Path
    at: float


class Loader:
    """Loads the versions of one store for one deployment.

    Args:
        store: where versions are.
        problem: the one they must answer.
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
            if last is not None and last.store == self.store.location and self.store.is_empty():
                raise StoreAway(
                    f"{self.store.url}: holds nothing, though {last.version} of it has served here",
                    "bring the store back, or name another in NOISEGATE_MODEL_STORE",
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
        write_last_good(self._cache, self._deployment, CHAMPION, loaded.folder, self.store.location)

    def last_good(self) -> Loaded | None:
        """The version of this store that served last, from this machine's copy; None: none did. Errors as `load`."""
        folder = read_last_good(self._cache, self._deployment, CHAMPION, self.store.location)
        return None if folder is None else self._load(folder, folder.name)

    def _load(self, folder: Path, version: str) -> Loaded:
        trusted = None if self._keys is None else check_signature(folder, self._keys)
        model = load_model(folder, self._problem, trusted)
        if model.version != version:
            raise ModelError(f"{folder}: holds version {model.version}")
        return Loaded(model, folder, time.time())


class FollowedPointer(Struct):
    """The state of one pointer file: the bytes in service and the bytes refused; None where there is no such file."""

    name: str
    done: bool = False  # whether `active` is in service
    active: bytes | None = None
    refused: bytes | None = None
    fault: str | None = None  # why that is not in service
    again_at: float = 0.0
    pause: float = 0.0

    def due(self, data: bytes | None, now: float) -> bool:
        """Whether to load what the pointer names."""
        if self.fault is None:
            return not self.done or data != self.active
        return data != self.refused or now >= self.again_at


class Reloader:
    """Keeps the active models those that the store's pointers name.

    One thread calls `poll`; any other thread may read `active` at any time.

    Args:
        loader: loads versions.
        poll_seconds: the first pause after a refusal; it doubles up to five minutes.
        challenger_seconds: how long a batch may wait for a challenger.
        clock: monotonic, seconds.

    Attributes:
        active: the models to score with.
        loaded: the models in service by version.
        store_up: whether the last request to the store succeeded.
        swaps: how often the champions changed.
        refusals: how often a pointer was refused for a new fault.
    """

    def __init__(
        self,
        loader: Loader,
        poll_seconds: float,
        challenger_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.active = ActiveModels(reason="model_failed")  # until the pointer was read, nobody knows that there is none
        self.loaded: dict[str, Loaded] = {}
        self.store_up = True
        self.swaps = 0
        self.refusals = 0
        self._loader = loader
        self._poll_seconds = poll_seconds
        self._challenger_seconds = challenger_seconds
        self._clock = clock
        self._champion, self._challenger = FollowedPointer(CHAMPION), FollowedPointer(CHALLENGER)
        self._rival: Challenger | None = None
        self._before: ActiveModels | None = None
        self._logged: tuple[list[str], Challenger | None] | None = None
        self._fell_back = False

    @property
    def faults(self) -> list[str]:
        """Why the versions that the pointers name are not active, one sentence each."""
        return [followed.fault for followed in (self._champion, self._challenger) if followed.fault]

    def poll(self, anew: bool = False) -> None:
        """Load what the pointers name, if they changed; what goes wrong becomes a fault, no error.

        Args:
            anew: don't wait to try again what was refused, and take a dropped challenger back.
        """
        self._before = None  # the models that served last are freed here, not in the thread that scores
        away = self._follow(self._champion, self._put_champions, anew)
        away = self._follow(self._challenger, self._put_challenger, anew) or away
        if anew and self._rival is not None and self._rival.dropped:
            self._rival = Challenger(self._rival.model, self._challenger_seconds)
            self._serve_rival()
        if not self.active.champions and (self._champion.fault or not self._champion.done):
            self._fall_back()
        self._log_store_state(away)

    def _follow(self, followed: FollowedPointer, put: Callable[[bytes | None], None], anew: bool) -> StoreAway | None:
        """Put in service what one pointer names, if it is due; returns why the store can't be reached."""
        data = None
        try:
            data = self._loader.pointer_bytes(followed.name)
            if not followed.due(data, self._clock()) and not (anew and followed.fault):
                return None
            put(data)
        except StoreAway as error:
            if data is not None:  # the pointer was read, but not what it names
                followed.done = False
            return error
        except NoisegateError as error:  # also a file of keys that can't be read
            self._refuse(followed, data, str(error))
            return None
        followed.done, followed.active, followed.fault = True, data, None
        return None

    def _refuse(self, followed: FollowedPointer, data: bytes | None, fault: str) -> None:
        if (data, fault) == (followed.refused, followed.fault):
            followed.pause = min(2.0 * followed.pause, LONGEST_PAUSE_SECONDS)
        else:
            log.error("not put into service: %s", fault)
            self.refusals += 1
            followed.refused, followed.fault, followed.pause = data, fault, self._poll_seconds
        followed.again_at = self._clock() + followed.pause

    def _put_champions(self, data: bytes | None) -> None:
        if data is None:
            if self.active.champions:
                raise ModelError(
                    f"{self._where(CHAMPION)}: is gone, and the running model stays", "run `noisegate models rollback`"
                )
            self._serve([], None, "no_model")
            self._report_no_champion()
            return
        pointer = parse_pointer(data, self._where(CHAMPION))
        if len(pointer.versions) > CHAMPIONS:
            raise ModelError(
                f"{self._where(CHAMPION)}: names {len(pointer.versions)} versions, at most {CHAMPIONS} are served"
            )
        self._loader.use(CHAMPION, [*pointer.versions, *(model.version for model in self.active.champions)])
        champions = [self._get(version) for version in pointer.versions]
        self._serve(champions, pointer, "no_model")
        self._loader.use(CHAMPION, pointer.versions)
        try:
            self._loader.keep(champions[0])
        except ModelError as error:
            log.warning("%s; without it, a worker that starts while the store is away has no model", error)

    def _put_challenger(self, data: bytes | None) -> None:
        if data is None:
            self._rival = None
            self._loader.use(CHALLENGER, [])
        else:
            pointer = parse_challenger(data, self._where(CHALLENGER))
            self._loader.use(CHALLENGER, pointer.versions)
            loaded = self._get(pointer.default)
            self.loaded[pointer.default] = loaded
            self._rival = Challenger(loaded.model, self._challenger_seconds)
        self._serve_rival()

    def _serve_rival(self) -> None:
        """Put another challenger, or none, beside what serves."""
        active = self.active
        self._serve([self.loaded[model.version] for model in active.champions], active.pointer, active.reason)

    def _get(self, version: str) -> Loaded:
        return self.loaded.get(version) or self._loader.load(version)

    def _serve(self, champions: Sequence[Loaded], pointer: Pointer | None, reason: Reason) -> None:
        """Put these champions in service, and the challenger beside them unless it is the only one of them."""
        models = tuple(loaded.model for loaded in champions)
        rival = self._rival
        shadow = None if rival is None or (len(models) == 1 and models[0].version == rival.model.version) else rival
        kept = {} if rival is None else {rival.model.version: self.loaded[rival.model.version]}
        self.loaded = {**kept, **{loaded.model.version: loaded for loaded in champions}}
        if models and (models, pointer) != (self.active.champions, self.active.pointer):
            self.swaps += 1
        self._assign(ActiveModels(models, pointer, shadow, reason))

    def _assign(self, active: ActiveModels) -> None:
        self._before, self.active = self.active, active
        champions, rival = [model.version for model in active.champions], active.challenger
        if (
            champions,
            rival,
        ) == self._logged:  # the pointers are followed one after the other: mostly only one has moved
            return
        self._logged = champions, rival
        fields = {"champions": champions, "challenger": rival.model.version if rival else None}
        log.info("in service", extra={"fields": fields})

    def _fall_back(self) -> None:
        """Serve the last good copy on this machine; without one alerts are unscored as `model_failed`."""
        if self._fell_back:
            return
        self._fell_back = True
        try:
            loaded = self._loader.last_good()
        except NoisegateError as error:
            log.error("the last good model can't be served either: %s", error)
            loaded = None
        if loaded is None:
            self._serve([], None, "model_failed")
        else:
            log.warning("the last good model serves: %s", loaded.model.version)
            self._serve([loaded], Pointer(loaded.model.version), "no_model")

    def _report_no_champion(self) -> None:
        self._fell_back = False
        try:
            log.warning("%s", no_champion(self._loader.store))
        except NoisegateError as error:  # the log of changes can't be read
            log.warning("%s: is not there; `noisegate models promote` a version (%s)", self._where(CHAMPION), error)

    def _log_store_state(self, away: StoreAway | None) -> None:
        if away is not None and self.store_up:
            log.warning("%s; loaded models keep serving", away)
        elif away is None and not self.store_up:
            log.warning("%s: the model store answers again", self._loader.store.url)
        self.store_up = away is None

    def _where(self, name: str) -> str:
        return f"{self._loader.store.url}/{name}"
