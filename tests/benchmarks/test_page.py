"""The triage page's part of RESULTS.md says of each figure whether it reaches what is aimed at."""

from msgspec.structs import replace

from benchmarks.page import Figures, markdown

GOOD = Figures(
    first_paint_seconds=0.4,
    first_view_bytes=60_000,
    key_p50_milliseconds=12.0,
    key_p95_milliseconds=21.0,
    frames_per_second=59.8,
    slow_frames=0.01,
    seen_seconds=0.2,
    webhook_seconds=0.5,
    viewer_seconds=0.4,
    taken_per_second=20_000.0,
    restart_seconds=3.5,
    restart_processor_seconds=3.0,
)
MACHINE = {"cores": 2, "processor": "a processor", "memory_gigabytes": 8.0, "system": "Linux"}


def text(figures: Figures) -> str:
    """The part for some figures."""
    return markdown(
        {"command": "python -m benchmarks.page", "date": "2026-11-26T12:00:00", "machine": MACHINE, "load": [0.2, 1.9]},
        figures,
    )


def test_all_figures_reached() -> None:
    """Nine rows, each with a yes; 59.8 frames count as 60."""
    assert text(GOOD).count("| yes |") == 9
    assert "| frames/s while 200 alerts/s come | 60 | at least 60 | yes |" in text(GOOD)


def test_a_figure_that_is_missed_is_marked() -> None:
    """Each figure beyond what is aimed at turns its own row's yes into a no."""
    for worse in (
        replace(GOOD, first_paint_seconds=1.0),
        replace(GOOD, first_view_bytes=150_000),
        replace(GOOD, key_p95_milliseconds=50.0),
        replace(GOOD, frames_per_second=59.4),
        replace(GOOD, seen_seconds=1.5),
        replace(GOOD, webhook_seconds=1.0),
        replace(GOOD, viewer_seconds=1.0),
        replace(GOOD, taken_per_second=4_999.0),
        replace(GOOD, restart_seconds=5.0),
    ):
        assert (text(worse).count("| yes |"), text(worse).count("| no |")) == (8, 1)
