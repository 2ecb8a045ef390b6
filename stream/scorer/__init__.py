"""2. alerts.events -> alerts.enriched, alerts.outcomes: fold, score, explain.

`noisegate run scorer` runs it; Faust users run `faust -A stream.scorer worker`, which asks this module for `app`.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "app":  # made when asked for, from the environment: importing must touch nothing
        from stream.config import load_settings
        from stream.lane.faust import make_app
        from stream.logs import set_up_logs
        from stream.scorer.worker import make_scorer

        settings = load_settings()
        set_up_logs(settings.log_level)
        return globals().setdefault("app", make_app(make_scorer(settings)))  # Faust asks more than once
    raise AttributeError(name)
