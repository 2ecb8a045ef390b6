"""Who may post: one TOML with a table a source, of hashed tokens and signing secrets.

[default]                      # every source without a table of its own
tokens = ["sha256:..."]        # of bearer tokens; two may be valid at once

[pagerduty]
secrets = ["..."]              # HMAC of PagerDuty and Grafana; of events and cloudevents: Standard Webhooks, whsec_...
"""

import tomllib
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.sources.parsed import BadRequest
from stream.sources.signatures import (
    GRAFANA_HEADER,
    WINDOW_SECONDS,
    Proof,
    StandardWebhooks,
    check_bearer,
    check_grafana,
    check_hashes,
    check_pagerduty,
)

DEFAULT = "default"
NO_PROOF = Proof("none")
_SIGNED = ("pagerduty", "grafana", "events", "cloudevents")
_STANDARD = ("events", "cloudevents")
Header = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+\Z", max_length=limits.NAME_LENGTH)]
Secret = Annotated[str, Meta(min_length=8, max_length=limits.LABEL_VALUE_LENGTH)]


class AuthOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the senders of one source prove who they are; any of the tokens and secrets will do.

    Attributes:
        tokens: hashes of bearer tokens.
        secrets: what bodies are signed with.
        signature_header: where Grafana's contact point writes its signature.
        timestamp_header: where it writes the time, which is then signed too; None: nowhere.
        window_seconds: how far that time may be from now.
    """

    tokens: tuple[str, ...] = ()
    secrets: Annotated[tuple[Secret, ...], Meta(max_length=limits.ACCEPTED_TOKENS)] = ()
    signature_header: Header = GRAFANA_HEADER
    timestamp_header: Header | None = None
    window_seconds: Annotated[float, Meta(gt=0)] = WINDOW_SECONDS


class Authenticator:
    """Checks the senders of one source.

    Args:
        source: its name.
        options: None: nothing is set for it.
        is_open: whether a source of which nothing is set takes every post.
        key: the table's place, for errors.

    Raises:
        SettingsError: a hash or a secret is none.
    """

    def __init__(self, source: str, options: AuthOptions | None, is_open: bool, key: str = "") -> None:
        self._source, self._options, self._is_open = source, options or AuthOptions(), is_open
        self._tokens = check_hashes(self._options.tokens, f"{key}.tokens")
        self._keys = tuple(secret.encode() for secret in self._options.secrets)
        self._standard = (
            StandardWebhooks(self._options.secrets, f"{key}.secrets") if self._keys and source in _STANDARD else None
        )

    @property
    def is_proven(self) -> bool:
        """Whether a token or a secret is set."""
        return bool(self._tokens or self._keys)

    def check_headers(self, headers: Mapping[str, str]) -> Proof | None:
        """What the headers alone prove; None: the body has to be read first. Raises BadRequest: 401."""
        if not self.is_proven:
            if self._is_open:
                return NO_PROOF
            raise BadRequest(
                401, "", f"no proof of sender is set for {self._source}, so it takes nothing; set its tokens"
            )
        if self._tokens and (not self._keys or "authorization" in headers):
            return check_bearer(headers, self._tokens)
        return None

    def check_body(self, raw: bytes, headers: Mapping[str, str], now: float) -> Proof:
        """What a signature proves of the body as it came. Raises BadRequest: 401."""
        if self._standard is not None:
            return self._standard.check(raw, headers)
        if self._source == "pagerduty":
            return check_pagerduty(raw, headers, self._keys)
        options = self._options
        return check_grafana(
            raw,
            headers,
            self._keys,
            now,
            header=options.signature_header.lower(),
            timestamp_header=options.timestamp_header.lower() if options.timestamp_header else None,
            window_seconds=options.window_seconds,
        )


def load_authenticators(path: Path | None, host: str, sources: Collection[str]) -> dict[str, Authenticator]:
    """What checks the senders of each source.

    Args:
        path: the TOML; None: nothing is set.
        host: where the intake listens; beyond loopback a source of which nothing is set takes nothing.
        sources: their names, such as `grafana` and `map/zabbix`.

    Raises:
        SettingsError: the file can't be used, or the host is beyond loopback and nothing is set at all.
    """
    tables = _read(path) if path is not None else {}
    is_open = _is_loopback(host)
    names = {name.replace("/", "."): name for name in sources}
    for name in tables:
        if name not in names and name != DEFAULT:
            raise SettingsError(f"{path}: [{name}] is no source", f"use {DEFAULT} or one of {', '.join(names)}")
    found = {}
    for name, source in names.items():
        table = name if name in tables else DEFAULT
        found[source] = Authenticator(source, tables.get(table), is_open, f"{path}: {table}")
    if not is_open and not any(one.is_proven for one in found.values()):
        raise SettingsError(
            f"intake_host = {host!r} can be reached by others, and no proof of sender is set",
            "name a file with tokens in intake_auth, see docs/INTAKE.md, or listen on 127.0.0.1",
        )
    return found


def _read(path: Path) -> dict[str, AuthOptions]:
    try:
        tables = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"intake_auth = {str(path)!r} can't be read: {error.strerror}", "name a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"intake_auth = {str(path)!r} is not TOML: {error}", "correct the file") from None
    maps = tables.pop("map", {})
    if isinstance(maps, dict):
        tables |= {f"map.{name}": table for name, table in maps.items()}
    return {name: _options(path, name, table) for name, table in tables.items()}


def _options(path: Path, name: str, table: Any) -> AuthOptions:
    try:
        options = msgspec.convert(table, AuthOptions)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: [{name}]: {error}", "correct this table") from None  # values may be secrets
    if options.secrets and name not in _SIGNED:
        raise SettingsError(f"{path}: [{name}] has secrets, but {name} signs nothing", "give it tokens instead")
    return options


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
