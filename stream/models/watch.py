"""Hot swap: both pointers of the store are followed; what they name is loaded aside and put in service by one
assignment. A bad version is refused and tried again with growing pauses, and what serves goes on serving.
"""

import logging
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from stream.core.errors import ModelError, NoisegateError, StoreAway
from stream.core.limits import CHAMPIONS
from stream.core.records import Reason
from stream.models.reload import Loaded, Loader
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer, parse_pointer
from stream.models.active import Challenger, ActiveModels
from stream.models.store import no_champion

log = logging.getLogger(__name__)
MOST_SECONDS = 300.0  # the longest pause before a version that was refused is tried again


class Followed(Struct):
    """How far one pointer was followed, by its bytes; None where there is no such file."""

    name: str
    done: bool = False  # whether `served` is in service
    served: bytes | None = None
    refused: bytes | None = None
    fault: str | None = None  # why that is not in service
    again_at: float = 0.0
    pause: float = 0.0

    def due(self, data: bytes | None, now: float) -> bool:
        """Whether to load what the pointer names."""
        if self.fault is None:
            return not self.done or data != self.served
        return data != self.refused or now >= self.again_at


class Watch:
    """What is in service, kept up to date by `poll`.

    `poll` belongs to one thread; others read `served` whenever they like.

    Args:
        loader: loads versions.
        poll_seconds: the first pause after a refusal; it doubles up to five minutes.
        challenger_seconds: how long a batch may wait for a challenger.
        clock: monotonic, seconds.

    Attributes:
        served: what to score with.
        loaded: the models in service by version.
        store_up: whether the store answered last.
        swaps: how often other champions were put into service.
        refusals: distinct faults for which a pointer was not followed.
    """

    def __init__(
        self,
        loader: Loader,
        poll_seconds: float,
        challenger_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.served = ActiveModels(reason="model_failed")  # until the pointer was read, nobody knows that there is none
        self.loaded: dict[str, Loaded] = {}
        self.store_up = True
        self.swaps = 0
        self.refusals = 0
        self._loader = loader
        self._poll_seconds = poll_seconds
        self._challenger_seconds = challenger_seconds
        self._clock = clock
        self._champion, self._challenger = Followed(CHAMPION), Followed(CHALLENGER)
        self._rival: Challenger | None = None
        self._before: ActiveModels | None = None
        self._told: tuple[list[str], Challenger | None] | None = None
        self._fell_back = False

    @property
    def faults(self) -> list[str]:
        """Why what the pointers name is not in service, one sentence each."""
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
        if not self.served.champions and (self._champion.fault or not self._champion.done):
            self._fall_back()
        self._tell_store(away)

    def _follow(self, followed: Followed, put: Callable[[bytes | None], None], anew: bool) -> StoreAway | None:
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
        followed.done, followed.served, followed.fault = True, data, None
        return None

    def _refuse(self, followed: Followed, data: bytes | None, fault: str) -> None:
        if (data, fault) == (followed.refused, followed.fault):
            followed.pause = min(2.0 * followed.pause, MOST_SECONDS)
        else:
            log.error("not put into service: %s", fault)
            self.refusals += 1
            followed.refused, followed.fault, followed.pause = data, fault, self._poll_seconds
        followed.again_at = self._clock() + followed.pause

    def _put_champions(self, data: bytes | None) -> None:
        if data is None:
            if self.served.champions:
                raise ModelError(
                    f"{self._where(CHAMPION)}: is gone, and the running model stays", f"run `noisegate models rollback`"
                )
            self._serve([], None, "no_model")
            self._tell_absent()
            return
        pointer = parse_pointer(data, self._where(CHAMPION))
        if len(pointer.versions) > CHAMPIONS:
            raise ModelError(
                f"{self._where(CHAMPION)}: names {len(pointer.versions)} versions, at most {CHAMPIONS} are served"
            )
        self._loader.use(CHAMPION, [*pointer.versions, *(model.version for model in self.served.champions)])
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
            pointer = parse_pointer(data, self._where(CHALLENGER))
            if pointer.teams:
                raise ModelError(f"{self._where(CHALLENGER)}: a challenger is one for all teams", f"write one version")
            self._loader.use(CHALLENGER, pointer.versions)
            loaded = self._get(pointer.default)
            self.loaded[pointer.default] = loaded
            self._rival = Challenger(loaded.model, self._challenger_seconds)
        self._serve_rival()

    def _serve_rival(self) -> None:
        """Put another challenger, or none, beside what serves."""
        served = self.served
        self._serve([self.loaded[model.version] for model in served.champions], served.pointer, served.reason)

    def _get(self, version: str) -> Loaded:
        return self.loaded.get(version) or self._loader.load(version)

    def _serve(self, champions: Sequence[Loaded], pointer: Pointer | None, reason: Reason) -> None:
        """Put these champions in service, and the challenger beside them unless it is the only one of them."""
        models = tuple(loaded.model for loaded in champions)
        rival = self._rival
        shadow = None if rival is None or (len(models) == 1 and models[0].version == rival.model.version) else rival
        kept = {} if rival is None else {rival.model.version: self.loaded[rival.model.version]}
        self.loaded = {**kept, **{loaded.model.version: loaded for loaded in champions}}
        if models and (models, pointer) != (self.served.champions, self.served.pointer):
            self.swaps += 1
        self._assign(ActiveModels(models, pointer, shadow, reason))

    def _assign(self, served: ActiveModels) -> None:
        self._before, self.served = self.served, served
        champions, rival = [model.version for model in served.champions], served.challenger
        if (champions, rival) == self._told:  # the pointers are followed one after the other: mostly only one has moved
            return
        self._told = champions, rival
        fields = {"champions": champions, "challenger": rival.model.version if rival else None}
        log.info("in service", extra={"fields": fields})

    def _fall_back(self) -> None:
        """Serve the last good copy on this machine, or say that the model failed."""
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

    def _tell_absent(self) -> None:
        self._fell_back = False
        try:
            log.warning("%s", no_champion(self._loader.store))
        except NoisegateError as error:  # the log of changes can't be read
            log.warning("%s: is not there; `noisegate models promote` a version (%s)", self._where(CHAMPION), error)

    def _tell_store(self, away: StoreAway | None) -> None:
        if away is not None and self.store_up:
            log.warning("%s; loaded models keep serving", away)
        elif away is None and not self.store_up:
            log.warning("%s: the model store answers again", self._loader.store.url)
        self.store_up = away is None

    def _where(self, name: str) -> str:
        return f"{self._loader.store.url}/{name}"
