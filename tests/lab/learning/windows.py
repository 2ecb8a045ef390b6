"""Training windows for tests of what is learnt from one."""

from stream.core import features
from stream.lab.matrix import training_matrix
from stream.lab.priors import choose_keys, learn
from stream.lab.replaying import Replayed
from stream.lab.split import Window, split_at_share, trainable


def window_of(replayed: Replayed, share: float = 0.9) -> tuple[Window, list[str]]:
    """The window before a share of the alerts, and the keys of its priors."""
    end = split_at_share(replayed, share)
    keys = choose_keys(replayed.alerts[: end.alert])
    learnt = learn(replayed, keys, end.step, end.alert)
    chosen = list(features.table(replayed.problem.history.labels, list(learnt.priors.tables)).values())
    return Window(replayed, end, trainable(replayed, end), training_matrix(replayed, learnt, chosen), chosen), keys
