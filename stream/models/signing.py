"""Signed models: Ed25519 over the manifest's bytes, which hold the hash of every other file. The only module that
imports cryptography (extra `signing`).
"""

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from stream.core.errors import ModelError, SettingsError
from stream.extras import import_extra
from stream.models.artifact import MANIFEST, SIGNATURE, limit_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEYS_BYTES = 64 * 1024
_SIGNATURE_BYTES = 64
_END = "-----END PUBLIC KEY-----"


def make_keys(private: Path) -> Path:
    """Write a new private key, for its owner's eyes only, and beside it the public one (.pub); returns the latter.

    Raises:
        SettingsError: a file of one of the two names is there already, or can't be written.
    """
    _require()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key, public = Ed25519PrivateKey.generate(), private.with_name(f"{private.name}.pub")
    _write_new(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def sign(manifest: bytes, private: Path) -> bytes:
    """The content of manifest.sig: base64, one line.

    Raises:
        SettingsError: the key can't be read, or is none.
    """
    return base64.b64encode(_private_key(private).sign(manifest)) + b"\n"


def check_signature(folder: Path, keys: Path) -> bytes:
    """Hold the artifact in `folder` to one of the public keys in the file `keys`; returns the manifest that was signed.

    Raises:
        ModelError: it is not signed, or by none of them.
        SettingsError: the file of keys can't be used.
    """
    try:
        manifest, path = (folder / MANIFEST).read_bytes(), folder / SIGNATURE
        signature = path.read_bytes() if path.is_file() and path.stat().st_size <= limit_of(SIGNATURE) else None
    except OSError as error:
        raise ModelError(f"{folder}: its signature can't be read: {error.strerror}") from None
    check_signed(manifest, signature, keys, str(folder))
    return manifest


def check_signed(manifest: bytes, signature: bytes | None, keys: Path, where: str) -> None:
    """The same on bytes; `where` begins the message."""
    known = public_keys(keys)
    if signature is None:
        raise ModelError(f"{where}: is not signed, and model_keys accepts signed models only", f"see `models sign`")
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except ValueError:
        raw = b""
    if len(raw) != _SIGNATURE_BYTES:
        raise ModelError(f"{where}: {SIGNATURE} holds no signature")
    if not any(_fits(key, raw, manifest) for key in known):
        raise ModelError(
            f"{where}: the signature is by none of the {len(known)} keys in {keys}, or not of this manifest"
        )


def public_keys(path: Path) -> "list[Ed25519PublicKey]":
    """The public keys of a PEM file.

    Raises:
        SettingsError: it can't be read, or holds anything else.
    """
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = _read(path, "model_keys").decode("ascii", "replace")
    found = []
    for block in text.split(_END)[:-1]:
        try:
            key = load_pem_public_key(f"{block.strip()}\n{_END}\n".encode())
        except (ValueError, UnsupportedAlgorithm):
            raise SettingsError(f"model_keys = {str(path)!r} holds something that is no public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SettingsError(
                f"model_keys = {str(path)!r} holds a key that is not Ed25519", f"see `noisegate models keys`"
            )
        found.append(key)
    if not found:
        raise SettingsError(
            f"model_keys = {str(path)!r} holds no public key", f"make a pair with `noisegate models keys`"
        )
    return found


def _private_key(path: Path) -> "Ed25519PrivateKey":
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path, "the key"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"the key {str(path)!r} is no private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"the key {str(path)!r} is not Ed25519", f"make one with `noisegate models keys`")
    return key


def _fits(key: "Ed25519PublicKey", signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _read(path: Path, what: str) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            return file.read(KEYS_BYTES)
    except OSError as error:
        raise SettingsError(f"{what} = {str(path)!r} can't be read: {error.strerror}") from None


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise SettingsError(f"{path} is there already, and a key is never overwritten", f"name another file") from None
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from None


def _require() -> None:
    import_extra("cryptography", "signing", "signed models need", SettingsError)
