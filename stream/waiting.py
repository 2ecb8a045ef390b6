"""What a person is told while a call waits for Kafka. Rooms leave `announce` unset: they have logs and metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Timer

WAIT_SECONDS = 2.0  # without an answer

announce: ContextVar[Callable[[str], None] | None] = ContextVar("announce", default=None)


def waiting_sentence(servers: str) -> str:
    """The line that is shown; `servers` is the setting `kafka_bootstrap_servers`."""
    return f"waiting for Kafka at {servers}..."


@contextmanager
def until_answered(servers: str) -> Iterator[None]:
    """Around one call to Kafka: the line is announced once the call has not returned for `WAIT_SECONDS`."""
    tell = announce.get()
    if tell is None:
        yield
        return
    timer = Timer(WAIT_SECONDS, tell, (waiting_sentence(servers),))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
