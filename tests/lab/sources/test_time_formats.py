"""Formats of times are found from the times, whatever their form, and what was found reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.lab.sources.time_formats import exchanged, sniff_formats
from stream.lab.sources.times import time_reader

AT = datetime(2026, 9, 14, 13, 6, 5, tzinfo=UTC)
WRITTEN = {
    "2026-09-14 13:06:05": "rfc3339",
    "2026-09-14T13:06:05.123Z": "rfc3339",
    "2026-09-14 13:06:05 UTC": "rfc3339",
    "2026-09-14 15:06:05 +0200": "rfc3339",
    "2026/09/14 13:06:05": "%Y/%m/%d %H:%M:%S",
    "2026-09-14 1:06:05 PM": "%Y-%m-%d %I:%M:%S %p",
    "Mon, 14 Sep 2026 13:06:05 +0000": "%a, %d %b %Y %H:%M:%S %z",
    "Mo 14.09.2026 13:06:05": "%a %d.%m.%Y %H:%M:%S",
    "14.09.2026 13:06:05": "day_first",
    "9/14/2026 13:06:05": "month_first",
    "9/14/2026 1:06:05 PM": "%m/%d/%Y %I:%M:%S %p",
    "14/09/26 13:06:05": "%d/%m/%y %H:%M:%S",
    "14/Sep/26 1:06:05 PM": "%d/%b/%y %I:%M:%S %p",
    "14-Sept-2026 13:06:05": "%d-%b-%Y %H:%M:%S",
    "14. September 2026 13:06:05": "%d. %b %Y %H:%M:%S",
    "Sep 14, 2026, 1:06:05\u202fPM": "%b %d, %Y, %I:%M:%S %p",
    "1789391165": "epoch",
    "1789391165.5": "epoch",
    "1789391165000": "epoch_ms",
    "1789391165000000": "epoch_us",
    "1789391165000000000": "epoch_ns",
    "46279.5459": "excel",
}


@pytest.mark.parametrize(("text", "form"), WRITTEN.items(), ids=list(WRITTEN.values()))
def test_a_form_is_found(text: str, form: str) -> None:
    """The format that is named reads the moment, to the second where the text has seconds."""
    assert sniff_formats([text]).formats == [form]
    assert abs(time_reader(form, "UTC")(text) - AT) < timedelta(seconds=2)


@pytest.mark.parametrize("text", ["", "soon", "14/Smarch/26", "31/02/2026", "99/99/9999 10:00", "-1", "2026", "12"])
def test_what_is_no_time_has_no_form(text: str) -> None:
    """Nothing is made up."""
    sniffed = sniff_formats([text])
    assert (sniffed.formats, sniffed.read, sniffed.first_unread) == ([], 0, " ".join(text.split()))


def test_mixed_forms_are_read_by_several_formats() -> None:
    """The format of most comes first, and all are read."""
    sniffed = sniff_formats(["1789390822000", "1789391722.000", "14.09.2026 10:00", "15.09.2026 10:00", "16.09.2026"])
    assert sniffed.formats == ["day_first", "epoch_ms", "epoch"]
    read = time_reader(sniffed.formats, "UTC")
    assert {read(text).year for text in ("1789390822000", "1789391722.000", "14.09.2026 10:00")} == {2026}


@given(st.lists(st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=9),  # noqa: DTZ001
       st.sampled_from(["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S", "%d-%b-%Y %H:%M"]))  # fmt: skip
def test_what_is_found_reads_what_was_written(moments: list[datetime], form: str) -> None:
    """For any times in one form everything is read, and by that form or by its like with day and month exchanged."""
    texts = [moment.strftime(form) for moment in moments]
    sniffed = sniff_formats(texts)
    assert sniffed.read == sniffed.total == len(set(texts))
    wanted = {time_reader(form, "UTC")(text) for text in texts}
    formats = [sniffed.formats, [sniffed.other] if sniffed.other else sniffed.formats]
    assert wanted in [{time_reader(of, "UTC")(text) for text in texts} for of in formats]


@pytest.mark.parametrize("form", ["day_first", "%d/%m/%y %H:%M"])
def test_exchanged_twice_is_the_same(form: str) -> None:
    """Day and month exchanged, and back."""
    assert exchanged(exchanged(form) or "") == form
