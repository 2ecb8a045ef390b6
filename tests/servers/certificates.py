"""A certificate authority of its own, made by openssl, and certificates for loopback."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

_EXTENSIONS = "subjectAltName={name}\nextendedKeyUsage=serverAuth,clientAuth\n"


class Certificate(NamedTuple):
    """A certificate and its key, as PEM files."""

    file: Path
    key: Path


class Authority:
    """An authority that nobody trusts by default. FileNotFoundError where openssl is not installed.

    Args:
        folder: where its files are.

    Attributes:
        file: its own certificate, PEM.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            raise FileNotFoundError("openssl is not installed")
        self._folder = folder
        self.file, self._key = folder / "ca.pem", folder / "ca-key.pem"
        _openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", "/CN=ca", "-keyout", self._key, "-out", self.file)

    def issue(self, name: str, alternative: str = "IP:127.0.0.1") -> Certificate:
        """A certificate of this name, for a server or a client on loopback."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(_EXTENSIONS.format(name=alternative), encoding="utf-8")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        signed_by = ("-CA", self.file, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *signed_by, "-days", "2", "-extfile", extensions, "-out", made.file)
        return made

    def server_context(self, certificate: Certificate, asks_clients: bool = False) -> ssl.SSLContext:
        """For a server; `asks_clients`: only clients with a certificate of this authority are served."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.file))
        context.verify_mode = ssl.CERT_REQUIRED if asks_clients else ssl.CERT_NONE
        context.load_cert_chain(certificate.file, certificate.key)
        return context

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """For a client that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        if certificate is not None:
            context.load_cert_chain(certificate.file, certificate.key)
        return context


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
