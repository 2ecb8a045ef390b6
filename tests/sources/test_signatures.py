"""Who posts has to show that they know a secret; each fault is a 401 with one sentence."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from stream.core.errors import SettingsError
from stream.sources.expiring_store import MemoryExpiringStore
from stream.sources.parsed import BadRequest
from stream.sources.replays import Duplicate, ReplayGuard
from stream.sources.signatures import (
    StandardWebhooks,
    check_bearer,
    check_grafana,
    check_hashes,
    check_pagerduty,
    hash_token,
    new_token,
)
from tests.sources import bodies
from tests.sources.test_worked import AwayStore

SECRET = b"test-secret-not-real-1"
BODY = '{"event": "ä"}'.encode()
NOW = 1_795_600_000.0
STAMP_HEADER = "x-grafana-alerting-timestamp"

# One answer for upper case: refused. PagerDuty writes lower case, and what writes otherwise is not PagerDuty.
REFUSED = {
    "signature_wrong.json": "does not hold for this body",
    "signature_missing.json": "there is no signature",
    "signature_of_version_2.json": "no signature of version 1",
    "signature_upper_case.json": "64 hex digits in lower case",
    "version_2_messages.json": "there is no signature",
}


def digest(signed: bytes, key: bytes = SECRET) -> str:
    """HMAC-SHA-256 in hex."""
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def refusal(error: pytest.ExceptionInfo[BadRequest]) -> str:
    """The sentence of a 401."""
    assert error.value.status == 401
    assert "test-secret" not in str(error.value)
    return str(error.value)


def test_shared_bodies_of_pagerduty(shared_data: Path) -> None:
    """Every signed body of real life holds for its bytes as they came, the others are refused each for its reason."""
    names = bodies.names_of(shared_data, "pagerduty")
    assert set(REFUSED) < names
    for name in sorted(names):
        body = bodies.shared_body(shared_data, f"pagerduty/{name}")
        headers = bodies.shared_headers(shared_data, f"pagerduty/{name}")
        if name not in REFUSED:
            assert check_pagerduty(body, headers, [SECRET]).scheme == "pagerduty"
            with pytest.raises(BadRequest):
                check_pagerduty(body + b" ", headers, [SECRET])
            continue
        with pytest.raises(BadRequest) as refused:
            check_pagerduty(body, headers, [SECRET])
        assert REFUSED[name] in refusal(refused)


@pytest.mark.parametrize(
    "header",
    [
        f"v1={digest(BODY)}",
        f"v1={'0' * 64},v1={digest(BODY)}",
        f"v2={'0' * 64}, v1={digest(BODY)}",
        f"v1={digest(BODY, b'old')}",
        f"v1=short,v1={digest(BODY)}",
    ],
)
def test_any_signature_of_pagerduty_may_match(header: str) -> None:
    """While a secret is changed PagerDuty signs with both, and we may know both."""
    assert check_pagerduty(BODY, {"x-pagerduty-signature": header}, [SECRET, b"old"]).scheme == "pagerduty"


@pytest.mark.parametrize("header", ["", "v1", "v1=", "v1=é" + "0" * 63, f"v1={digest(BODY)}0", f"V1={digest(BODY)}"])
def test_headers_that_are_no_signature(header: str) -> None:
    """Whatever stands there, the answer is a 401."""
    with pytest.raises(BadRequest) as refused:
        check_pagerduty(BODY, {"x-pagerduty-signature": header}, [SECRET])
    assert refusal(refused)


def test_no_secret_holds_for_nothing() -> None:
    """A source without secrets accepts no signature."""
    with pytest.raises(BadRequest):
        check_pagerduty(BODY, {"x-pagerduty-signature": f"v1={digest(BODY)}"}, [])


def test_grafana_signs_the_body() -> None:
    """Bare hex; a header of another name may be set."""
    assert check_grafana(BODY, {"x-grafana-alerting-signature": digest(BODY)}, [SECRET], NOW).delivery is None
    assert check_grafana(BODY, {"x-sig": digest(BODY)}, [b"new", SECRET], NOW, header="x-sig").scheme == "grafana"
    for headers in ({}, {"x-grafana-alerting-signature": digest(b"other")}, {"x-grafana-alerting-signature": "v1=0"}):
        with pytest.raises(BadRequest) as refused:
            check_grafana(BODY, headers, [SECRET], NOW)
        assert refusal(refused)


def signed_by_grafana(stamp: str) -> dict[str, str]:
    """Headers of a contact point with a timestamp header."""
    return {
        "x-grafana-alerting-signature": digest(stamp.encode() + b":" + BODY),
        STAMP_HEADER: stamp,
    }


@pytest.mark.parametrize(
    ("stamp", "said"),
    [
        (f"{NOW:.0f}", ""),
        (f"{NOW - 300:.0f}", ""),
        (f"{NOW + 300:.0f}", ""),
        (f"{NOW - 301:.0f}", "5 min old"),
        (f"{NOW + 301:.0f}", "ahead of this clock"),
        ("", "no time in seconds"),
        ("1.5", "no time in seconds"),
        ("9" * 13, "no time in seconds"),
    ],
)
def test_grafana_signs_a_time(stamp: str, said: str) -> None:
    """With its timestamp header `TIMESTAMP:BODY` is signed, and is good for five minutes."""
    headers = signed_by_grafana(stamp)
    if not said:
        proof = check_grafana(BODY, headers, [SECRET], NOW, timestamp_header=STAMP_HEADER)
        assert (proof.signed_at, proof.delivery) == (float(stamp), headers["x-grafana-alerting-signature"])
        return
    with pytest.raises(BadRequest) as refused:
        check_grafana(BODY, headers, [SECRET], NOW, timestamp_header=STAMP_HEADER)
    assert said in refusal(refused)


def test_a_signature_of_the_body_alone_is_no_signature_of_the_time() -> None:
    """Who recorded an old post without a time can't add one."""
    headers = {"x-grafana-alerting-signature": digest(BODY), STAMP_HEADER: f"{NOW:.0f}"}
    with pytest.raises(BadRequest):
        check_grafana(BODY, headers, [SECRET], NOW, timestamp_header=STAMP_HEADER)


