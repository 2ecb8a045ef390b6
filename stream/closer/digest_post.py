"""One post of a digest: the event that webhooks get, the webhooks themselves, and which of them have it already."""

import hashlib
import os
from typing import Protocol

import msgspec
from msgspec import Struct

from stream.closer.targets.targets_file import read_targets
from stream.closer.targets.webhook import WebhookTarget
from stream.config import Settings
from stream.core.errors import SettingsError
from stream.core.events import seconds
from stream.redis_keys import RULE_DIGEST
from stream.rule_digest import Digest, as_markdown
from stream.rule_state import SharedState

TYPE = "rules.digest"
CLAIM_SECONDS = 180  # longer than any post takes
SENT_SECONDS = 2 * 86_400
_NO_WEBHOOK_MEND = "give the file of targets a [[webhook]], and name it by closer_targets"


class DigestEvent(Struct, frozen=True):
    """A digest as webhooks get it: its id, its owner, and the JSON of the body."""

    id: str
    owner: str
    body: bytes


def digest_event(digest: Digest, deployment: str) -> DigestEvent:
    """The event of a digest. Its id is of the deployment, the owner, and the day (UTC) and length of the span."""
    hours = round((seconds(digest.until) - seconds(digest.since)) / 3_600)
    name = "\0".join(("digest", deployment, digest.owner, f"{digest.until:%F}", str(hours)))
    id_ = hashlib.sha256(name.encode()).hexdigest()[:32]
    data = {"id": id_, "digest": digest, "markdown": as_markdown(digest)}
    return DigestEvent(id_, digest.owner, msgspec.json.encode({"type": TYPE, "timestamp": digest.until, "data": data}))


def read_webhooks(settings: Settings) -> list[WebhookTarget]:
    """The webhooks of the file of targets, which whoever reads them closes.

    Raises:
        SettingsError: there is none, or the file can't be used.
    """
    path = settings.closer.targets
    if path is None:
        raise SettingsError("no file of targets is set, so a digest can be sent nowhere", _NO_WEBHOOK_MEND)
    found = list[WebhookTarget]()
    for target in read_targets(path, os.environ).targets:
        if isinstance(target, WebhookTarget):
            found.append(target)
        else:
            target.close()
    if not found:
        raise SettingsError(f"{path} names no webhook, so a digest can be sent nowhere", _NO_WEBHOOK_MEND)
    return found


class Marks(Protocol):
    """Which digests were sent; `DigestMarks` keeps them in Redis. Calls raise RulesError."""

    def is_sent(self, name: str) -> bool:
        """Whether it was sent."""

    def claim(self, name: str) -> bool:
        """Claim it for CLAIM_SECONDS; False where it was sent, or is claimed by another process."""

    def free(self, name: str) -> None:
        """Give a claim back."""

    def note_sent(self, name: str) -> None:
        """Note that it was sent."""

    def close(self) -> None:
        """End the connections."""


class DigestMarks(SharedState):
    """Marks in Redis; arguments and errors as `SharedState`."""

    def is_sent(self, name: str) -> bool:
        """See `Marks`."""
        return bool(self._call(lambda: self._client.get(self._mark(name))) == b"sent")

    def claim(self, name: str) -> bool:
        """See `Marks`."""
        return bool(self._call(lambda: self._client.set(self._mark(name), "claimed", nx=True, ex=CLAIM_SECONDS)))

    def free(self, name: str) -> None:
        """See `Marks`."""
        self._call(lambda: self._client.delete(self._mark(name)))

    def note_sent(self, name: str) -> None:
        """See `Marks`."""
        self._call(lambda: self._client.set(self._mark(name), "sent", ex=SENT_SECONDS))

    def _mark(self, name: str) -> str:
        return RULE_DIGEST.name(deployment=self._deployment, name=name)
