"""Only what a known key signed is accepted, and only as it was signed."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.errors import ModelError, SettingsError
from stream.models.artifact import MANIFEST, SIGNATURE
from stream.models.manifest import decode_manifest
from stream.models.model import load_model
from stream.models.signing import check_signature, check_signed, make_keys, public_keys, sign
from tests.lab.logs import small_problem
from tests.models.damage import edit_manifest


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; its public one is beside it."""
    make_keys(tmp_path / "key")
    return tmp_path / "key"


def signed(artifact: Path, key: Path) -> None:
    """Sign the artifact."""
    (artifact / SIGNATURE).write_bytes(sign((artifact / MANIFEST).read_bytes(), key))


def test_what_was_signed_is_accepted(artifact: Path, key: Path, tmp_path: Path) -> None:
    """By one of several keys; the private key is for its owner's eyes only."""
    signed(artifact, key)
    other = make_keys(tmp_path / "other")
    both = tmp_path / "both.pem"
    both.write_bytes(other.read_bytes() + b"# ours\n" + key.with_name("key.pub").read_bytes())
    assert len(public_keys(both)) == 2
    check_signature(artifact, both)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(ModelError, match="by none of the 1 keys"):
        check_signature(artifact, other)


def test_a_changed_manifest_is_refused(artifact: Path, key: Path) -> None:
    """One bit of the manifest, and the signature no longer fits."""
    signed(artifact, key)
    content = bytearray((artifact / MANIFEST).read_bytes())
    content[100] ^= 1
    (artifact / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match="or not of this manifest"):
        check_signature(artifact, key.with_name("key.pub"))


def test_what_is_not_signed_is_refused(artifact: Path, key: Path) -> None:
    """No signature, and one that is too large to be one."""
    for content in (None, b"x" * 5_000):
        if content is not None:
            (artifact / SIGNATURE).write_bytes(content)
        with pytest.raises(ModelError, match="is not signed, and model_keys accepts signed models only"):
            check_signature(artifact, key.with_name("key.pub"))


def test_what_was_signed_is_what_is_loaded(artifact: Path, key: Path) -> None:
    """A manifest that is swapped in a local store after its signature was checked is not the one that serves."""
    signed(artifact, key)
    trusted = check_signature(artifact, key.with_name("key.pub"))
    edit_manifest(artifact, lambda content: content["thresholds"].update(likely_noise=0.0))
    loaded = load_model(artifact, small_problem(), trusted)
    assert loaded.manifest == decode_manifest(trusted, "here")


@given(content=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_for_a_signature_are_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing but a signature passes, and nothing else is raised."""
    public = make_keys(tmp_path_factory.mktemp("keys") / "key")
    with pytest.raises(ModelError, match=r"^here: "):
        check_signed(b"manifest", content, public, "here")


def test_keys_are_never_overwritten(key: Path) -> None:
    """A second pair of the same name is refused."""
    before = key.read_bytes()
    with pytest.raises(SettingsError, match="is there already"):
        make_keys(key)
    assert key.read_bytes() == before


def test_what_is_no_key_is_told(key: Path, tmp_path: Path) -> None:
    """No file, no key in it, the private one, another kind of key: one sentence that names the file."""
    curve = generate_private_key(SECP256R1())
    (tmp_path / "ec.pub").write_bytes(curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "ec").write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rubbish").write_bytes(b"\xff-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    told = {"ec.pub": "not Ed25519", "rubbish": "no public key", "key": "no public key", "none": "can't be read"}
    for name, words in told.items():
        with pytest.raises(SettingsError, match=words):
            public_keys(tmp_path / name)
    for name, words in {"ec": "not Ed25519", "key.pub": "no private key", "none": "can't be read"}.items():
        with pytest.raises(SettingsError, match=words):
            sign(b"", tmp_path / name)
