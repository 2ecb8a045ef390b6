"""The API that Prometheus posts to: what it takes, and the sentence that anything else gets."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from stream.config import load_settings, make_settings
from stream.core import limits
from stream.core.errors import SettingsError
from stream.metrics.relay import RelayMetrics
from stream.relay.app import AuthOptions, RelayApp, forwarded_headers, load_auth
from stream.relay.upstream import Reply
from stream.relay.worker import Relay
from stream.sources.signatures import hash_token
from tests.async_waits import until

ALERTS = "/api/v2/alerts"


class Forwarded:
    """A relay's room that answers `reply` and remembers what came; `hold` makes it wait."""

    def __init__(self) -> None:
        self.reply, self.hold = Reply(200), asyncio.Event()
        self.hold.set()
        self.posts: list[tuple[bytes, str, dict[str, str]]] = []

    async def __call__(self, body: bytes, client: str, headers: Mapping[str, str]) -> Reply:
        """Take a post."""
        self.posts.append((body, client, dict(headers)))
        await self.hold.wait()
        return self.reply


def ask(method: str, path: str, forward: Forwarded | None = None, **options: Any) -> httpx.Response:
    """One request to an app of its own; `prefix`, `auth` and `passed` are its, all else is httpx's."""
    prefix, auth, passed = options.pop("prefix", ""), options.pop("auth", AuthOptions()), options.pop("passed", ())
    app: Any = RelayApp(forward or Forwarded(), prefix, auth, RelayMetrics(), passed)

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


def test_a_post_is_forwarded_as_it_came() -> None:
    """Body and sender go on; what the Alertmanagers answered comes back."""
    forward = Forwarded()
    forward.reply = Reply(400, b'"bad label"')
    answer = ask("POST", ALERTS, forward, content=b"[ ]")
    assert (answer.status_code, answer.content) == (400, b'"bad label"')
    assert forward.posts == [(b"[ ]", "127.0.0.1", {})]


def test_a_packed_body_keeps_its_encoding() -> None:
    """The header that says how a body is packed goes on with it."""
    forward = Forwarded()
    ask("POST", ALERTS, forward, content=b"x", headers={"Content-Encoding": "gzip"})
    assert forward.posts == [(b"x", "127.0.0.1", {"Content-Encoding": "gzip"})]


def test_the_names_of_headers_in_the_environment() -> None:
    """Separated by commas; empty: none goes on."""
    environment = {"NOISEGATE_RELAY_TENANT_HEADER": "", "NOISEGATE_RELAY_FORWARD_HEADERS": "X-A, X-B"}
    assert forwarded_headers(load_settings(environment).relay) == ("X-A", "X-B")
    environment["NOISEGATE_RELAY_FORWARD_HEADERS"] = ""
    assert forwarded_headers(load_settings(environment).relay) == ()


HEADERS = {"X-Scope-OrgID": "team-a", "traceparent": "00-1-2-01", "tracestate": "a=b"}


@pytest.mark.parametrize(
    ("sent", "changes", "passed"),
    [
        (HEADERS, {}, HEADERS),
        ({"x-scope-orgid": " team-a "}, {}, {"X-Scope-OrgID": "team-a"}),
        ({**HEADERS, "Authorization": "Bearer x", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"}, {}, HEADERS),
        (HEADERS, {"relay_tenant_header": "", "relay_forward_headers": []}, {}),
        (HEADERS, {"relay_tenant_header": "THANOS-TENANT", "relay_forward_headers": []}, {}),
        ({"Authorization": "Bearer x"}, {"relay_forward_headers": ["Authorization"]}, {"Authorization": "Bearer x"}),
        ({**HEADERS, "Connection": "close, Tracestate"}, {}, {**HEADERS, "tracestate": ""}),
    ],
)
def test_headers_of_the_settings_go_on(sent: dict[str, str], changes: dict[str, Any], passed: dict[str, str]) -> None:
    """Tenant and trace go on by default, a login only where the setting says so, and what is of one hop never."""
    forward = Forwarded()
    names = forwarded_headers(make_settings(**changes).relay)
    assert ask("POST", ALERTS, forward, passed=names, content=b"[]", headers=sent).status_code == 200
    assert forward.posts == [(b"[]", "127.0.0.1", {name: text for name, text in passed.items() if text})]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"relay_forward_headers": ["Transfer-Encoding"]}, "relay_forward_headers has 'Transfer-Encoding'"),
        ({"relay_forward_headers": ["X-A", "connection"]}, "relay_forward_headers has 'connection'"),
        ({"relay_forward_headers": ["X A"]}, "relay_forward_headers has 'X A', which is no name of a header"),
        ({"relay_tenant_header": "Host"}, "relay_tenant_header has 'Host'"),
        ({"relay_tenant_header": "X\n"}, "which is no name of a header"),
    ],
)
def test_headers_that_can_t_go_on_are_named(values: dict[str, Any], sentence: str) -> None:
    """A header of one hop, or no header at all, is named at the start."""
    with pytest.raises(SettingsError, match=sentence):
        forwarded_headers(make_settings(**values).relay)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/api/v1/alerts", 410, "set api_version: v2 in prometheus.yml"),
        ("GET", "/api/v1/alerts", 410, "set api_version: v2 in prometheus.yml"),
        ("GET", ALERTS, 405, "GET is not taken here; ask an Alertmanager itself"),
        ("GET", "/api/v2/status", 404, "there is only /api/v2/alerts here; ask an Alertmanager itself"),
        ("POST", "/api/v2/silences", 404, "there is only /api/v2/alerts here"),
        ("GET", "/", 404, "there is only /api/v2/alerts here"),
    ],
)
def test_anything_else_gets_one_sentence(method: str, path: str, status: int, words: str) -> None:
    """The status, and a sentence with the mend; nothing is forwarded."""
    forward = Forwarded()
    answer = ask(method, path, forward)
    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert forward.posts == []


