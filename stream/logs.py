"""Logs are JSON lines on standard error: time, level, logger, message, and what `extra={"fields": {...}}` adds."""

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

LIBRARIES = ("aiokafka", "faust", "librdkafka", "mode")
REPEAT_SECONDS = 60.0
_TEMPLATES = 1_000  # kept at most; some libraries put values into what should be a template
_CONNECTION = re.compile(
    r"connect|disconnect|metadata|coordinator|heartbeat|timed out|time-?out|NodeNotReady|brokers? (are |is )?down"
    r"|failed fetch|not available|commit",
    re.IGNORECASE,
)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str)


class _Template(Struct):
    passed_at: float
    held_back: int = 0


class LibraryMessages(logging.Filter):
    """Lets the Kafka libraries say a thing once, then once a minute with how often it was said; all else passes.

    While Kafka is known to be away, their messages about connections are counted only.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._templates: dict[tuple[object, ...], _Template] = {}
        self._count_only = False
        self._count = 0

    def count_only(self, away: bool) -> None:
        """Whether Kafka is known to be away."""
        with self._lock:
            self._count_only = away

    def take_count(self) -> int:
        """How many messages were held back since this was last asked."""
        with self._lock:
            count, self._count = self._count, 0
            return count

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; one that is after others like it were not has their number in `left_out`."""
        if record.name.partition(".")[0] not in LIBRARIES:
            return True
        with self._lock:
            if self._count_only and _CONNECTION.search(record.getMessage()):
                self._count += 1
                return False
            return self._passes(record)

    def _passes(self, record: logging.LogRecord) -> bool:
        now, key = self._clock(), _template_of(record)
        known = self._templates.get(key)
        if known is not None and now - known.passed_at < REPEAT_SECONDS:
            known.held_back += 1
            self._count += 1
            return False
        if len(self._templates) >= _TEMPLATES:
            self._templates.clear()
        self._templates[key] = _Template(now)
        if known is not None and known.held_back:
            record.fields = {**getattr(record, "fields", {}), "left_out": known.held_back}
        return True


def _template_of(record: logging.LogRecord) -> tuple[object, ...]:
    """What makes two messages alike; librdkafka has one template for all of them, whose first value is the kind."""
    kind = record.args[0] if record.name == "librdkafka" and isinstance(record.args, tuple) and record.args else None
    return record.name, record.levelno, record.msg, kind, record.exc_info and record.exc_info[0]


LIBRARY_MESSAGES = LibraryMessages()
"""The process's own, for its one root logger."""


def set_up_logs(level: str) -> None:
    """Send everything from `level` up to standard error as JSON lines; chatty libraries from warning up.

    Warnings, and what threads and finalizers raise, become lines too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(LIBRARY_MESSAGES)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("faust", "mode", "aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.captureWarnings(True)
    threading.excepthook = _log_of_thread
    sys.unraisablehook = _log_unraisable


def _log_of_thread(raised: "threading.ExceptHookArgs") -> None:
    if raised.exc_value is not None and not isinstance(raised.exc_value, SystemExit):
        name = raised.thread.name if raised.thread else "?"
        logging.getLogger(__name__).critical("the thread %s ended by an exception", name, exc_info=raised.exc_value)


def _log_unraisable(raised: Any) -> None:
    logging.getLogger(__name__).error(
        "an exception could not be raised in %r", raised.object, exc_info=raised.exc_value
    )