def test_bearer_tokens() -> None:
    """Two are valid at once; settings hold hashes only."""
    (first, first_hash), (second, second_hash) = new_token(), new_token()
    hashes = check_hashes([first_hash, second_hash], "intake_tokens.grafana")
    assert first not in repr(hashes)
    for header in (f"Bearer {first}", f"bearer   {second} "):
        assert check_bearer({"authorization": header}, hashes).scheme == "bearer"
    for header in (
        "",
        "Bearer",
        "Bearer ",
        f"Basic {first}",
        f"Bearer {first}x",
        f"Bearer {first_hash}",
        "Bearer é\ud800",
    ):
        with pytest.raises(BadRequest) as refused:
            check_bearer({"authorization": header}, hashes)
        assert first not in refusal(refused)
    with pytest.raises(BadRequest):
        check_bearer({"authorization": f"Bearer {first}"}, [])


@pytest.mark.parametrize(
    ("hashes", "said"),
    [
        (["token"], "entry 1 is no hash"),
        ([hash_token("a"), "sha256:0"], "entry 2"),
        ([hash_token("a")] * 3, "3 tokens"),
    ],
)
def test_hashes_in_settings(hashes: list[str], said: str) -> None:
    """A token that stands there in clear text is refused without being shown."""
    with pytest.raises(SettingsError, match=said) as refused:
        check_hashes(hashes, "intake_tokens.grafana")
    assert "intake_tokens.grafana" in str(refused.value)
    assert "'token'" not in str(refused.value)


STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def signed_by_standard(at: datetime, body: bytes = BODY, identity: str = "msg_1") -> dict[str, str]:
    """Headers as the library's own signer makes them."""
    signature = Webhook(STANDARD).sign(identity, at, body.decode())
    stamp = f"{int(at.timestamp())}"
    return {"webhook-id": identity, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_standard_webhooks() -> None:
    """What the library signs holds, under any of the secrets; id and time are signed."""
    now = datetime.now(UTC).replace(microsecond=0)
    old_and_new = StandardWebhooks(["whsec_" + base64.b64encode(b"other").decode(), STANDARD], "intake_keys.events")
    headers = signed_by_standard(now)
    proof = old_and_new.check(BODY, headers)
    assert (proof.delivery, proof.signed_at) == ("msg_1", now.timestamp())
    headers["webhook-signature"] = f"v1,AAAA v2,BBBB {headers['webhook-signature']}"
    assert old_and_new.check(BODY, headers).delivery == "msg_1"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"webhook-id": ""}, "missing required headers"),
        ({"webhook-id": "msg_2"}, "no matching signature"),
        ({"webhook-timestamp": "1795600000"}, "timestamp too"),
        ({"webhook-timestamp": "nan"}, "invalid Signature Headers"),
        ({"webhook-signature": "v1"}, "can't be read"),
        ({"webhook-signature": "v1,="}, "no matching signature"),
        ({"webhook-signature": "v1,é"}, "can't be read"),
        ({"webhook-signature": "v2,AAAA"}, "no matching signature"),
    ],
)
def test_standard_webhooks_that_do_not_hold(changed: dict[str, str], said: str) -> None:
    """Each fault of a header is a 401, also those that the library lets through as other errors."""
    headers = signed_by_standard(datetime.now(UTC)) | changed
    with pytest.raises(BadRequest) as refused:
        StandardWebhooks([STANDARD], "k").check(BODY, headers)
    assert said in refusal(refused)


