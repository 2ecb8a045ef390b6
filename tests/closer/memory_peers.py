"""What closers leave for each other, in memory; `tests/closer/test_peers.py` holds it against Redis."""

from stream.closer.exchange import ActiveRules


class MemoryPeers:
    """`Peers` and `Salts` in memory."""

    def __init__(self) -> None:
        self._closers: dict[str, ActiveRules] = {}
        self._salt: str | None = None

    def put_closer(self, name: str, active: ActiveRules) -> None:
        """See `Peers`."""
        self._closers[name] = active

    def remove_closer(self, name: str) -> None:
        """See `Peers`."""
        self._closers.pop(name, None)

    def closers(self) -> dict[str, ActiveRules]:
        """See `Peers`."""
        return dict(self._closers)

    def salt(self) -> str | None:
        """See `Salts`."""
        return self._salt

    def put_salt(self, salt: str) -> None:
        """See `Salts`."""
        self._salt = salt
