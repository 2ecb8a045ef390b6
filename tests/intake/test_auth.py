"""Proof of sender: tokens and signatures by source, and what is refused at start."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.config import make_settings
from stream.core.errors import SettingsError
from stream.intake.auth import AuthOptions, load_authenticators
from stream.intake.worker import Intake
from stream.sources.signatures import hash_token
from tests.intake.bodies import alert, group, incident_event, raised
from tests.intake.rig import NOW, ROOT, rig

TOKEN, OTHER = "ng_one", "ng_two"
NAMES = ("alertmanager", "grafana", "pagerduty", "events", "map/zabbix")
TOKENS = AuthOptions(tokens=(hash_token(TOKEN), hash_token(OTHER)))


def signed(body: bytes, secret: bytes) -> str:
    """An HMAC as PagerDuty and Grafana make it."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (f"bearer {OTHER}", 202),
        ("Bearer ng_three", 401),
        ("Basic bmc6b25l", 401),
        (None, 401),
    ],
)
def test_a_token_is_needed_where_one_is_set(header: str | None, status: int) -> None:
    """Both valid tokens are taken, others refused in one sentence before the body is read."""

    async def test() -> None:
        async with rig(auth={"alertmanager": TOKENS}) as intake:
            headers = {"authorization": header} if header else {}
            answer = await intake.post("alertmanager", group(alert()), headers)
            assert answer.status_code == status
            assert (len(intake.publisher.outputs), intake.handler.budget.bytes) == (1 if status == 202 else 0, 0)
            if status == 401:
                assert answer.json()["field"] == "authorization"
                assert answer.headers["www-authenticate"] == "Bearer"

    asyncio.run(test())


def test_pagerduty_s_signature_is_over_the_bytes_as_they_came() -> None:
    """A body that was changed by one blank is refused, and so is one without a signature; nothing is published."""

    async def test() -> None:
        async with rig(auth={"pagerduty": AuthOptions(secrets=("a-secret-1", "a-secret-2"))}) as intake:
            body = json.dumps(incident_event()).encode()
            right = {"x-pagerduty-signature": f"v1={'0' * 64},v1={signed(body, b'a-secret-2')}"}
            assert (await intake.post("pagerduty", body + b" ", right)).status_code == 401
            assert (await intake.post("pagerduty", body)).status_code == 401
            assert intake.publisher.outputs == []
            assert (await intake.post("pagerduty", body, right)).status_code == 202
            assert (await intake.post("pagerduty", body, right)).json()["duplicate"] is True

    asyncio.run(test())


def test_a_replayed_grafana_post_is_known_and_an_old_one_refused() -> None:
    """Within the window the same signature is a duplicate; beyond it, 401."""
    options = AuthOptions(secrets=("a-secret-1",), timestamp_header="X-Grafana-Time")

    async def test() -> None:
        async with rig(auth={"grafana": options}) as intake:
            body = json.dumps(group(alert())).encode()

            def headers(at: float) -> dict[str, str]:
                text = f"{at:.0f}:".encode() + body
                return {
                    "x-grafana-time": f"{at:.0f}",
                    "x-grafana-alerting-signature": signed(text, b"a-secret-1"),
                }

            assert (await intake.post("grafana", body, headers(NOW))).status_code == 202
            assert (await intake.post("grafana", body, headers(NOW))).json()["duplicate"] is True
            old = await intake.post("grafana", body, headers(NOW - 3_600))
            assert (old.status_code, old.json()["field"]) == (401, "x-grafana-time")

    asyncio.run(test())


def test_standard_webhooks_prove_our_own_form() -> None:
    """A signature of the library is taken once; a token does instead."""
    from standardwebhooks import Webhook

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    options = AuthOptions(tokens=(hash_token(TOKEN),), secrets=(secret,))
    now = datetime.now(UTC)

    async def test() -> None:
        async with rig(auth={"events": options}) as intake:
            body = json.dumps(raised()).encode()
            headers = {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
            }
            assert (await intake.post("events", body, headers)).status_code == 202
            assert (await intake.post("events", body, headers)).json()["duplicate"] is True
            assert (await intake.post("events", body + b"\n", headers)).status_code == 401
            bearer = {"authorization": f"Bearer {TOKEN}"}
            assert (await intake.post("events", raised("INC2"), bearer)).status_code == 202

    asyncio.run(test())


