"""Who may look and who may give verdicts, and which requests come from the page itself.

role = "responder"              # of those whom [proxy] names and [roles] does not

[proxy]                         # a proxy that signs people in
header = "X-Forwarded-User"     # where it writes the name
from = ["10.0.0.0/8"]           # the only addresses that are believed

[tokens]                        # hashes of tokens, by name
ann = "sha256:..."

[roles]
bob = "viewer"
"""

import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from stream.core import limits
from stream.core.errors import SettingsError
from stream.sources.signatures import hash_token
from stream.triage.view import Role

COOKIE = "noisegate_token"
LOCAL = "local"
Hash = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Header = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+\Z", max_length=limits.NAME_LENGTH)]
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAME_SITE = frozenset({"same-origin", "none"})


class ProxyOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A proxy in front that says who asks."""

    header: Header
    addresses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)] = field(name="from")


class AuthOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may use the page."""

    proxy: ProxyOptions | None = None
    tokens: dict[Name, Hash] = {}
    roles: dict[Name, Role] = {}
    role: Role = "responder"


class Viewer(Struct, frozen=True):
    """Who asks, and what they may do."""

    name: str
    role: Role


class Denied(Exception):
    """A request is refused.

    Attributes:
        status: 401 where signing in helps, 403 where it does not.
        sentence: what is wrong, with the mend.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Access:
    """Checks requests.

    Args:
        options: None: nobody is asked who they are.
        host: where the page listens.
        hosts: more names by which browsers may reach it.

    Raises:
        SettingsError: the host can be reached by others and nothing says who may use the page.
    """

    def __init__(self, options: AuthOptions | None, host: str, hosts: tuple[str, ...] = ()) -> None:
        self._options = options
        self._is_loopback = is_loopback(host)
        self._hosts = _LOOPBACK_NAMES.union(name.casefold() for name in hosts)
        self._names = {token: name for name, token in (options.tokens if options else {}).items()}
        self._networks = [_network(one) for one in (options.proxy.addresses if options and options.proxy else ())]
        if options is None and not self._is_loopback:
            raise SettingsError(
                f"triage_host = {host!r} can be reached by others, and nothing says who may use the page",
                "name a file with tokens or a proxy in triage_auth, see docs/TRIAGE.md, or listen on 127.0.0.1",
            )

    @property
    def takes_tokens(self) -> bool:
        """Whether people can sign in with a token."""
        return bool(self._names)

    def check(self, headers: Mapping[str, str], cookies: Mapping[str, str], address: str) -> Viewer:
        """Who asks. Raises Denied: 401 where nobody is signed in, 403 where the host is not ours."""
        if self._options is None:
            host = (urlsplit(f"//{headers.get('host', '')}").hostname or "").casefold()
            if host not in self._hosts:  # a name of somebody else's that points here (DNS rebinding)
                raise Denied(403, f"{host!r} is no name of this page; add it to triage_hosts")
            return Viewer(LOCAL, "responder")
        name = self._proxied(headers, address) or self._token_name(headers, cookies)
        if name is None:
            raise Denied(401, "nobody is signed in; sign in with a token, or ask through the proxy")
        return Viewer(name, self._options.roles.get(name, self._options.role))

    def token_name(self, token: str) -> str | None:
        """Whose token it is; None: nobody's."""
        return self._names.get(hash_token(token.strip())) if token.strip() else None

    def _proxied(self, headers: Mapping[str, str], address: str) -> str | None:
        proxy = self._options.proxy if self._options else None
        if proxy is None:
            return None
        name = headers.get(proxy.header.lower(), "").strip()[: limits.NAME_LENGTH]
        try:
            sender = ip_address(address)
        except ValueError:
            return None
        return name if name and any(sender in network for network in self._networks) else None

    def _token_name(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> str | None:
        scheme, _, given = headers.get("authorization", "").strip().partition(" ")
        if scheme.casefold() == "bearer":
            return self.token_name(given)
        return self.token_name(cookies.get(COOKIE, ""))


def check_site(headers: Mapping[str, str]) -> None:
    """Refuse what another site made a browser send. Raises Denied: 403.

    A browser says in Sec-Fetch-Site or, an older one, in Origin where a request comes from; what has neither is no
    browser, and holds no cookie of one.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_foreign = site not in _SAME_SITE
    else:
        is_foreign = origin is not None and urlsplit(origin).netloc.casefold() != headers.get("host", "").casefold()
    if is_foreign:
        raise Denied(403, "the request comes from another site; give verdicts on the page itself")


def check_json(headers: Mapping[str, str]) -> None:
    """Refuse a change that is not sent as JSON, as a form of another site would. Raises Denied: 403."""
    if headers.get("content-type", "").partition(";")[0].strip().casefold() != "application/json":
        raise Denied(403, "a request that changes something is JSON; send Content-Type: application/json")


def require_responder(viewer: Viewer) -> None:
    """Refuse who may only look. Raises Denied: 403."""
    if viewer.role != "responder":
        raise Denied(403, f"{viewer.name} may look, but gives no verdicts; ask for the role responder in triage_auth")


def load_auth(path: Path | None) -> AuthOptions | None:
    """The options of the file that the setting `triage_auth` names; None where it names none.

    Raises:
        SettingsError: naming file, key and mend.
    """
    if path is None:
        return None
    try:
        options = msgspec.convert(tomllib.loads(path.expanduser().read_text(encoding="utf-8")), AuthOptions)
    except OSError as error:
        raise SettingsError(
            f"triage_auth = {str(path)!r} can't be read: {error.strerror}", "name a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"triage_auth = {str(path)!r} can't be used: {error}", "mend the file") from None
    if not options.tokens and options.proxy is None:
        raise SettingsError(f"triage_auth = {str(path)!r} names nobody who may look", "add [tokens] or [proxy]")
    return options


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise SettingsError(f"triage_auth: proxy.from has {text!r}, which is no network", "write 10.0.0.0/8") from None