def test_standard_webhooks_that_are_old_or_of_no_text() -> None:
    """Ten minutes are too old; a body that is not UTF-8 is refused, and so is all where no secret is set."""
    for at, body in ((datetime.now(UTC) - timedelta(minutes=10), BODY), (datetime.now(UTC), b"\xff")):
        with pytest.raises(BadRequest):
            StandardWebhooks([STANDARD], "k").check(body, signed_by_standard(at))
    with pytest.raises(BadRequest, match="no secret is set"):
        StandardWebhooks([], "k").check(BODY, signed_by_standard(datetime.now(UTC)))
    for wrong in ("whsec_a", "whsec_", "whsec_é"):
        with pytest.raises(SettingsError, match="entry 1"):
            StandardWebhooks([wrong], "intake_keys.events")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first draw loads tables
@given(
    st.binary(max_size=40),
    st.dictionaries(
        st.sampled_from(
            ["authorization", "x-pagerduty-signature", "x-grafana-alerting-signature", STAMP_HEADER, "webhook-id",
             "webhook-timestamp", "webhook-signature"]
        ),
        st.text(max_size=20) | st.sampled_from(["v1=", "Bearer x", "v1,AAAA", "1795600000"]),
    ),
)  # fmt: skip
def test_hostile_headers(body: bytes, headers: dict[str, str]) -> None:
    """Nothing is ever accepted, and nothing but a 401 is ever raised."""
    with pytest.raises(BadRequest):
        check_bearer(headers, [hash_token("y")])
    with pytest.raises(BadRequest):
        check_pagerduty(body, headers, [SECRET])
    with pytest.raises(BadRequest):
        check_grafana(body, headers, [SECRET], NOW)
    with pytest.raises(BadRequest):
        check_grafana(body, headers, [SECRET], NOW, timestamp_header=STAMP_HEADER)
    with pytest.raises(BadRequest):
        StandardWebhooks([STANDARD], "k").check(body, headers)


def test_replays() -> None:
    """A delivery is known once its events are safe: the answer is 200, and nothing is done; sources are apart."""
    clock = [0.0]
    guard = ReplayGuard(MemoryExpiringStore(lambda: clock[0]), kept_seconds=100.0)
    guard.check("pagerduty", "E1", NOW, NOW)
    guard.check("pagerduty", "E1", NOW, NOW)
    guard.remember("pagerduty", "E1")
    with pytest.raises(Duplicate, match="'E1' was taken before") as duplicate:
        guard.check("pagerduty", "E1", NOW, NOW)
    assert duplicate.value.status == 200
    guard.check("pagerduty", "E2", NOW, NOW)
    guard.check("grafana", "E1", NOW, NOW)
    clock[0] = 101.0
    guard.check("pagerduty", "E1", None, NOW)


def test_a_replay_that_is_too_old_to_be_known() -> None:
    """What was signed before the memory began is refused, so that an old recording can't be played once it is over."""
    guard = ReplayGuard(MemoryExpiringStore(), kept_seconds=100.0)
    guard.check("pagerduty", "E1", NOW - 100.0, NOW)
    with pytest.raises(BadRequest) as refused:
        guard.check("pagerduty", "E1", NOW - 101.0, NOW)
    assert "send it anew" in refusal(refused)


def test_without_memory_or_id_every_delivery_is_taken() -> None:
    """The proof holds, and what comes twice has the same ids: better twice than lost."""
    guard = ReplayGuard(AwayStore())
    guard.remember("pagerduty", "E1")
    guard.check("pagerduty", "E1", NOW, NOW)
    guard = ReplayGuard(MemoryExpiringStore())
    guard.remember("opsgenie", None)
    guard.check("opsgenie", None, None, NOW)
