"""Optional packages: imported when they are needed, and told by their extra where they are missing."""

from importlib import import_module
from typing import Any

from stream.core.errors import Fault, NoisegateError

AUDITING = ("scipy.stats", "tomlkit")  # what each part of the lab imports
FITTING = ("lightgbm",)
TRAINING = (*FITTING, "onnx", "jinja2", "scipy.stats")


def import_extra(module: str, extra: str, needs: str, error: type[NoisegateError] = NoisegateError) -> Any:
    """The module of an optional package.

    Args:
        module: its name, dotted where it lies within the package.
        extra: the extra of pyproject.toml that brings it.
        needs: what can't be done without it, with its verb: `the audit needs`.
        error: what to raise.

    Raises:
        NoisegateError: of the type `error`, in one sentence with the extra, where it is missing or can't be loaded.
    """
    try:
        return import_module(module)
    except (ImportError, OSError) as fault:
        raise error(*missing_package(module.partition(".")[0], extra, needs, fault)) from None


def missing_package(package: str, extra: str, needs: str, error: Exception | None = None) -> Fault:
    """The fault of a package of an extra that is missing, or is there and can't be loaded (`error` says why)."""
    state = f"which can't be loaded ({error})" if isinstance(error, OSError) else "which is not installed"
    return Fault(f"{needs} {package}, {state}", f"pip install 'noisegate[{extra}]'")


def require_lab(needs: str, *modules: str, error: type[NoisegateError] = NoisegateError) -> None:
    """Hold this machine to having these modules of the extra `lab`, before a log is read for minutes.

    Raises:
        NoisegateError: of the type `error`, in one sentence with the extra.
    """
    for module in modules:
        import_extra(module, "lab", needs, error)
