"""The TOML that names the targets: each mistake with file and line, and secrets only by a file or the environment.

allow = ["10.0.0.0/8"]           # private networks that targets may be in

[[alertmanager]]
name = "alertmanager"
url = "http://10.1.2.3:9093"
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.alertmanager import AlertmanagerTarget
from stream.closer.targets.http_client import HttpClient
from stream.closer.targets.pagerduty import URL, PagerDutyTarget
from stream.closer.targets.target import Target
from stream.closer.targets.webhook import WebhookTarget, read_keys
from stream.core import limits
from stream.core.errors import Fault, SettingsError
from stream.core.rules import Mistake

MOST_TARGETS = 16
MOST_SECRET_BYTES = limits.KEY_FILE_BYTES
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*\Z", max_length=40)]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Texts = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=100)]


class _File(Struct, forbid_unknown_fields=True, kw_only=True):
    """What holds for all targets."""

    allow: Annotated[list[Text], Meta(max_length=100)] = []
    attempts: Annotated[int, Meta(ge=1, le=1_000)] = 20
    give_up_minutes: Annotated[float, Meta(gt=0, le=10_080)] = 60.0
    release_hours: Annotated[float, Meta(gt=0, le=720)] = 24.0
    retry_seconds: Annotated[float, Meta(gt=0, le=60)] = 0.5
    timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    connections: Annotated[int, Meta(ge=1, le=32)] = 4


class _Http(Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name
    authorization_file: Text | None = None
    authorization_env: Text | None = None
    ca: Text | None = None


class _Alertmanager(_Http, kw_only=True):
    url: Text
    most_silences: Annotated[int, Meta(ge=1, le=10_000)] = 100
    sources: Texts = ("alertmanager",)


class _PagerDuty(_Http, kw_only=True):
    url: Text = URL
    routing_key_file: Text | None = None
    routing_key_env: Text | None = None
    dedup_key: Annotated[str, Meta(pattern=r"^(alert_id|label:.+)\Z", max_length=200)] = "alert_id"
    on_pause: Literal["nothing", "resolve"] = "nothing"


class _Webhook(_Http, kw_only=True):
    url: Text
    secret_file: Text | None = None
    secret_env: Text | None = None


_Options = _Alertmanager | _PagerDuty | _Webhook
_KINDS: Mapping[str, type[_Options]] = {"alertmanager": _Alertmanager, "pagerduty": _PagerDuty, "webhook": _Webhook}
_SECRETS: Mapping[str, str] = {"pagerduty": "routing_key", "webhook": "secret"}


class Targets(Struct, frozen=True):
    """What a file of targets holds.

    Attributes:
        targets: in the order of their kinds and of the file.
        attempts: how often a pause or a closure is tried.
        give_up_seconds: how long it is tried.
        release_seconds: how long a release is tried.
        retry_seconds: after how long it is tried again at first; the wait doubles, up to a minute.
        connections: how many deeds one target does at a time.
    """

    targets: tuple[Target, ...] = ()
    attempts: int = 20
    give_up_seconds: float = 3_600.0
    release_seconds: float = 86_400.0
    retry_seconds: float = 0.5
    connections: int = 4


def read_targets(path: Path, environment: Mapping[str, str]) -> Targets:
    """The targets of a file.

    Args:
        path: of the TOML; files of secrets are named from its folder.
        environment: variables that may hold secrets.

    Raises:
        SettingsError: it can't be read or used; the message names file and line, and shows no secret.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"closer_targets = {str(path)!r} can't be read: {why}", "name a TOML file") from None
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"closer_targets = {str(path)!r} is not TOML: {error}", "mend the line") from None
    reading = _Reading(path, text, environment)
    made = reading.read(document)
    if reading.mistakes:
        first = min(reading.mistakes, key=lambda one: one.line)
        count = len(reading.mistakes) - 1
        more = f" (and {count} more mistake{'s' * (count > 1)})" if count else ""
        raise SettingsError(f"{first.file}:{first.line}: {first.fault.problem}{more}", first.fault.mend)
    return made


