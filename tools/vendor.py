"""The page's two JavaScript libraries, taken from npm: `make vendor` writes them to stream/triage/static/vendor.

vendor.json there is the lock: a package's version, licence and integrity (npm's SHA-512 of the tarball), and the
SHA-512 of each file that is kept. A tarball with another integrity or licence is refused. `make vendor UPGRADE=1` takes
the newest versions.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

FOLDER = Path(__file__).parents[1] / "stream" / "triage" / "static" / "vendor"
LOCK = FOLDER / "vendor.json"
KEPT = {  # package: the files of its tarball that the page uses, with all that they import
    "lit-html": (
        *("LICENSE", "lit-html.js", "directive.js", "directive-helpers.js"),
        *("directives/guard.js", "directives/repeat.js"),
    ),
    "tinykeys": ("LICENSE", "dist/tinykeys.mjs"),
}
BUILT = "dist/"  # left out of the path here: git and the wheel ignore folders of this name
LICENCES = {"lit-html": "BSD-3-Clause", "tinykeys": "MIT"}
TARBALL_BYTES = 4_000_000
_SECONDS = 120


class Package(Struct, frozen=True):
    """A vendored package: its version, its licence's SPDX name, and the hashes of its tarball and of the kept files."""

    version: str
    licence: str
    integrity: str
    files: dict[str, str]


class VendorError(Exception):
    """A package that is not what the lock says, or that npm does not give."""


def integrity(content: bytes) -> str:
    """The SHA-512 of some bytes, as npm and browsers write it.

    >>> integrity(b"")[:20]
    'sha512-z4PhNX7vuL3xV'
    """
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def read_lock() -> dict[str, Package]:
    """The locked packages by name; none where there is no lock yet."""
    if not LOCK.exists():
        return {}
    return msgspec.json.decode(LOCK.read_bytes(), type=dict[str, Package])


def unpack(name: str, tarball: Path, locked: Package | None) -> tuple[Package, dict[str, bytes]]:
    """A tarball's package and the contents of its kept files by path.

    Raises:
        VendorError: its integrity is not the locked one, its licence not the expected one, or a file is missing.
    """
    whole = integrity(tarball.read_bytes())
    if locked is not None and whole != locked.integrity:
        raise VendorError(
            f"{name} {locked.version}: the tarball's integrity is {whole}, the lock says {locked.integrity}"
        )
    with tarfile.open(tarball) as archive:
        about = json.loads(_member(archive, name, "package.json"))
        files = {path.removeprefix(BUILT): _member(archive, name, path) for path in KEPT[name]}
    if about["license"] != LICENCES[name]:
        raise VendorError(f"{name} {about['version']}: its licence is {about['license']}, not {LICENCES[name]}")
    hashes = {path: integrity(content) for path, content in files.items()}
    return Package(about["version"], about["license"], whole, hashes), files


def _member(archive: tarfile.TarFile, name: str, path: str) -> bytes:
    try:
        opened = archive.extractfile(f"package/{path}")
    except KeyError:
        opened = None
    if opened is None:
        raise VendorError(f"{name}: its tarball has no {path}")
    return opened.read(TARBALL_BYTES)


def fetch(name: str, version: str, folder: Path) -> Path:
    """The tarball of a package, as npm gives it.

    Raises:
        VendorError: npm is not installed, or does not give it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError("there is no npm on this machine; install it (on Debian and Ubuntu 'apt-get install npm')")
    command = [npm, "pack", "--json", "--ignore-scripts", "--pack-destination", str(folder), f"{name}@{version}"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines()
        raise VendorError(f"npm pack {name}@{version} failed: {lines[-1] if lines else 'it gives no reason'}")
    return folder / str(json.loads(ran.stdout)[0]["filename"])


def vendor(upgrade: bool) -> dict[str, Package]:
    """Take all packages and write their files and the lock.

    Raises:
        VendorError: see `fetch` and `unpack`; then nothing was written.
    """
    locked = {} if upgrade else read_lock()
    packages, contents = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in KEPT:
            version = locked[name].version if name in locked else "latest"
            tarball = fetch(name, version, Path(folder))
            packages[name], contents[name] = unpack(name, tarball, locked.get(name))
    for name, files in contents.items():
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        for path, content in files.items():
            target = FOLDER / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    LOCK.write_bytes(msgspec.json.format(msgspec.json.encode(packages), indent=2) + b"\n")
    return packages


def main() -> int:
    """`make vendor`."""
    try:
        packages = vendor(upgrade=bool(os.environ.get("UPGRADE")))
    except VendorError as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command
        return 1
    for name, package in packages.items():
        print(f"{name} {package.version} ({package.licence})")  # noqa: T201  # a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
