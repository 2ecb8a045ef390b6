"""The fake of the fence port; `test_fence` holds it to what Redis does."""

from collections.abc import Callable, Sequence

from stream.core.errors import HistoryAway, WrongType
from stream.lane.fence import NO_META, FencedRead, FencedValues, FencedWrite, ServerStatus, Timer, WriteResult


class MemoryFence:
    """Values and sorted sets in one dictionary, as a server has them. While `away`, every call raises.

    Attributes:
        ttls: seconds, of the keys that are to expire.
    """

    def __init__(self) -> None:
        self.keys: dict[str, bytes | dict[str, float]] = {}
        self.ttls: dict[str, int] = {}
        self.server = ServerStatus("run-1")
        self.away = False

    def status(self, patient: bool = True) -> ServerStatus:
        """See `Fence`."""
        self._check()
        return self.server

    def read(self, wanted: Sequence[FencedRead]) -> list[FencedValues]:
        """See `Fence`."""
        self._check()
        return [
            FencedValues(self._value(one.meta_key) or NO_META, [self._value(key) for key in one.keys]) for one in wanted
        ]

    def read_metas(self, keys: Sequence[str]) -> list[bytes]:
        """See `Fence`."""
        return [self.get(key) or NO_META for key in keys]

    def write(self, writes: Sequence[FencedWrite]) -> list[WriteResult]:
        """See `Fence`."""
        self._check()
        return [self._write(write) for write in writes]

    def _write(self, write: FencedWrite) -> WriteResult:
        touched = [write.meta_key, *(key for puts in write.puts for key in puts.values), *write.deletes]
        timers = self.keys.get(write.timers_key, {})
        if any(type(self.keys.get(key)) is dict for key in touched):
            return WriteResult.WRONG_TYPE
        stored = self._value(write.meta_key) or NO_META
        if stored == write.meta:
            return WriteResult.WRITTEN
        if stored != write.expected:
            return WriteResult.CONFLICT
        if (write.timers or write.removed_timers) and isinstance(timers, bytes):
            return WriteResult.WRONG_TYPE
        for puts in write.puts:
            for key, value in puts.values.items():
                self._set(key, value, puts.ttl_seconds)
        for key in write.deletes:
            self.delete(key)
        if isinstance(timers, dict):
            timers.update({name: due for due, name in write.timers})
            for name in write.removed_timers:
                timers.pop(name, None)
            if timers:
                self.keys[write.timers_key] = timers
            else:
                self.keys.pop(write.timers_key, None)
        self._set(write.meta_key, write.meta, write.meta_ttl_seconds)
        return WriteResult.WRITTEN

    def timers(self, key: str, start: float, count: int) -> tuple[list[Timer], bool]:
        """See `Fence`."""
        self._check()
        kept = self.keys.get(key, {})
        if isinstance(kept, bytes):
            raise WrongType(key)
        found = sorted((due, name) for name, due in kept.items() if due >= start)
        more = len(found) >= count
        return [timer for timer in found if not more or timer[0] <= found[count - 1][0]], more

    def switch(self, key: str, expected: bytes, source: str) -> bool:
        """See `Fence`."""
        self._check()
        if (self._value(key) or NO_META) != expected:
            return False
        self.keys[key] = self.keys.pop(source)
        return True

    def get(self, key: str) -> bytes | None:
        """See `Fence`."""
        self._check()
        if isinstance(self.keys.get(key), dict):
            raise WrongType(key)
        return self._value(key)

    def claim(self, key: str, value: bytes) -> bytes:
        """See `Fence`."""
        found = self.get(key)
        if found is None:
            self.keys[key] = found = value
        return found

    def put(self, key: str, value: bytes) -> None:
        """See `Fence`."""
        self._check()
        self._set(key, value, None)

    def delete(self, key: str) -> int:
        """See `Fence`."""
        self._check()
        self.ttls.pop(key, None)
        return int(self.keys.pop(key, None) is not None)

    def delete_where(self, prefix: str, chosen: Callable[[str], bool] = lambda key: True) -> int:
        """See `Fence`."""
        return sum(self.delete(key) for key in [*self.keys] if key.startswith(prefix) and chosen(key))

    def find(self, prefix: str, infix: str, seconds: float) -> list[str]:
        """See `Fence`."""
        self._check()
        return [key for key in self.keys if key.startswith(prefix) and infix in key[len(prefix) :]]

    def _check(self) -> None:
        if self.away:
            raise HistoryAway("the server is away")

    def _value(self, key: str) -> bytes | None:
        found = self.keys.get(key)
        return found if isinstance(found, bytes) else None

    def _set(self, key: str, value: bytes, ttl: int | None) -> None:
        self.keys[key] = value
        self.ttls.pop(key, None)
        if ttl is not None:
            self.ttls[key] = ttl