class _Reading:
    """One file being read; mistakes are gathered."""

    def __init__(self, path: Path, text: str, environment: Mapping[str, str]) -> None:
        self._path, self._folder, self._lines = path, path.expanduser().parent, text.splitlines()
        self._environment = environment
        self._names: set[str] = set()
        self.mistakes: list[Mistake] = []

    def read(self, document: dict[str, Any]) -> Targets:
        tables = {kind: document.pop(kind) for kind in _KINDS if kind in document}
        shared: _File | None = self._convert(document, _File, "", 0)
        if shared is None:
            return Targets()
        try:
            rules = AddressRules(shared.allow)
        except SettingsError as error:
            self._mistake(error, "", 0)
            return Targets()
        made: list[Target] = []
        for kind, listed in tables.items():
            if not isinstance(listed, list) or not all(isinstance(table, dict) for table in listed):
                self._mistake(SettingsError(f"{kind} is no list of tables", f"begin each with [[{kind}]]"), kind, 0)
                continue
            for number, table in enumerate(listed):
                made += self._target(kind, number, table, shared, rules)
        if len(made) > MOST_TARGETS:
            self._mistake(SettingsError(f"there are {len(made)} targets, at most {MOST_TARGETS} are used"), "", 0)
        return Targets(
            targets=tuple(made),
            attempts=shared.attempts,
            give_up_seconds=shared.give_up_minutes * 60.0,
            release_seconds=shared.release_hours * 3_600.0,
            retry_seconds=shared.retry_seconds,
            connections=shared.connections,
        )

    def _target(
        self, kind: str, number: int, table: Mapping[str, Any], shared: _File, rules: AddressRules
    ) -> Iterator[Target]:
        options: _Options | None = self._convert(table, _KINDS[kind], kind, number)
        if options is None:
            return
        try:
            if options.name in self._names:
                raise SettingsError(f"name = {options.name!r} is taken", "give this target another name")
            self._names.add(options.name)
            authorization = self._secret(options, "authorization")
            headers = {"Authorization": authorization} if authorization is not None else {}
            ca = self._folder / Path(options.ca).expanduser() if options.ca is not None else None
            client = HttpClient(options.url, rules, shared.timeout_seconds, headers, ca)
            yield self._make(kind, options, client)
        except SettingsError as error:
            self._mistake(error, kind, number)

    def _make(self, kind: str, options: _Options, client: HttpClient) -> Target:
        if isinstance(options, _Alertmanager):
            return AlertmanagerTarget(options.name, client, options.most_silences, options.sources)
        key = _SECRETS[kind]
        secret = self._secret(options, key)
        if secret is None:
            raise SettingsError(f"{key} is missing", f"name it by {key}_file or {key}_env")
        if isinstance(options, _PagerDuty):
            return PagerDutyTarget(options.name, client, secret, options.dedup_key, options.on_pause)
        return WebhookTarget(options.name, client, read_keys(secret, key))

    def _secret(self, options: _Options, key: str) -> str | None:
        """What a file or a variable of the environment holds, without blanks around it; None: neither is named."""
        file, variable = getattr(options, f"{key}_file"), getattr(options, f"{key}_env")
        if file is not None and variable is not None:
            raise SettingsError(f"{key}_env and {key}_file are both given", "keep one of them")
        if variable is not None:
            found, where = self._environment.get(variable), f"{key}_env"
            if found is None:
                raise SettingsError(f"{where} = {variable!r} is not set in the environment", "set it")
        elif file is not None:
            found, where = _read_secret(self._folder / Path(file).expanduser(), f"{key}_file"), f"{key}_file"
        else:
            return None
        text = " ".join(found.split()) if key == "secret" else found.strip()  # of a webhook there may be two
        if not text or len(text) > MOST_SECRET_BYTES or not (text.isascii() and text.isprintable()):
            raise SettingsError(f"{where} holds no text of one line of ASCII", "write the secret only")
        return text

    def _convert(self, table: Mapping[str, Any], to: Any, kind: str, number: int) -> Any:
        """The table as options; None where it has mistakes, which are gathered."""
        types = get_type_hints(to, include_extras=True)
        wrong = [(key, fault) for key, value in table.items() if (fault := _fault(key, value, types, kind)) is not None]
        missing = (one.name for one in fields(to) if one.required and one.name not in table)
        wrong += [(key, Fault(f"{key} is missing", f"add {key}")) for key in missing]
        self.mistakes += [Mistake(str(self._path), self._line(kind, number, key), fault) for key, fault in wrong]
        return None if wrong else msgspec.convert(table, to)

    def _mistake(self, error: SettingsError, kind: str, number: int) -> None:
        key = re.split(r"\W", error.problem, maxsplit=1)[0]
        line = self._line(kind, number, key)
        self.mistakes.append(Mistake(str(self._path), line, Fault(error.problem, error.mend)))

    def _line(self, kind: str, number: int, key: str) -> int:
        """The line of a key in the table of this number (from 0), else where the table begins, else 1."""
        heads = [at for at, line in enumerate(self._lines) if re.match(r"\s*\[", line)]
        own = [at for at in heads if re.match(rf"\s*\[\[\s*\"?{re.escape(kind)}\"?\s*\]\]", self._lines[at])]
        start = own[number] if kind and number < len(own) else -1
        end = next((at for at in heads if at > start), len(self._lines))
        pattern = re.compile(rf"\s*\"?{re.escape(key)}(_file|_env)?\"?\s*=")
        found = (at for at in range(max(start, 0), end) if pattern.match(self._lines[at]))
        return next(found, max(start, 0)) + 1


def _fault(key: str, value: Any, types: Mapping[str, Any], kind: str) -> Fault | None:
    """What is wrong with one key; its value is not shown, since it may be a secret in the wrong place."""
    if key in types:
        try:
            msgspec.convert(value, types[key])
        except msgspec.ValidationError as error:
            return Fault(f"{key}: {error}", "correct the value")
        return None
    if kind and key == _SECRETS.get(kind):
        return Fault(f"{key} stands in the file itself", f"name it by {key}_file or {key}_env")
    tables = "" if kind else f", and the tables {', '.join(f'[[{one}]]' for one in _KINDS)}"
    return Fault(f"{key} is no key of {kind or 'the file'}", f"the keys are {', '.join(types)}{tables}")


def _read_secret(path: Path, key: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_SECRET_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"{key} = {str(path)!r} can't be read: {why}", "name a readable file") from None
