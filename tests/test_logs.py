"""Log lines: JSON whatever comes, and what the client libraries repeat is held back."""

import json
import logging
import subprocess
import sys

from stream.logs import REPEAT_SECONDS, LibraryMessages

STRAY = """
import gc, logging, threading, warnings
from stream.logs import set_up_logs
set_up_logs("info")
class Broken:
    def __del__(self):
        raise ValueError("finalizer")
Broken()
gc.collect()
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
warnings.warn("old", stacklevel=1)
logging.getLogger("any").info("said", extra={"fields": {"n": 1}})
"""


def record(name: str, text: str, *values: object, level: int = logging.ERROR) -> logging.LogRecord:
    """A record as a logger makes it."""
    return logging.LogRecord(name, level, "", 0, text, values, None)


def test_what_threads_finalizers_and_warnings_say_is_json_too() -> None:
    """No traceback and no warning reaches standard error beside the JSON lines."""
    ran = subprocess.run([sys.executable, "-c", STRAY], capture_output=True, text=True, timeout=120, check=True)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["error", "critical", "warning", "info"]
    assert "ZeroDivisionError" in lines[1]["traceback"]
    assert lines[3]["n"] == 1


def test_a_library_says_a_thing_once_then_once_a_minute_with_a_count() -> None:
    """By logger and template, whatever the values; other templates, loggers and our own lines pass."""
    now = 0.0
    messages = LibraryMessages(lambda: now)
    assert messages.filter(record("aiokafka", "Unable connect to %s", 1))
    assert not messages.filter(record("aiokafka", "Unable connect to %s", 2))
    assert messages.filter(record("aiokafka", "something else"))
    assert messages.filter(record("mode.services", "Unable connect to %s", 1))
    for _ in range(3):
        assert messages.filter(record("stream.lane.loop", "ours"))
    now = REPEAT_SECONDS
    again = record("aiokafka", "Unable connect to %s", 3)
    assert messages.filter(again)
    assert getattr(again, "fields") == {"left_out": 1}  # noqa: B009 - set by the filter, unknown to the type


def test_librdkafka_s_messages_are_told_apart_by_their_kind() -> None:
    """All of them have one template."""
    messages = LibraryMessages(lambda: 0.0)
    template = "%s [%s] %s"
    assert messages.filter(record("librdkafka", template, "FAIL", "producer-1", "a"))
    assert messages.filter(record("librdkafka", template, "REQTMOUT", "producer-1", "b"))
    assert not messages.filter(record("librdkafka", template, "FAIL", "producer-1", "c"))


def test_while_kafka_is_away_connections_are_counted_only_and_other_errors_pass() -> None:
    """The count is taken once; a library's other errors get through."""
    messages = LibraryMessages(lambda: 0.0)
    messages.count_only(True)
    for text in (
        "Unable connect to node with id 1: [Errno 111] Connect call failed",
        "Failed fetch messages from 1: NodeNotReadyError: Attempt to send a request",
        "Heartbeat session expired - marking coordinator dead",
    ):
        assert not messages.filter(record("aiokafka.consumer", text))
    assert messages.filter(record("mode.services", "Crashed reason=%r", ValueError("bug")))
    assert (messages.take_count(), messages.take_count()) == (3, 0)
    messages.count_only(False)
    assert messages.filter(record("aiokafka.consumer", "Heartbeat session expired - marking coordinator dead"))


def test_templates_that_hold_values_do_not_fill_the_memory() -> None:
    """However many different messages come, a bounded number is remembered."""
    messages = LibraryMessages(lambda: 0.0)
    for number in range(5_000):
        assert messages.filter(record("faust", f"exception {number}"))
    assert len(messages._templates) <= 1_000
