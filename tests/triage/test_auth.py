"""Who may look, who may give verdicts, and what another site can't do."""

from pathlib import Path

import pytest

from stream.core.errors import SettingsError
from stream.sources.signatures import hash_token
from stream.triage.auth import Access, load_auth
from tests.triage.records import enriched
from tests.triage.rig import Rig

VERDICT = {"id": "request1", "action": "acted", "keys": ["episode-A1"]}
AUTH = f"""
[proxy]
header = "X-Forwarded-User"
from = ["10.0.0.0/8"]
[tokens]
ann = "{hash_token("ng_ann")}"
bob = "{hash_token("ng_bob")}"
[roles]
bob = "viewer"
"""


@pytest.fixture
def auth(tmp_path: Path) -> Path:
    """A file with two people's tokens and a proxy."""
    path = tmp_path / "auth.toml"
    path.write_text(AUTH)
    return path


def test_beyond_loopback_somebody_must_be_named() -> None:
    """A page that others can reach does not start without a file that says who may use it."""
    with pytest.raises(SettingsError, match="nothing says who may use the page; name a file"):
        Access(None, "0.0.0.0")


def test_loopback_needs_no_token() -> None:
    """On one machine the page opens, and verdicts are those of one local person."""
    rig = Rig()
    rig.take(enriched())
    assert rig.get("/").status_code == 200
    assert rig.post("/v1/verdicts", VERDICT).json()["rows"][0]["mark"]["person"] == "p-local"


def test_a_foreign_name_for_loopback_is_refused() -> None:
    """A site whose name points to 127.0.0.1 can't read the page."""
    answer = Rig().get("/api/rows", host="evil.example")
    assert answer.status_code == 403
    assert "triage_hosts" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/", "/api/rows", "/events", "/alerts/payments/A1", "/model", "/v1/scores"])
def test_without_a_token_nothing_is_shown(auth: Path, path: str) -> None:
    """Every page and every piece of data asks who is there."""
    assert Rig(auth, "0.0.0.0").get(path).status_code == 401


def test_a_browser_is_sent_to_the_sign_in(auth: Path) -> None:
    """A person without a token is shown where to give it."""
    answer = Rig(auth, "0.0.0.0").get("/", accept="text/html")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_token_signs_in(auth: Path) -> None:
    """The form takes a token, and its cookie opens the page; no script can read it, no other site sends it."""
    rig = Rig(auth, "0.0.0.0")
    answer = rig.send("POST", "/login", {"sec-fetch-site": "same-origin"}, b"token=ng_ann")
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert rig.get("/", cookie=cookie.partition(";")[0]).status_code == 200


def test_a_wrong_token_does_not(auth: Path) -> None:
    """The form comes back with a sentence, and no cookie."""
    answer = Rig(auth, "0.0.0.0").send("POST", "/login", {"sec-fetch-site": "same-origin"}, b"token=ng_eve")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_viewer_gives_no_verdicts(auth: Path) -> None:
    """Who is a viewer sees the list, and is refused with the role to ask for."""
    rig = Rig(auth, "0.0.0.0")
    rig.take(enriched())
    assert rig.get("/api/rows", authorization="Bearer ng_bob").status_code == 200
    answer = rig.post("/v1/verdicts", VERDICT, authorization="Bearer ng_bob")
    assert answer.status_code == 403
    assert "responder" in answer.json()["error"]
    assert rig.post("/v1/verdicts", VERDICT, authorization="Bearer ng_ann").status_code == 200


def test_a_proxy_is_believed_from_its_own_address_only(auth: Path) -> None:
    """The header's name counts when the proxy sends it, and not when anybody else does."""
    rig = Rig(auth, "0.0.0.0")
    assert rig.get("/api/rows", x_forwarded_user="carol").status_code == 401
    rig.address = "10.1.2.3"
    assert rig.get("/api/rows", x_forwarded_user="carol").status_code == 200


def test_only_who_gave_it_undoes_it(auth: Path) -> None:
    """A second person can't take the first one's verdict back."""
    rig = Rig(auth, "0.0.0.0")
    rig.take(enriched())
    rig.post("/v1/verdicts", VERDICT, authorization="Bearer ng_ann")
    rig.address = "10.1.2.3"
    answer = rig.post("/v1/undo", {"id": "request1"}, x_forwarded_user="carol")
    assert answer.status_code == 409
    assert "somebody else" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "", "origin": "https://evil.example"},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/verdicts", "/v1/snooze", "/v1/undo", "/v1/publish"])
def test_another_site_changes_nothing(path: str, headers: dict[str, str]) -> None:
    """Whatever a browser is made to send from elsewhere is refused before it is read."""
    rig = Rig()
    rig.take(enriched())
    own = {"origin": "http://127.0.0.1:9113", "content-type": "application/json", "sec-fetch-site": "same-origin"}
    sent = own | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = rig.send("POST", path, {name: value for name, value in sent.items() if value}, b"{}")
    assert answer.status_code == 403
    assert rig.room.verdicts.waiting == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names nobody"),
        ("[tokens]\nann = 'plain'", "can't be used"),
        ("nonsense", "can't be used"),
        ('[proxy]\nheader = "X-User"\nfrom = ["everywhere"]', "no network"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake in the file is one sentence that names the setting."""
    path = tmp_path / "auth.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"triage_auth.*{message}"):
        Access(load_auth(path), "0.0.0.0")
