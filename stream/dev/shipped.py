"""What the project ships for trying it out: the simulated organisation's problem file and model.

In a wheel they are in the package, in a clone beside it.
"""

from pathlib import Path

import stream
from stream.core.errors import SettingsError

_PACKAGE = Path(stream.__file__).parent
PROBLEM_PLACES = (_PACKAGE / "shipped" / "simulated.toml", _PACKAGE.parent / "deploy" / "problems" / "simulated.toml")
MODEL_PLACES = (_PACKAGE / "shipped" / "model_artifacts", _PACKAGE.parent / "model_artifacts")


def simulated_problem() -> Path:
    """The problem file of the simulated organisation."""
    for place in PROBLEM_PLACES:
        if place.is_file():
            return place
    raise SettingsError("the simulated organisation's problem file is not here; name one with --problem")


def shipped_models() -> Path | None:
    """The folder of models made from the simulated organisation; None where none is shipped."""
    for place in MODEL_PLACES:
        if (place / "CHAMPION").is_file():
            return place
    return None
