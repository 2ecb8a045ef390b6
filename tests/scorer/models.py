"""Models made by hand: what they say of an alert is a function of the alert."""

from collections.abc import Callable, Sequence

import numpy as np

from stream.core.events import Raised
from stream.core.frame import Array, Decayed, Inputs, Matrix
from stream.core.occlusion import Occlusion
from stream.core.scoring import Thresholds
from stream.models.graph import Stop


def by_name(alert: Raised) -> float:
    """A probability of its own for each alert of `random_log`: A7 has 0.007."""
    return int(alert.alert_id[1:]) / 1_000


class Says:
    """A model whose one feature is what it says; it holds the rows given to the alerts' own times."""

    def __init__(
        self, version: str, say: Callable[[Raised], float] = by_name, thresholds: Thresholds | None = None
    ) -> None:
        self.version = version
        self.say = say
        self.simulated = False
        self.occlusion = Occlusion(["said"], {"said": 0.5}, 0.5)
        self.thresholds = thresholds or Thresholds()

    def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
        """float32[N, 1], and no priors."""
        assert rows.at.tolist() == [alert.at.timestamp() for alert in alerts]
        return Inputs(np.array([[self.say(alert)] for alert in alerts], dtype=np.float32), {})

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """What was said, at three digits, float64[N]."""
        del stop
        return np.asarray(np.round(matrix[:, 0].astype(np.float64), 3), dtype=np.float64)
