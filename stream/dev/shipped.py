"""What the project ships for trying it out: the simulated organisation's problem file and model.

In a wheel they are in the package, in a clone beside it.
"""

from pathlib import Path

import stream
from stream.config import example_problem
from stream.core.errors import SettingsError

_PACKAGE = Path(stream.__file__).parent
MODEL_PLACES = (_PACKAGE / "shipped" / "model_artifacts", _PACKAGE.parent / "model_artifacts")


def simulated_problem() -> Path:
    """The problem file of the simulated organisation."""
    place = example_problem()
    if place is None:
        raise SettingsError("the simulated organisation's problem file is not here", "name one with --problem")
    return place


def shipped_models() -> Path | None:
    """The folder of models made from the simulated organisation; None where none is shipped."""
    for place in MODEL_PLACES:
        if (place / "CHAMPION").is_file():
            return place
    return None
