"""Hot swap: load what a pointer of the model store newly names; a bad one is refused, the running one stays."""

from pathlib import Path

from stream.core.errors import ModelError
from stream.core.problem import Problem
from stream.models.artifact import MANIFEST
from stream.models.pointers import CHAMPION
from stream.models.serving import Model, load_model
from stream.models.store import Store

_Seen = tuple[int, int, int, int] | None


class ChampionWatch:
    """The model in service, kept up to date by `poll`.

    `poll` belongs to one thread; others read `model` whenever they like: it is replaced by a single assignment.

    Attributes:
        model: what to score with; None before the first success.
        fault: why the newest version is not in service; None if it is.
        loads: versions loaded so far.
        refusals: versions refused so far.
    """

    def __init__(self, root: Path, problem: Problem, pointer: str = CHAMPION) -> None:
        self.model: Model | None = None
        self.fault: str | None = None
        self.loads = 0
        self.refusals = 0
        self._root = root
        self._problem = problem
        self._pointer = pointer
        self._seen: _Seen = None

    def poll(self) -> None:
        """Load what the pointer names, if it changed; a bad model becomes `fault`, no error."""
        try:
            seen = self._look()
        except OSError as error:
            self.fault = f"{self._root / self._pointer}: can't be read: {error.strerror}"
            return
        if seen == self._seen:
            return
        self._seen = seen
        if seen is None:
            self.fault = f"{self._root / self._pointer}: is gone; the running model stays"
            return
        try:
            self._load()
        except ModelError as error:
            self.refusals += 1
            self.fault = str(error)

    def _load(self) -> None:
        version = self._version()
        if version is None:
            return
        if self.model is None or self.model.version != version:
            model = load_model(self._root / version, self._problem)
            if model.version != version:
                raise ModelError(f"{self._root / version}: holds version {model.version}")
            self.model = model
            self.loads += 1
        self.fault = None

    def _look(self) -> _Seen:
        """What tells one promotion from the next, and a version that arrives after its pointer from none."""
        try:
            stat = (self._root / self._pointer).stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size, self._manifest_time()

    def _version(self) -> str | None:
        pointer = Store(str(self._root)).pointer(self._pointer)
        return pointer.default if pointer else None

    def _manifest_time(self) -> int:
        try:
            return (self._root / (self._version() or "") / MANIFEST).stat().st_mtime_ns
        except (ModelError, OSError):
            return 0
