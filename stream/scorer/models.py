"""Keeps the scorer's models up to date in a thread of its own, and reports them in metrics and heartbeats."""

import logging
import os
import socket
import time
from collections.abc import Callable
from threading import Event, Thread

from redis.exceptions import RedisError

from stream.config import Settings
from stream.core.problem import Problem
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.models.reload import Loader, Reloader
from stream.models.signing import public_keys
from stream.models.store import Store
from stream.scorer.heartbeat import Heartbeat, Heartbeats
from stream.scorer.metrics.recorder import MetricsRecorder

log = logging.getLogger(__name__)
_LEAVE_SECONDS = 1.0


class ModelPoller:
    """Polls the model store in a thread of its own.

    Args:
        settings: the store, its cache and keys, and how often it is asked.
        problem: what the models must answer.
        metrics: the process's metrics.
        partitions: those that the worker owns, for its heartbeat.
        recorder: is told which models are in service.

    Raises:
        SettingsError: the file of public keys can't be used.
        ModelError: nothing installed knows the store's URL.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        metrics: ScorerMetrics,
        partitions: Callable[[], list[int]],
        recorder: MetricsRecorder,
    ) -> None:
        keys = settings.models.keys
        if keys is not None:
            public_keys(keys)
        store = Store(settings.models.store)
        loader = Loader(store, problem, settings.models.cache, settings.deployment, keys)
        self.reloader = Reloader(loader, settings.models.poll_seconds, settings.models.challenger_seconds)
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self._poll_seconds = settings.models.poll_seconds
        self._metrics = metrics
        self._partitions = partitions
        self._recorder = recorder
        self._heartbeats = Heartbeats(settings.redis.url, settings.deployment)
        self._beats = True
        self._shown: dict[str, str] = {}
        self._first, self._wake, self._stop = Event(), Event(), Event()
        self._anew = False
        self._thread = Thread(target=self._run, name="models", daemon=True)

    @property
    def active(self) -> ActiveModels:
        """What to score with now."""
        return self.reloader.active

    @property
    def faults(self) -> list[str]:
        """Why alerts are not scored, one sentence each; nothing while a champion serves.

        No model is a supported mode: none of it keeps a worker from being ready, it is shown.
        """
        if self.active.champions:
            return []
        return [*self.reloader.faults, "no model is served: alerts are published unscored"]

    def start(self) -> None:
        """Begin to poll, in a thread; returns at once. See `wait_first`."""
        self._thread.start()

    def wait_first(self, seconds: float) -> bool:
        """Wait until the store was asked once: there is a model, or it is known why there is none.

        It blocks, so it is not for an event loop's thread. False: not within so many seconds.
        """
        return self._first.wait(seconds)

    def refresh(self) -> None:
        """Look at once, try again what was refused and take a dropped challenger back; callable from anywhere."""
        self._anew = True
        self._wake.set()

    def stop(self) -> None:
        """Poll no more, and say that this worker has left, if that can be done soon."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            anew = self._anew
            if anew:  # never reset unseen: it may be set in between
                self._anew = False
            try:
                self._poll(anew)
            except Exception:  # a bug, but the models that serve go on, and so must the polls
                log.exception("polling the model store failed")
            self._first.set()
            self._wake.wait(self._poll_seconds)
        self._leave()

    def _poll(self, anew: bool) -> None:
        reloader = self.reloader
        swaps, refusals = reloader.swaps, reloader.refusals
        reloader.poll(anew)
        self._metrics.model_swaps.inc(reloader.swaps - swaps)
        self._metrics.model_refused.inc(reloader.refusals - refusals)
        self._metrics.pointers_refused.set(len(reloader.faults))
        self._metrics.model_store_up.set(reloader.store_up)
        self._show()
        self._beat()

    def _show(self) -> None:
        """Make the models' metrics those in service."""
        metrics, active, loaded = self._metrics, self.active, self.reloader.loaded
        roles: dict[str, str] = {model.version: role for model, role in reversed(active.roles)}
        for version, role in self._shown.items():
            if roles.get(version) != role:
                metrics.model_info.remove(version, role)
            if version not in roles:
                metrics.model_created.remove(version)
                metrics.model_loaded.remove(version)
                metrics.model_failures.remove(version)
                metrics.model_simulated.remove(version)
        for version, role in roles.items():
            metrics.model_info.labels(version, role).set(1)
            metrics.model_created.labels(version).set(loaded[version].model.manifest.created.timestamp())
            metrics.model_loaded.labels(version).set(loaded[version].at)
            metrics.model_failures.labels(version)
            metrics.model_simulated.labels(version)
        self._shown = roles
        self._recorder.serve(active.roles)

    def _beat(self) -> None:
        active, reloader = self.active, self.reloader
        pointer = {"": active.pointer.default, **active.pointer.teams} if active.pointer else {}
        heartbeat = Heartbeat(
            at=time.time(),
            champions={model.version: reloader.loaded[model.version].at for model in active.champions},
            pointer=pointer,
            challenger=active.challenger.model.version if active.challenger else None,
            dropped=active.challenger.dropped if active.challenger else None,
            fault="; ".join(reloader.faults) or None,
            partitions=self._partitions(),
        )
        try:
            self._heartbeats.write(self.worker, heartbeat)
        except (RedisError, OSError) as error:
            if self._beats:
                log.warning("no heartbeat could be written to Redis: %s", error)
            self._beats = False
        else:
            self._beats = True

    def _leave(self) -> None:
        try:
            self._heartbeats.remove(self.worker)
        except (RedisError, OSError) as error:
            log.warning("this worker could not sign off in Redis: %s", error)
        self._heartbeats.close()
