"""The page in a real browser, on a phone and on a desk."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream.lab.reporting.report import write
from tests.lab.reporting import sample
from tests.servers.availability import unavailable

# A frame is as wide as a phone whatever the window's least width; what it measures it writes beside itself.
_FRAME = """<!DOCTYPE html><iframe id="f" width="{width}" height="800" style="border:0" srcdoc="{page}"></iframe>
<script>onload = () => {{ const e = document.getElementById("f").contentDocument.documentElement;
document.title = e.clientWidth + "/" + e.scrollWidth; }}</script>"""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=2000", "--hide-scrollbars",
)  # fmt: skip


def chromium(folder: Path, file: Path, *arguments: str) -> str:
    """What Chromium says of a file."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        unavailable("there is no chromium on this machine")
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [program, *_FLAGS, profile, *arguments, file.as_uri()]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=50).stdout


def widths(folder: Path, page: str, width: int) -> tuple[int, int]:
    """The document's own width and that of what it holds, in a frame of `width`."""
    bare = re.sub(r"<meta http-equiv[^>]*>", "", page).replace("<details>", "<details open>")
    file = folder / "framed.html"
    escaped = bare.replace("&", "&amp;").replace('"', "&quot;")
    file.write_text(_FRAME.format(width=width, page=escaped), encoding="utf-8")
    found = re.search(r"<title>(\d+)/(\d+)</title>", chromium(folder, file, "--dump-dom"))
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_no_overflow(tmp_path: Path, width: int) -> None:
    """Nothing is wider than the screen, with all details open and names without a space."""
    long = replace(sample.full(), title="t" * 200, question="q" * 200, command="c" * 300)
    assert widths(tmp_path, write(long), width) == (width, width)


@pytest.mark.browser
def test_overflow_is_seen(tmp_path: Path) -> None:
    """The measure would see a page that is too wide."""
    wide = write(sample.full()).replace("<main>", '<main><div style="width:700px">wide</div>')
    assert widths(tmp_path, wide, 390) >= (390, 700)


@pytest.mark.browser
def test_drawn(tmp_path: Path) -> None:
    """The page is drawn: a picture of it is not one plain colour."""
    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    file.write_text(write(sample.full()), encoding="utf-8")
    chromium(tmp_path, file, f"--screenshot={picture}", "--window-size=800,1200")
    assert picture.stat().st_size > 20_000
