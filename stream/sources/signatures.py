"""Proof of sender: who posts a body shows that they know a secret. One function a scheme; each refuses with a 401.

Every comparison takes the same time whatever is right. `body` are the bytes as they came, before anything is unpacked.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence

from msgspec import Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.events import words_for
from stream.extras import import_extra
from stream.sources.parsed import BadRequest

AUTHORIZATION = "authorization"
PAGERDUTY_HEADER = "x-pagerduty-signature"
GRAFANA_HEADER = "x-grafana-alerting-signature"
WEBHOOK_ID = "webhook-id"
WINDOW_SECONDS = 300.0
TOKEN_BYTES = 32
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class Proof(Struct, frozen=True):
    """What a sender has shown.

    Attributes:
        scheme: `bearer`, `pagerduty`, `grafana` or `standard`.
        delivery: the signed id of the delivery, by which a replay is known; None where nothing signed is one.
        signed_at: when it was signed, seconds since 1970; None where that is not signed.
    """

    scheme: str
    delivery: str | None = None
    signed_at: float | None = None


def new_token() -> tuple[str, str]:
    """A new bearer token for a sender, and its hash for the settings; the token itself is kept nowhere."""
    token = f"ng_{secrets.token_urlsafe(TOKEN_BYTES)}"
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """The hash of a token as settings hold it. Tokens are random, so a fast hash does: there is nothing to guess.

    >>> hash_token("x")
    'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'
    """
    return f"sha256:{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


def check_hashes(hashes: Sequence[str], key: str) -> tuple[str, ...]:
    """The hashes of a source's tokens, of which two may be valid at once, so that one can be changed without a gap.

    Raises:
        SettingsError: naming `key`, one is no hash or there are too many.
    """
    if len(hashes) > limits.ACCEPTED_TOKENS:
        raise SettingsError(
            f"{key} has {len(hashes)} tokens, {limits.ACCEPTED_TOKENS} are valid at once; drop the oldest"
        )
    for number, text in enumerate(hashes, start=1):
        if _HASH.fullmatch(text) is None:
            raise SettingsError(f"{key}: entry {number} is no hash of a token; write sha256: and 64 hex digits")
    return tuple(hashes)


def check_bearer(headers: Mapping[str, str], hashes: Sequence[str]) -> Proof:
    """Hold `Authorization: Bearer TOKEN` against the hashes of the source's tokens.

    Args:
        headers: names in lower case.
        hashes: see `check_hashes`.

    Raises:
        BadRequest: 401.
    """
    scheme, _, token = headers.get(AUTHORIZATION, "").strip().partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise BadRequest(401, AUTHORIZATION, "there is no bearer token; send the header `Authorization: Bearer TOKEN`")
    given = hash_token(token.strip())
    if not _is_any([given], hashes):
        raise BadRequest(401, AUTHORIZATION, "the bearer token is not one of this source; send one that is valid now")
    return Proof("bearer")


def check_pagerduty(body: bytes, headers: Mapping[str, str], keys: Sequence[bytes]) -> Proof:
    """Hold `X-PagerDuty-Signature` against the body; of its `v1=` signatures, one for each secret, any may match.

    The delivery's id is in the body (`event.id`), which is signed; the header `X-Webhook-Id` is not.

    Raises:
        BadRequest: 401.
    """
    header = headers.get(PAGERDUTY_HEADER, "").strip()
    if not header:
        raise BadRequest(
            401, PAGERDUTY_HEADER, "there is no signature; make the subscription sign (X-PagerDuty-Signature)"
        )
    parts = [part.strip() for part in header.split(",")[: limits.SIGNATURES]]
    signatures = [part.removeprefix("v1=") for part in parts if part.startswith("v1=")]
    if not signatures:
        raise BadRequest(401, PAGERDUTY_HEADER, "there is no signature of version 1 (`v1=`), the only one that is read")
    _check_digests(body, signatures, keys, PAGERDUTY_HEADER)
    return Proof("pagerduty")


def check_grafana(
    body: bytes,
    headers: Mapping[str, str],
    keys: Sequence[bytes],
    now: float,
    *,
    header: str = GRAFANA_HEADER,
    timestamp_header: str | None = None,
    window_seconds: float = WINDOW_SECONDS,
) -> Proof:
    """Hold Grafana's HMAC, bare hex, against the body; with a timestamp header against `TIMESTAMP:BODY`.

    Args:
        body: the bytes as they came.
        headers: names in lower case.
        keys: secrets, any of which may have signed.
        now: seconds since 1970.
        header: where the contact point writes the signature, in lower case.
        timestamp_header: where it writes the time, in lower case; None: it writes none.
        window_seconds: how far that time may be from now.

    Raises:
        BadRequest: 401.
    """
    signature = headers.get(header, "").strip()
    if not signature:
        raise BadRequest(
            401, header, f"there is no signature; set the contact point's HMAC signature (header {header})"
        )
    if timestamp_header is None:
        _check_digests(body, [signature], keys, header)
        return Proof("grafana")
    stamp = headers.get(timestamp_header, "").strip()
    if _SECONDS.fullmatch(stamp) is None:
        raise BadRequest(
            401, timestamp_header, f"{timestamp_header} is no time in seconds; set the contact point's timestamp header"
        )
    _check_digests(stamp.encode() + b":" + body, [signature], keys, header)
    _check_window(float(stamp), now, window_seconds, timestamp_header)
    return Proof("grafana", delivery=signature, signed_at=float(stamp))


class StandardWebhooks:
    """Standard Webhooks' signatures, for our own form of events.

    Args:
        keys: secrets such as `whsec_...`, any of which may have signed.
        key: the setting's name, for errors.

    Raises:
        SettingsError: one is no secret; or the extra `web` is not installed.
    """

    def __init__(self, keys: Sequence[str], key: str) -> None:
        import_extra("standardwebhooks", "web", "Standard Webhooks' signatures need", SettingsError)
        from standardwebhooks import Webhook
        from standardwebhooks.webhooks import EmptyWebhookSecretError

        self._webhooks = list[Webhook]()
        for number, secret in enumerate(keys, start=1):
            try:
                self._webhooks.append(Webhook(secret))
            except (ValueError, EmptyWebhookSecretError):
                raise SettingsError(f"{key}: entry {number} is no secret; write whsec_ and base64") from None

    def check(self, body: bytes, headers: Mapping[str, str]) -> Proof:
        """Hold `webhook-id`, `webhook-timestamp` and `webhook-signature` against the body, within five minutes.

        Raises:
            BadRequest: 401.
        """
        from standardwebhooks.webhooks import WebhookVerificationError

        detail = "no secret is set for it"
        for webhook in self._webhooks:
            try:
                webhook.verify(body, dict(headers), json_parse=False)
            except WebhookVerificationError as error:
                detail = str(error)[:1].lower() + str(error)[1:]
            except ValueError:  # the library lets base64, UTF-8 and a missing comma through
                detail = "a header or the body can't be read"
            else:
                return Proof("standard", headers[WEBHOOK_ID], float(headers["webhook-timestamp"]))
        raise BadRequest(
            401,
            "webhook-signature",
            f"the Standard Webhooks signature does not hold: {detail}; sign with a valid secret",
        )


def _check_digests(signed: bytes, signatures: Sequence[str], keys: Sequence[bytes], header: str) -> None:
    if not any(_DIGEST.fullmatch(signature) for signature in signatures):
        raise BadRequest(401, header, f"{header} holds no HMAC-SHA-256, which is 64 hex digits in lower case")
    right = [hmac.new(key, signed, hashlib.sha256).hexdigest() for key in keys]
    if not _is_any(signatures, right):
        raise BadRequest(
            401, header, f"{header} does not hold for this body; sign the bytes as sent, with a valid secret"
        )


def _is_any(given: Sequence[str], right: Sequence[str]) -> bool:
    """Whether any of these is one of those; all pairs are compared, so that time does not tell which."""
    found = False
    for one in given:
        for other in right:
            found |= hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
    return found


def _check_window(at: float, now: float, seconds: float, field: str) -> None:
    if abs(now - at) > seconds:
        way = "old" if at < now else "ahead of this clock"
        raise BadRequest(
            401,
            field,
            f"the signature is {words_for(abs(now - at))} {way}, {words_for(seconds)} are allowed; send it anew",
        )
