"""Faust's side of the lane: its credentials, and that no other module knows it."""

import ast
import ssl
from pathlib import Path

import pytest

import stream
from stream.config import make_settings
from stream.core.errors import SettingsError
from stream.lane.faust import faust_credentials

PACKAGE = Path(stream.__file__).parent
LIBRARIES = ("faust", "mode", "aiokafka")
A_PURE_HASH = "aiokafka.partitioner"


def test_security_settings_reach_faust(tmp_path: Path) -> None:
    """TLS and SASL by librdkafka's names work for aiokafka too; what can't be honoured is refused."""
    assert faust_credentials(make_settings()) is None
    tls = faust_credentials(make_settings(kafka={"security.protocol": "SSL"}))
    assert isinstance(tls.context, ssl.SSLContext)
    both = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }
    sasl = faust_credentials(make_settings(kafka=both))
    assert (sasl.username, sasl.password, sasl.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    with pytest.raises(SettingsError, match="GSSAPI"):
        faust_credentials(make_settings(kafka={"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}))
    with pytest.raises(SettingsError, match="ssl"):
        faust_credentials(make_settings(kafka={"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none")}))


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


@pytest.mark.slow
def test_one_module_knows_faust() -> None:
    """Whoever replaces Faust or its driver edits one file; the partitioner's hash function is no part of either."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for name in imports_of(path) - {A_PURE_HASH}
        if name.partition(".")[0] in LIBRARIES
    }
    assert users == {"lane/faust.py"}
