"""The two ways by which a drill enters: the intake's own form, and the relay as Prometheus would post."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec

from stream.cli.drill.hops import ENDED, ENTITY, LABEL, RULE, RUN_LABEL
from stream.config import Settings
from stream.core.errors import NoisegateError, SettingsError
from stream.core.events import Acted, Raised, encode_event, moment
from stream.core.kinds import DRILL_TEAM
from stream.core.text import hide_login
from stream.extras import import_extra
from stream.metrics.relay import RelayMetrics
from stream.relay.annotate import WHY
from stream.relay.events import SOURCE, EventReader, Look
from stream.relay.route_check import has_route
from stream.relay.upstream import POST_PATH, STATUS_PATH, Upstream, read_token
from stream.sources.firing_store import MemoryFiringStore
from stream.sources.options import load_sources

TITLE = "A drill of noisegate: nothing happened, nothing is to be done"
_SECONDS = 35.0  # the intake answers within 30
_OPEN_SECONDS = 300.0  # after which Alertmanager ends a drill that nobody ended


class DrillFailed(NoisegateError):
    """The alert of a drill was not taken."""


class Entrance(Protocol):
    """A way in. Both calls raise DrillFailed where they are not taken."""

    url: str

    def open(self) -> None:
        """Post the alert."""
        ...

    def end(self) -> None:
        """Post its end."""
        ...


class _Poster:
    """Posts JSON to one address.

    Args:
        url: with path, and with user and password where it asks for them.
        token: a file with a bearer token.
        ca: a PEM file, where a private authority signed the certificate.
        room: who listens there, for people.
    """

    def __init__(self, url: str, token: Path | None, ca: Path | None, room: str) -> None:
        self._httpx = import_extra("httpx", "web", "a drill needs", SettingsError)
        try:
            parts = urlsplit(url)
            named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            named = False
        if not named:
            raise SettingsError(f"{hide_login(url)!r} is no address", "write http://HOST:PORT")
        self._url, self._room = url, room
        self.name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._headers = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {read_token(token, f'--token {token}')}"
        try:
            self._tls = ssl.create_default_context(cafile=str(ca.expanduser()) if ca else None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"--ca {ca} can't be used: {error}", "name a PEM file") from None

    def post(self, body: bytes) -> None:
        """Post; returns once it was taken. Raises DrillFailed."""
        try:
            answer = self._httpx.post(
                self._url,
                content=body,
                headers=self._headers,
                timeout=_SECONDS,
                verify=self._tls,
                trust_env=False,
            )
        except (self._httpx.HTTPError, self._httpx.InvalidURL, OSError, UnicodeError) as error:
            raise DrillFailed(
                f"the {self._room} at {self.name} can't be reached ({error})",
                f"start it (`noisegate run {self._room}`), or give its address",
            ) from None
        if answer.status_code == 401:
            raise DrillFailed(
                f"the {self._room} at {self.name} takes no post without proof",
                "give --token FILE with a token that it takes",
            )
        if not 200 <= answer.status_code < 300:
            said = answer.text[:300]
            raise DrillFailed(
                f"the {self._room} at {self.name} answered {answer.status_code}: {said}", f"see the {self._room}'s log"
            )


class IntakeEntrance:
    """Through the intake's `/v1/events`.

    Args:
        url: of the intake.
        run: what tells this drill from others; it is the alert's id.
        at: when it is raised, seconds since 1970.
        token, ca: see `_Poster`.
    """

    def __init__(self, url: str, run: str, at: float, token: Path | None = None, ca: Path | None = None) -> None:
        self._poster = _Poster(f"{url.rstrip('/')}/v1/events", token, ca, "intake")
        self.url, self._run, self._at = self._poster.name, run, at

    def open(self) -> None:
        """Post the raised event. Raises DrillFailed."""
        labels = {LABEL: "true", RUN_LABEL: self._run}
        alert = Raised(moment(self._at), self._run, DRILL_TEAM, RULE, ENTITY, "none", "drill", TITLE, labels)
        self._poster.post(encode_event(alert))

    def end(self) -> None:
        """Post the end. Raises DrillFailed."""
        end = Acted(moment(time.time()), self._run, DRILL_TEAM, f"{self._run}-{ENDED}", ENDED, agent="automation")
        self._poster.post(encode_event(end))


class RelayEntrance:
    """Through the relay, as Prometheus posts.

    Args:
        url: of the relay, with its path prefix.
        run: what tells this drill from others.
        at: when it is raised, seconds since 1970.
        settings: the relay's; its Alertmanagers are looked at first.
        token, ca: see `_Poster`.

    Raises:
        SettingsError: a person might be called by the drill, or it would belong to another team.
    """

    def __init__(
        self, url: str, run: str, at: float, settings: Settings, token: Path | None = None, ca: Path | None = None
    ) -> None:
        self._poster = _Poster(f"{url.rstrip('/')}{POST_PATH}", token, ca, "relay")
        self.url, self._run, self._at, self._settings = self._poster.name, run, at, settings
        check_team(settings, self._alert(at))
        if not settings.relay.alertmanagers:
            raise SettingsError(
                f"relay_alertmanagers is empty, so nobody knows whether Alertmanager routes the label {LABEL}",
                "set it to the relay's Alertmanagers",
            )
        asyncio.run(self._check_routes())

    def open(self) -> None:
        """Post the alert as firing. Raises DrillFailed."""
        self._poster.post(msgspec.json.encode([self._alert(time.time() + _OPEN_SECONDS)]))

    def end(self) -> None:
        """Post it as resolved. Raises DrillFailed."""
        self._poster.post(msgspec.json.encode([self._alert(time.time())]))

    def wait_for_score(self, seconds: float) -> str | None:
        """The Alertmanagers, once each shows the alert with its score; None where one does not within `seconds`."""
        return asyncio.run(self._wait_for_score(seconds))

    def _alert(self, ends_at: float) -> dict[str, Any]:
        labels = {"alertname": RULE, "instance": ENTITY, "team": DRILL_TEAM, "severity": "none"}
        return {
            "labels": {**labels, LABEL: "true", RUN_LABEL: self._run},
            "annotations": {"summary": TITLE},
            "startsAt": moment(self._at).isoformat(),
            "endsAt": moment(ends_at).isoformat(),
        }

    async def _check_routes(self) -> None:
        upstream = Upstream(self._settings.relay, RelayMetrics())
        try:
            for one in upstream.members:
                status = await one.get(STATUS_PATH)
                routed = has_route(status.body, LABEL, "true") if status.taken else None
                if routed is None:
                    raise SettingsError(
                        f"the configuration of Alertmanager {one.name} can't be read",
                        "let this machine read its /api/v2/status, as relay_alertmanagers names it",
                    )
                if not routed:
                    raise SettingsError(
                        f"Alertmanager {one.name} has no route for the label {LABEL}, so a drill might call people",
                        f'add a route with the matcher {LABEL}="true" to a receiver that calls nobody',
                    )
        finally:
            await upstream.drain(0)

    async def _wait_for_score(self, seconds: float) -> str | None:
        upstream = Upstream(self._settings.relay, RelayMetrics())
        deadline = time.monotonic() + seconds
        waiting = {one.name: one for one in upstream.members}
        path = f"{POST_PATH}?filter={RUN_LABEL}%3D%22{self._run}%22"
        try:
            while True:
                for name, one in list(waiting.items()):
                    if is_annotated((await one.get(path)).body):
                        del waiting[name]
                if not waiting:
                    return ", ".join(one.name for one in upstream.members)
                if time.monotonic() >= deadline:
                    return None
                await asyncio.sleep(0.1)
        finally:
            await upstream.drain(0)


def check_team(settings: Settings, alert: Mapping[str, Any]) -> None:
    """Hold the team that the file of sources gives the alert against the drill's. Raises SettingsError."""
    reader = EventReader(load_sources(settings.sources.options).of(SOURCE), MemoryFiringStore())
    look = Look(msgspec.json.encode(alert["labels"]), msgspec.json.encode(alert), time.time())
    team = reader.identify([look], time.time())[0].team
    if team != DRILL_TEAM:
        raise SettingsError(
            f"by the file of sources the drill would be an alert of the team {team!r}",
            f'let "label:team" be a place of alertmanager.team, and {DRILL_TEAM!r} be in its table of teams if any',
        )


def is_annotated(body: bytes) -> bool:
    """Whether Alertmanager's answer to a search shows an alert with the score's annotation."""
    try:
        found = msgspec.json.decode(body)
        return any(WHY in one["annotations"] for one in found)
    except (msgspec.DecodeError, KeyError, TypeError):
        return False
