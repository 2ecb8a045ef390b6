"""Each benchmark's part of RESULTS.md stands until that benchmark writes it again."""

from pathlib import Path

from benchmarks.parts import parts_of, put_part


def part(name: str, text: str) -> str:
    """A part as a benchmark writes it."""
    return f"<!-- {name}: written by python -m benchmarks.{name} -->\n{text}\n<!-- {name}: end -->\n"


def test_a_page_written_anew_keeps_the_parts(tmp_path: Path) -> None:
    """What stands outside the marks goes; all parts stay as they are and in their order, and can be replaced."""
    page = tmp_path / "RESULTS.md"
    page.write_text("# Old\n")
    for name in ("relay", "intake"):
        put_part(page, part(name, "one\n\ntwo"), f"<!-- {name}: written by", f"<!-- {name}: end -->")
    page.write_text("# New\n" + parts_of(page.read_text()))
    assert page.read_text() == "# New\n\n" + part("relay", "one\n\ntwo") + "\n" + part("intake", "one\n\ntwo")
    put_part(page, part("relay", "three"), "<!-- relay: written by", "<!-- relay: end -->")
    assert page.read_text() == "# New\n\n" + part("relay", "three") + "\n" + part("intake", "one\n\ntwo")
