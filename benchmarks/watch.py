"""Watching a contender's process while it works: outputs, CPU and memory, four times a second."""

import time
from collections.abc import Mapping

import psutil
from msgspec import Struct

from benchmarks.topics import Reader
from stream.dev.process import ServerProcess

EVERY_SECONDS = 0.25
STALL_SECONDS = 90.0


class Sample(Struct, frozen=True):
    """How things stood at one moment: `at` in seconds, CPU seconds by process, resident bytes of the contender.

    `others` are CPU seconds of everything else on the machine, time that a hypervisor took away included.
    """

    at: float
    outputs: int
    cpu: dict[str, float]
    others: float
    resident: int


class Watch:
    """Samples a contender and the servers beside it.

    Args:
        contender: the process.
        servers: the other processes whose CPU is told, by name.
        reader: of the topic in which outputs appear.
    """

    def __init__(self, contender: ServerProcess, servers: Mapping[str, ServerProcess], reader: Reader) -> None:
        self._contender = contender
        self._reader = reader
        everyone = {"contender": contender, **servers}
        self._processes = {name: psutil.Process(process.pid) for name, process in everyone.items()}
        self._processes["benchmark"] = psutil.Process()
        self._progressed_at = time.monotonic()
        self.samples: list[Sample] = []

    def sample(self) -> Sample:
        """Look once.

        Raises:
            RuntimeError: the contender ended, or gave nothing new for a named time.
        """
        if not self._contender.running:
            raise RuntimeError(f"{self._contender.name} ended; its log says: {self._tail()}")
        outputs, cpu = self._reader.count(), self._cpu()
        taken = Sample(time.monotonic(), outputs, cpu, _busy() - sum(cpu.values()), self._resident())
        if not self.samples or taken.outputs > self.samples[-1].outputs:
            self._progressed_at = taken.at
        if taken.at - self._progressed_at > STALL_SECONDS:
            raise RuntimeError(
                f"{self._contender.name} stands at {taken.outputs} outputs; its log says: {self._tail()}"
            )
        self.samples.append(taken)
        return taken

    def until(self, outputs: int) -> None:
        """Look until there are so many outputs."""
        while self.sample().outputs < outputs:
            time.sleep(EVERY_SECONDS)

    @property
    def peak_resident(self) -> int:
        """The largest memory seen, bytes."""
        return max(sample.resident for sample in self.samples)

    def _cpu(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: used.user + used.system for name, used in times.items()}

    def _resident(self) -> int:
        return int(self._processes["contender"].memory_info().rss)

    def _tail(self) -> str:
        return self._contender.log.read_text(errors="replace")[-2_000:]


def _busy() -> float:
    """CPU seconds that the machine has spent on anything."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
