"""What a sender is answered: a status, and JSON with counts or with one sentence."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from stream.sources.parsed import BadRequest, Refused

LISTED = 100  # parts of one body that are listed in an answer; all are counted and in alerts.failed
JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


class RefusedPart(Struct, frozen=True):
    """A part that can't be used, as the sender sees it: its place, a short name and one sentence."""

    where: str
    reason: str
    detail: str


class Counts(Struct, omit_defaults=True):
    """The answer to a post that was read.

    Attributes:
        accepted: events that Kafka has.
        duplicates: events that were known already.
        refused: parts that can't be used; they are in alerts.failed.
        refused_count: how many they are, where more than are listed.
        ignored: parts that need nothing.
        duplicate: whether there was nothing new.
        notes: sentences for people.
    """

    accepted: int = field(default=-1)
    duplicates: int = field(default=-1)
    refused: list[RefusedPart] = field(default_factory=list)
    refused_count: int = 0
    ignored: int = field(default=-1)
    duplicate: bool = False
    notes: list[str] = field(default_factory=list)


class Answer(Struct, frozen=True):
    """A whole answer; `headers` beside its content type and length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Tally:
    """Counts what became of one post."""

    def __init__(self) -> None:
        self.accepted = self.duplicates = self.ignored = self.refused_count = 0
        self.notes: list[str] = []
        self._refused: list[RefusedPart] = []

    def refuse(self, parts: Sequence[Refused]) -> None:
        """Count parts that can't be used."""
        self.refused_count += len(parts)
        for part in parts[: LISTED - len(self._refused)]:
            self._refused.append(RefusedPart(part.where[:300], part.reason, part.detail[:1_000]))

    def answer(self) -> Answer:
        """202 where Kafka has something of it, else 200: it was known, or nothing was to be done."""
        duplicate = self.duplicates > 0 and not self.accepted and not self.refused_count
        refused_count = self.refused_count if self.refused_count > len(self._refused) else 0
        counts = Counts(
            self.accepted, self.duplicates, self._refused, refused_count, self.ignored, duplicate, self.notes
        )
        document = msgspec.to_builtins(counts)
        document.setdefault("refused", [])
        return Answer(202 if self.accepted or self.refused_count else 200, _encode(document))


def refusal(fault: BadRequest) -> Answer:
    """The answer to a post that is refused whole; a 503 says when to try again."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry: int | None = getattr(fault, "retry_seconds", None)
    if retry is not None:
        headers = ((b"retry-after", str(retry).encode()),)
    elif fault.status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    return Answer(fault.status, _encode({"error": str(fault), "field": fault.field}), headers)
