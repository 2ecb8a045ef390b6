"""The life of models' series on /metrics: opened at zero, kept while a model is served or counted, then closed."""

import logging
from collections.abc import Iterable
from math import inf

from msgspec import Struct

from stream.core import limits
from stream.core.scoring import Thresholds
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ScoringModel
from stream.models.model import Model
from stream.scorer.metrics.drift import EDGE_LABELS, DriftSeries
from stream.scorer.metrics.team_groups import TeamGroups
from stream.scorer.metrics.verdicts import ModelRole, open_series

log = logging.getLogger(__name__)


class ShownModel(Struct):
    """A model whose series are on /metrics."""

    roles: dict[str, float]  # when each was last served or counted
    thresholds: Thresholds | None = None  # None: this process never had the model
    drift: DriftSeries | None = None


class ModelSeries:
    """Opens and closes the series of models. Not for several threads at once.

    Args:
        metrics: the process's metrics.
        groups: the groups of teams.
        keep_seconds: how long series stay after their model was last served or counted.
    """

    def __init__(self, metrics: ScorerMetrics, groups: TeamGroups, keep_seconds: float) -> None:
        self._drift, self._quality = metrics.drift, metrics.quality
        self._groups = groups
        self._keep = keep_seconds
        self._shown: dict[str, ShownModel] = {}
        self._served: frozenset[ModelRole] = frozenset()

    def serve(self, models: Iterable[tuple[ScoringModel, str]], now: float) -> None:
        """Open the series of exactly these models in service, and close those long out of service and use."""
        served = list(models)
        self._served = frozenset((model.version, role) for model, role in served)
        self._retire(now)
        for model, role in served:
            self.show(model, role, now)

    def show(self, model: ScoringModel, role: str, now: float) -> ShownModel | None:
        """A model that this process has, with its series open; None where too many are shown, all of them served."""
        shown = self._shown.get(model.version) or self._enter(model.version)
        if shown is None:
            return None
        if shown.thresholds is None:
            shown.thresholds = model.thresholds
            shown.drift = self._open_drift(model)
        self._open_role(model.version, role, shown, now)
        return shown

    def show_judged(self, version: str, role: str, now: float) -> ShownModel | None:
        """A model of verdicts, with its series open; None where it can't be shown, or its bands are not known."""
        shown = self._shown.get(version)
        if role == "challenger" and (shown is None or shown.thresholds is None):
            return None
        shown = shown or self._enter(version)
        if shown is not None:
            self._open_role(version, role, shown, now)
        return shown

    def _open_drift(self, model: ScoringModel) -> DriftSeries | None:
        """The series of what a model sees; None where its reference can't be used for any."""
        if not isinstance(model, Model):
            return None
        try:
            return DriftSeries(model, self._drift)
        except MemoryError:
            raise
        except Exception:  # a model that serves goes on, its drift unwatched
            log.exception("the model %s serves, but its drift can't be counted", model.version)
            return None

    def _enter(self, version: str) -> ShownModel | None:
        """Room for a model that is not shown yet; None where too many are, all of them served."""
        if len(self._shown) >= limits.MODELS_COUNTED:
            served = {name for name, _ in self._served}
            idle = [
                (max(shown.roles.values(), default=-inf), name)
                for name, shown in self._shown.items()
                if name not in served
            ]
            if not idle or version not in served:
                return None
            self._close(min(idle)[1])
        self._shown[version] = ShownModel({})
        return self._shown[version]

    def _open_role(self, version: str, role: str, shown: ShownModel, now: float) -> None:
        new = role not in shown.roles
        shown.roles[role] = now
        if not new:
            return
        scorer = version, role
        self._drift.scores.open(scorer, [()])
        self._drift.below.open(scorer, EDGE_LABELS)
        self._drift.expected_squared_error.open(scorer, [()])
        open_series(self._quality, scorer, self._groups)

    def _retire(self, now: float) -> None:
        """Close what was neither served nor counted for long."""
        for version, shown in list(self._shown.items()):
            for role, used_at in list(shown.roles.items()):
                if now - used_at > self._keep and (version, role) not in self._served:
                    self._close_role(version, role)
            if not shown.roles:
                self._close(version)

    def _close(self, version: str) -> None:
        for role in list(self._shown[version].roles):
            self._close_role(version, role)
        del self._shown[version]
        for grid in self._drift.of_model:
            grid.close((version,))

    def _close_role(self, version: str, role: str) -> None:
        del self._shown[version].roles[role]
        for series in (*self._drift.of_role, *self._quality.of_role):
            series.close((version, role))