def test_beyond_loopback_something_must_be_proven(tmp_path: Path) -> None:
    """Without any proof the start is refused; with some, sources without one take nothing."""
    with pytest.raises(SettingsError, match=r"intake_host = '0.0.0.0' .* intake_auth") as raised_error:
        load_authenticators(None, "0.0.0.0", NAMES)
    assert raised_error.value.mend
    for host in ("127.0.0.1", "::1", "localhost", "127.3.4.5"):
        assert load_authenticators(None, host, NAMES)["grafana"].check_headers({}) is not None
    path = tmp_path / "auth.toml"
    path.write_text(f'[alertmanager]\ntokens = ["{hash_token(TOKEN)}"]\n')
    found = load_authenticators(path, "example.net", NAMES)
    assert found["alertmanager"].check_headers({"authorization": f"Bearer {TOKEN}"}) is not None
    with pytest.raises(Exception, match="no proof of sender is set for grafana"):
        found["grafana"].check_headers({})


def test_the_default_table_is_for_what_has_none(tmp_path: Path) -> None:
    """A source with a table of its own does not take the default's token."""
    path = tmp_path / "auth.toml"
    path.write_text(
        f'[default]\ntokens = ["{hash_token(TOKEN)}"]\n[map.zabbix]\ntokens = ["{hash_token(OTHER)}"]\n'
        '[pagerduty]\nsecrets = ["a-secret-1"]\n'
    )
    found = load_authenticators(path, "0.0.0.0", NAMES)
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert found["grafana"].check_headers(bearer) is not None
    assert found["pagerduty"].check_headers(bearer) is None  # the body's signature decides
    with pytest.raises(Exception, match="not one of this source"):
        found["map/zabbix"].check_headers(bearer)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[alertmanager]\ntokens = ['plain']", "no hash of a token"),
        ("[grafanna]\ntokens = []", r"\[grafanna\] is no source"),
        ("[alertmanager]\nsecrets = ['a-secret-1']", "signs nothing"),
        ("[alertmanager]\ntoken = ['x']", "unknown field `token`"),
        ("[events]\nsecrets = ['whsec_abcde']", "is no secret"),
        ("alertmanager", "is not TOML"),
    ],
)
def test_a_file_that_can_t_be_used_is_refused_without_its_secrets(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence names the place and not the secret."""
    path = tmp_path / "auth.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=sentence) as error:
        load_authenticators(path, "127.0.0.1", NAMES)
    assert "a-secret" not in str(error.value)
    assert "plain" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The setting's name and the reason are in the sentence."""
    with pytest.raises(SettingsError, match=r"intake_auth = .* can't be read"):
        load_authenticators(tmp_path / "none.toml", "127.0.0.1", NAMES)


def test_the_shipped_file_can_be_used() -> None:
    """Its one token is the one that its comment names, for every source."""
    found = load_authenticators(ROOT / "deploy" / "auth.toml", "0.0.0.0", NAMES)
    for authenticator in found.values():
        assert authenticator.check_headers({"authorization": "Bearer for-this-machine-only"}) is not None


def test_a_body_that_would_never_fit_is_refused_at_the_start(tmp_path: Path) -> None:
    """The largest body packed and unpacked must fit into what all bodies may hold, or it is answered 503 for ever."""
    settings = make_settings(intake_body_bytes=64 * 1024 * 1024, pseudonym_key=str(tmp_path / "key"))
    with pytest.raises(SettingsError, match=r"intake_waiting_bytes = 67108864 .*; set it to 134217728 or more"):
        Intake(settings)
