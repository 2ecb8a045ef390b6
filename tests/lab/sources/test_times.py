"""Times as tables write them."""

import pytest

from stream.lab.sources.times import time_reader


@pytest.mark.parametrize(
    ("form", "zone", "text", "told"),
    [
        ("rfc3339", "UTC", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00+00:00"),
        ("rfc3339", "Europe/London", "2026-07-01 10:00", "2026-07-01T09:00:00+00:00"),
        ("day_first", "UTC", "2/1/2026 03:04", "2026-01-02T03:04:00+00:00"),
        ("month_first", "UTC", "2/1/2026 03:04:05", "2026-02-01T03:04:05+00:00"),
        ("%Y%m%d-%H%M%S", "UTC", "20260102-030405", "2026-01-02T03:04:05+00:00"),
        ("%d %b %Y %I:%M %p", "UTC", "02 Jan 2026 03:04 PM", "2026-01-02T15:04:00+00:00"),
        ("%d.%m.%Y %H:%M %z", "Europe/London", "02.01.2026 03:04 +0200", "2026-01-02T01:04:00+00:00"),
    ],
)
def test_times_are_read(form: str, zone: str, text: str, told: str) -> None:
    """Each form gives the moment in UTC, the second time as the first."""
    read = time_reader(form, zone)
    assert [read(text).isoformat(), read(text).isoformat()] == [told, told]


@pytest.mark.parametrize("form", ["rfc3339", "day_first", "%Y-%m-%d", "%b %d %Y"])
@pytest.mark.parametrize("text", ["", "soon", "31/02/2026", "2026-02-31", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_time_is_a_value_error(form: str, text: str) -> None:
    """Nothing but ValueError comes out of a bad cell."""
    with pytest.raises(ValueError, match=r"(?s).*"):
        time_reader(form, "Asia/Tokyo")(text)
