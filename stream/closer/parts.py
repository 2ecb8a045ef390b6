"""Parts of a partition's state, of one kind: values by name, packed where they changed."""

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

P = TypeVar("P")


class Parts(Generic[P]):
    """Values of one type, each a part named `<kind>:<key>`.

    Args:
        kind: begins the names of the parts.
        type_: of the values.
    """

    def __init__(self, kind: str, type_: type[P]) -> None:
        self.values: dict[str, P] = {}
        self._prefix = f"{kind}:"
        self._decoder = msgspec.msgpack.Decoder(type_)
        self._changed: set[str] = set()

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with those of the parts that are of this kind."""
        self.values = self.unpack(parts)
        self._changed.clear()

    def unpack(self, parts: Mapping[str, bytes]) -> dict[str, P]:
        """The values of this kind among packed parts, by key, in order."""
        start = len(self._prefix)
        return {
            name[start:]: self._decoder.decode(packed)
            for name, packed in sorted(parts.items())
            if name.startswith(self._prefix)
        }

    def put(self, key: str, value: P) -> P:
        """Set a value, or note that it changed; returns it."""
        self.values[key] = value
        self._changed.add(key)
        return value

    def drop(self, key: str) -> None:
        """Let go of a value."""
        del self.values[key]
        self._changed.add(key)

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before, packed; None: the part is gone."""
        found: dict[str, bytes | None] = {}
        for key in sorted(self._changed):
            value = self.values.get(key)
            found[self._prefix + key] = None if value is None else msgspec.msgpack.encode(value)
        self._changed.clear()
        return found
