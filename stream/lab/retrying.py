"""Calls to the model store, made again where it can't be reached: a hiccup must not cost the hours of a training."""

import time
from collections.abc import Callable
from typing import TypeVar

from stream.core.errors import StoreAway

AWAY_SECONDS = (1.0, 5.0, 20.0)  # pauses before a store that can't be reached is asked again
T = TypeVar("T")


def retry_while_away(call: Callable[[], T]) -> T:
    """The result of a call to the store.

    Raises:
        StoreAway: the store can't be reached, after a few tries.
    """
    for pause in AWAY_SECONDS:
        try:
            return call()
        except StoreAway:
            time.sleep(pause)
    return call()
