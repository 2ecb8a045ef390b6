"""Pseudonyms of people: who acted is told apart in the log, and no name or address of theirs is in it.

A pseudonym is made with a key (HMAC-SHA-256), so that nobody without the key can try out names.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from stream.core import limits
from stream.core.errors import SettingsError

DIGITS = 10
"""Among 148,665 people two have the same of the 16 ** 10 pseudonyms with a chance of 1 %; among 10,000, of 0.005 %."""
KEY_BYTES = 32
_KEY = re.compile(r"[0-9a-f]{64}")


class PseudonymKey(Struct, frozen=True):
    """The key of a deployment's pseudonyms.

    Attributes:
        key: 32 bytes.
        path: the file that holds it.
        made: whether it was made just now.
        exposed: whether others on the machine may read the file.
    """

    key: bytes
    path: Path
    made: bool = False
    exposed: bool = False

    @property
    def sentence(self) -> str:
        """What a person has to know of it at start; empty where all is well."""
        if self.made:
            return (
                f"{self.path} was not there: a new key for people's pseudonyms was made in it; keep it, and give it to "
                "every intake and relay, or the same person gets another pseudonym there"
            )
        if self.exposed:
            return f"{self.path} can be read by others, who could try out names with it; run `chmod 600 {self.path}`"
        return ""


class Pseudonyms:
    """Makes pseudonyms.

    Args:
        key: 32 bytes; the same key makes the same pseudonyms, on any machine.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, source: str, actor: str) -> str:
        """Ten hex digits for an account of a source; case and blanks around it do not count.

        The source counts: two tools' `admin` are not known to be one person.

        >>> Pseudonyms(bytes(32)).of("pagerduty", "PUSER01")
        'c61faf7ce3'
        """
        text = f"{source}\0{actor.strip().casefold()}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:DIGITS]

    def maker(self, source: str) -> Callable[[str], str]:
        """The function that makes pseudonyms of one source's accounts."""
        return lambda actor: self.of(source, actor)


def load_key(path: Path) -> PseudonymKey:
    """The key in a file: 64 hex digits. Where there is no file one is made, for its owner's eyes only.

    Processes that start at the same moment get one key.

    Raises:
        SettingsError: the file can't be read or made, or holds no key.
    """
    try:
        path = path.expanduser()
    except RuntimeError:
        raise SettingsError(f"pseudonym_key = {str(path)!r} can't be read: this user has no home folder") from None
    made = not path.exists() and _make(path)
    try:
        with path.open("rb") as file:
            text = file.read(limits.KEY_FILE_BYTES).decode("ascii", "replace").strip()
            exposed = bool(os.fstat(file.fileno()).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError as error:
        raise SettingsError(
            f"pseudonym_key = {str(path)!r} can't be read: {error.strerror}; name a file that this user may read"
        ) from None
    if _KEY.fullmatch(text) is None:
        raise SettingsError(
            f"pseudonym_key = {str(path)!r} holds no key: it must be 64 hex digits in lower case; name another file, "
            "and one is made there"
        )
    return PseudonymKey(bytes.fromhex(text), path, made, exposed)


def _make(path: Path) -> bool:
    """Write a new key whole and at once; False where another process was first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(
            f"pseudonym_key = {str(path)!r} is not there and can't be made: {error.strerror}; name a file in a folder "
            "that this user may write to"
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink()
    return True
