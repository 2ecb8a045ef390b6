"""What the figures were made on."""

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.servers.kafka import jars

_LIBRARIES = (
    "noisegate", "quixstreams", "faust-streaming", "aiokafka", "confluent-kafka", "redis", "hiredis", "onnxruntime",
    "msgspec", "numpy", "lightgbm",
)  # fmt: skip


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory, system."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count() or 1,
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Of Python, the libraries and the servers."""
    found = {"python": platform.python_version()}
    found |= {name: version(name) for name in _LIBRARIES}
    found["kafka"] = _first(r"kafka_2\.13-([\d.]+)\.jar", " ".join(path.name for path in jars().iterdir()))
    found["redis-server"] = _first(r"v=([\d.]+)", _output("redis-server", "--version"))
    found["java"] = _first(r'version "([^"]+)"', _output("java", "-version"))
    return found


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    name = _first(r"model name\s*:\s*(.+)", text)
    return name if name != "unknown" else platform.processor() or platform.machine()


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1).strip() if found else "unknown"
