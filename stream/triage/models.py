"""Champion and challenger as the model page shows them: from the model store, and drift from Prometheus."""

import time
from collections.abc import Callable
from threading import Lock

import numpy as np
from msgspec import Struct

from stream.config import ModelSettings
from stream.core.errors import ModelError, MonitoringError
from stream.core.problem import Problem
from stream.core.records import Push
from stream.models.artifact import CARD, REPORT
from stream.models.cache import cache_folder, fetch
from stream.models.manifest import Manifest
from stream.models.model import Model
from stream.models.pointers import CHALLENGER, CHAMPION, is_version
from stream.models.reload import Loader
from stream.models.store import Store
from stream.prometheus import Prometheus

KEPT_SECONDS = 15.0  # so that many viewers do not ask the store each
DRIFT_SECONDS = 3.0  # for Prometheus' answer
CARD_BYTES = 256 * 1024
REPORT_BYTES = 16 * 1024 * 1024
LOADED = 4  # models that are kept to find what pushed their scores
DRIFT = "max by (feature) (noisegate:psi:24h)"
DRIFT_LIMIT = "max by (feature) (noisegate:psi_threshold:24h)"


class Drift(Struct, frozen=True):
    """A feature's drift of the last day: PSI, and what chance explains."""

    feature: str
    psi: float
    threshold: float


class ModelView(Struct, frozen=True, kw_only=True):
    """One version that a pointer names."""

    role: str
    manifest: Manifest
    card: str
    has_report: bool


class ModelsView(Struct, frozen=True, kw_only=True):
    """All that the page shows; `error` and `drift_error` are sentences where something can't be read."""

    models: list[ModelView]
    error: str = ""
    drift: list[Drift] = []
    drift_error: str = ""


class ModelReader:
    """Reads the store and Prometheus; every call blocks.

    Args:
        settings: where models are, and by which keys they are signed.
        problem: the one that models must answer.
        deployment: whose scorer they serve.
        prometheus: its address.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: ModelSettings,
        problem: Problem,
        deployment: str,
        prometheus: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._cache, self._keys = settings.store, settings.cache, settings.keys
        self._problem, self._deployment = problem, deployment
        self._prometheus, self._clock = prometheus, clock
        self._kept: tuple[float, ModelsView] | None = None
        self._loaded: dict[str, Model] = {}
        self._loading = Lock()

    def read(self) -> ModelsView:
        """The models that are pointed to now, at most KEPT_SECONDS old."""
        now = self._clock()
        if self._kept is None or now - self._kept[0] > KEPT_SECONDS:
            self._kept = now, self._read()
        return self._kept[1]

    def report(self, version: str) -> bytes | None:
        """The report of a version; None where there is none."""
        if not is_version(version):
            return None
        try:
            path = fetch(Store(self._url), version, cache_folder(self._cache)) / REPORT
        except ModelError:
            return None
        return path.read_bytes() if path.is_file() and path.stat().st_size <= REPORT_BYTES else None

    def pushes(self, version: str, features: bytes) -> list[Push] | str:
        """What pushed a score, the strongest first; a sentence where that can't be found.

        `features` are what the score was made of: float32, little-endian, in the order of the model `version`.
        """
        alert = np.frombuffer(features, dtype="<f4") if len(features) % 4 == 0 else np.empty(0, dtype="<f4")
        try:
            with self._loading:
                model = self._champion(version)
            if model is None:
                return f"The model {version} made this score and is no champion any more, so it can't be asked."
            if len(alert) != len(model.table):
                return f"The record does not hold the features that the model {version} reads."
            return model.occlusion.ranked(alert.astype(np.float32), model.predict)
        except ModelError as error:
            return f"The model that made this score can't be loaded: {error}"

    def _champion(self, version: str) -> Model | None:
        """A champion's model, loaded once; None where no champion has this version."""
        if version not in self._loaded:
            store = Store(self._url)
            pointer = store.pointer(CHAMPION)
            if pointer is None or version not in pointer.versions:
                return None
            loader = Loader(store, self._problem, cache_folder(self._cache), self._deployment, self._keys)
            if len(self._loaded) >= LOADED:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[version] = loader.load(version).model
        return self._loaded[version]

    def _read(self) -> ModelsView:
        models, error = [], ""
        try:
            store = Store(self._url)
            for role in (CHAMPION, CHALLENGER):
                pointer = store.pointer(role)
                models += [self._model(store, role.lower(), one) for one in (pointer.versions if pointer else ())]
        except ModelError as fault:
            error = str(fault)
        drift, drift_error = self._drift() if models else ([], "")
        return ModelsView(models=models, error=error, drift=drift, drift_error=drift_error)

    def _model(self, store: Store, role: str, version: str) -> ModelView:
        folder = fetch(store, version, cache_folder(self._cache))
        card = folder / CARD
        text = card.read_text("utf-8", "replace")[:CARD_BYTES] if card.is_file() else ""
        return ModelView(role=role, manifest=store.manifest(version), card=text, has_report=(folder / REPORT).is_file())

    def _drift(self) -> tuple[list[Drift], str]:
        server, now = Prometheus(self._prometheus, DRIFT_SECONDS), time.time()
        try:
            limits = {one.labels.get("feature", ""): one.value for one in server.query(DRIFT_LIMIT, now)}
            found = server.query(DRIFT, now)
        except MonitoringError as error:
            return [], str(error)
        drift = [Drift(name, one.value, limits.get(name, 0.0)) for one in found if (name := one.labels.get("feature"))]
        return sorted(drift, key=lambda one: -one.psi), ""
