"""What the page gives browsers to run and draw: vendored files, modules, colours."""

import re
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from stream.triage.search import matcher
from stream.triage.view import Row
from tests.servers.availability import unavailable
from tools import vendor

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "stream" / "triage" / "static"
SHEET = ROOT / "docs" / "DESIGN_SHEET.md"
BROWSER = Path(__file__).parent / "browser"
TEXT, MARK = 4.5, 3.0  # the least contrast of text, and of marks and edges (WCAG 2.1, 1.4.3 and 1.4.11)


def colours() -> dict[str, tuple[str, str]]:
    """The page's colours by name: light and dark."""
    found = re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\);", (STATIC / "page.css").read_text("utf-8"))
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_vendored_files_are_those_of_the_lock() -> None:
    """Each file has the hash that `make vendor` wrote, and no file is there that it did not write."""
    packages = vendor.read_lock()
    assert {name: one.licence for name, one in packages.items()} == vendor.LICENCES
    expected = {f"{name}/{path}": digest for name, one in packages.items() for path, digest in one.files.items()}
    files = [path for path in vendor.FOLDER.rglob("*") if path.is_file() and path != vendor.LOCK]
    assert {
        path.relative_to(vendor.FOLDER).as_posix(): vendor.integrity(path.read_bytes()) for path in files
    } == expected
    assert all(f"{name}/LICENSE" in expected for name in packages)


def tarball(folder: Path, licence: str, leave_out: str = "") -> Path:
    """A package as npm packs it."""
    file = folder / "tinykeys-1.0.0.tgz"
    about = msgspec.json.encode({"version": "1.0.0", "license": licence})
    with tarfile.open(file, "w:gz") as archive:
        for path in {"package.json", *vendor.KEPT["tinykeys"]} - {leave_out}:
            content = about if path == "package.json" else path.encode()
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return file


def test_a_package_is_refused_that_is_not_the_locked_one(tmp_path: Path) -> None:
    """Another integrity, another licence and a missing file are each named."""
    file = tarball(tmp_path, "MIT")
    package, files = vendor.unpack("tinykeys", file, None)
    assert vendor.unpack("tinykeys", file, package)[1] == files
    assert files == {"LICENSE": b"LICENSE", "tinykeys.mjs": b"dist/tinykeys.mjs"}
    other = msgspec.structs.replace(package, integrity="sha512-other")
    with pytest.raises(vendor.VendorError, match="the lock says sha512-other"):
        vendor.unpack("tinykeys", file, other)
    with pytest.raises(vendor.VendorError, match=r"its licence is GPL-3\.0, not MIT"):
        vendor.unpack("tinykeys", tarball(tmp_path, "GPL-3.0"), None)
    with pytest.raises(vendor.VendorError, match="has no LICENSE"):
        vendor.unpack("tinykeys", tarball(tmp_path, "MIT", leave_out="LICENSE"), None)


def test_modules_import_files_that_are_there() -> None:
    """Every import is relative, and its file is served."""
    for module in STATIC.rglob("*.*js"):
        text = re.sub(r"/\*.*?\*/", "", module.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"""(?:\bfrom|\bimport)\s*["']([^"']+)["']""", text):
            assert target.startswith("."), (module.name, target)
            assert (module.parent / target).is_file(), (module.name, target)


def test_modules_import_names_that_are_exported() -> None:
    """What a module takes from another of ours by name is there; a browser would run nothing of the page otherwise."""
    for module in STATIC.glob("*.js"):
        for names, target in re.findall(
            r"""import \{([^}]*)\} from ["']\./([a-z]+\.js)["']""", module.read_text("utf-8")
        ):
            text = (STATIC / target).read_text("utf-8")
            exported = set(re.findall(r"^export (?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE))
            taken = {name.split(" as ")[0].strip() for name in names.split(",") if name.strip()}
            assert taken <= exported, (module.name, target, taken - exported)


def test_all_modules_are_fetched_at_once() -> None:
    """The page names each module that another one imports, so that browsers need not find them one after the other."""
    text = (STATIC.parent / "pages" / "list.html").read_text("utf-8")
    imported = set()
    for module in (*STATIC.glob("*.js"), *vendor.FOLDER.rglob("*js")):
        code = re.sub(r"/\*.*?\*/", "", module.read_text("utf-8"), flags=re.DOTALL)
        found = re.findall(r"""\bfrom\s*["']([^"']+)["']""", code)
        imported |= {(module.parent / one).resolve().relative_to(STATIC).as_posix() for one in found}
    named = re.findall(r'"([a-z/-]+\.m?js)"', text.partition("{% set modules")[2].partition("%}")[0])
    assert sorted(named) == sorted(imported | {"list.js"})


def test_nothing_that_the_content_security_policy_forbids() -> None:
    """No template has an inline script, style or handler, and no module writes markup or takes an address elsewhere."""
    for page in (STATIC.parent / "pages").glob("*.html"):
        text = page.read_text("utf-8")
        assert (
            re.findall(r"<script(?! type=\"application/json\")(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", text)
            == []
        ), page
    for module in STATIC.glob("*.js"):
        text = module.read_text("utf-8")
        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://| style=", text) == []
        ), module


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_their_grounds(scheme: int) -> None:
    """Texts reach 4.5 on every ground on which they stand, marks and edges 3."""
    named = {name: both[scheme] for name, both in colours().items()}
    for ground in ("page", "panel", "hover", "chosen", "chip"):
        for text in ("ink", "soft", "acted", "unsure", "noise", "accent", "live"):
            assert contrast(named[text], named[ground]) >= TEXT, (text, ground)
        assert contrast(named["edge"], named[ground]) >= MARK, ground
    assert contrast(named["on-accent"], named["accent"]) >= TEXT


def test_the_design_sheet_gives_the_colours_and_contrasts_of_the_style() -> None:
    """Each row of its table holds the two values of the style sheet and their contrasts on the page, to a tenth."""
    rows = re.findall(
        r"^\| `([a-z-]+)` \| `(#\w{6})` \| ([\d.]+|–) \| `(#\w{6})` \| ([\d.]+|–) \|",
        SHEET.read_text("utf-8"),
        re.MULTILINE,
    )
    named = colours()
    assert {name for name, *_ in rows} == set(named)
    for name, light, on_light, dark, on_dark in rows:
        assert (light, dark) == named[name], name
        for colour, ground, shown in ((light, named["page"][0], on_light), (dark, named["page"][1], on_dark)):
            assert shown == ("–" if name == "page" else f"{contrast(colour, ground):.1f}"), name


class SearchCase(Struct):
    """A search line, and whether it finds the row."""

    q: str
    found: bool


class SearchCases(Struct):
    """The cases that the browser's search is tested with, too."""

    row: Row
    cases: list[SearchCase]


def test_server_and_browser_search_alike() -> None:
    """The server's search decides each case as the browser's does (words.test.mjs reads the same file)."""
    cases = msgspec.json.decode((BROWSER / "search_cases.json").read_bytes(), type=SearchCases)
    assert {one.q: matcher(one.q)(cases.row) for one in cases.cases} == {one.q: one.found for one in cases.cases}


@pytest.mark.browser
def test_pure_modules() -> None:
    """The tests of the modules that need no browser pass in Node."""
    node = shutil.which("node")
    if node is None:
        unavailable("there is no node on this machine")
    files = sorted(str(path) for path in BROWSER.glob("*.test.mjs"))
    ran = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stdout[-4_000:]
    assert re.search(r"^# pass ([1-9]\d+)$|ℹ pass [1-9]\d+", ran.stdout, re.MULTILINE)
