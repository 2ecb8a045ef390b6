"""The intake's part of RESULTS.md is put in its place, once, and says whether the target is reached."""

from pathlib import Path

from benchmarks.intake import BEGIN, END, Row, _body, markdown
from benchmarks.parts import put_part
from stream.sources.body import decode_json

MACHINE = {"cores": 2, "processor": "a processor", "memory_gigabytes": 8.0, "system": "Linux"}


def row(rate: float) -> Row:
    """A measurement."""
    return Row("1 new alert a post", rate, rate, 0.7, 20.0, 60.0, {"202": 10}, 90.0)


def text(rate: float) -> str:
    """The part for a rate."""
    document = {"command": "python -m benchmarks.intake", "date": "2026-11-26T12:00:00", "seconds": 20.0}
    return markdown({**document, "machine": MACHINE}, [row(rate)])


def test_the_part_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    """What stands before and after it stays, and the last figures stand there once."""
    page = tmp_path / "RESULTS.md"
    page.write_text("# Benchmark\n", encoding="utf-8")
    put_part(page, text(900.0), BEGIN, END)
    page.write_text(page.read_text(encoding="utf-8") + "\n## More\n", encoding="utf-8")
    put_part(page, text(1_200.0), BEGIN, END)
    found = page.read_text(encoding="utf-8")
    assert found.startswith("# Benchmark\n\n" + BEGIN)
    assert found.endswith(END + "\n\n## More\n")
    assert (found.count("## Intake"), "1,200" in found, "900" in found) == (1, True, False)
    assert "posts/s of one new alert: yes" in found


def test_a_rate_below_the_target_is_said() -> None:
    """The line does not depend on a reader's eye."""
    assert "posts/s of one new alert: no" in text(999.0)


def test_bodies_are_what_the_intake_reads() -> None:
    """A post holds as many alerts as it is to, each of its own."""
    group = decode_json(_body(3, 7, 10))
    assert len({alert["labels"]["instance"] for alert in group["alerts"]}) == 10