@pytest.mark.parametrize("prefix", ["am", "/am", "/am/"])
def test_a_path_prefix(prefix: str) -> None:
    """As `path_prefix` in prometheus.yml; without it there is nothing."""
    assert ask("POST", f"/am{ALERTS}", prefix=prefix, content=b"[]").status_code == 200
    answer = ask("POST", ALERTS, prefix=prefix, content=b"[]")
    assert answer.status_code == 404
    assert "there is only /am/api/v2/alerts here" in answer.json()["message"]


AUTH = AuthOptions(tokens=(hash_token("t0ken"), hash_token("other")), users={"ann": hash_token("p:w")})


@pytest.mark.parametrize(
    ("auth", "options", "status"),
    [
        (AUTH, {"headers": {"Authorization": "Bearer t0ken"}}, 200),
        (AUTH, {"headers": {"Authorization": "bearer other"}}, 200),
        (AUTH, {"auth": ("ann", "p:w")}, 200),
        (AUTH, {"headers": {"Authorization": "Bearer wrong"}}, 401),
        (AUTH, {"headers": {"Authorization": "Basic ???"}}, 401),
        (AUTH, {"headers": {"Authorization": "Basic"}}, 401),
        (AUTH, {}, 401),
        (AuthOptions(users=AUTH.users), {"headers": {"Authorization": "Bearer p:w"}}, 401),
        (AuthOptions(tokens=AUTH.tokens), {"headers": {"Authorization": "Basic YW5uOnA6dw=="}}, 401),
    ],
)
def test_who_may_post(auth: AuthOptions, options: dict[str, Any], status: int) -> None:
    """A token, or a name and its password, of the settings' file; anybody else gets 401, and nothing is forwarded."""
    forward = Forwarded()
    basic = options.get("auth")
    headers = dict(options.get("headers", {}))
    if basic:
        headers["Authorization"] = httpx.BasicAuth(*basic)._auth_header
    answer = ask("POST", ALERTS, forward, prefix="", auth=auth, content=b"[]", headers=headers)
    assert answer.status_code == status
    assert len(forward.posts) == (status == 200)


@pytest.mark.parametrize("user", ["ann", "bob"])
def test_a_wrong_password_is_refused(user: str) -> None:
    """Of a user who is known, and of one who is not."""
    headers = {"Authorization": httpx.BasicAuth(user, "x")._auth_header}
    assert ask("POST", ALERTS, auth=AUTH, content=b"[]", headers=headers).status_code == 401


def test_a_body_over_the_limit_is_refused() -> None:
    """413 with the limit, before more of it is read."""
    answer = ask("POST", ALERTS, content=b" " * (limits.BODY_BYTES + 1))
    assert answer.status_code == 413
    assert "send fewer alerts in one post" in answer.json()["message"]


def test_posts_that_are_worked_on_are_bounded() -> None:
    """While the Alertmanagers hang only so many posts are held; one more is answered 503."""

    async def run() -> None:
        forward = Forwarded()
        forward.hold.clear()
        app: Any = RelayApp(forward, "", AuthOptions(), RelayMetrics())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client:
            posts = [asyncio.create_task(client.post(ALERTS, content=b"[]")) for _ in range(limits.RELAY_POSTS)]
            await until(lambda: len(forward.posts) == limits.RELAY_POSTS)
            assert (await client.post(ALERTS, content=b"[]")).status_code == 503
            forward.hold.set()
            assert {answer.status_code for answer in await asyncio.gather(*posts)} == {200}
            assert (await client.post(ALERTS, content=b"[]")).status_code == 200

    asyncio.run(run())


def test_the_file_of_who_may_post(tmp_path: Path) -> None:
    """Tokens and passwords as hashes."""
    file = tmp_path / "auth.toml"
    file.write_text(f'tokens = ["{hash_token("x")}"]\n[users]\nann = "{hash_token("y")}"\n')
    assert load_auth(file) == AuthOptions(tokens=(hash_token("x"),), users={"ann": hash_token("y")})
    assert load_auth(None) == AuthOptions()


@pytest.mark.parametrize(
    "text", ["", "tokens = []", "tokens = ['x']", "users = {ann = 'plain'}", "token = ['x']", "=", "tokens = 7"]
)
def test_a_file_that_can_t_be_used_is_named(tmp_path: Path, text: str) -> None:
    """A password that is no hash, or a file that names nobody: the relay does not start open by mistake."""
    file = tmp_path / "auth.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match="relay_auth"):
        load_auth(file)
    with pytest.raises(SettingsError, match="can't be read"):
        load_auth(tmp_path / "nowhere.toml")


def test_a_certificate_that_is_none_is_named_at_the_start(tmp_path: Path) -> None:
    """A file that is no certificate ends the relay before it listens, in one sentence."""
    file = tmp_path / "relay.pem"
    file.write_text("nothing")
    settings = make_settings(
        relay_alertmanagers=["http://127.0.0.1:1"], relay_tls_certificate=str(file), relay_tls_key=str(file)
    )
    with pytest.raises(SettingsError, match="relay_tls_certificate and relay_tls_key can't be used"):
        Relay(settings)
