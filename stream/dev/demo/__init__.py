"""The demo: an event log through the real scorer, and its scores held against the outcomes that followed.

plan      the log folded once by the lab's fold: what is history, what is scored, what the baselines would say
collector what the scorer published, each alert once
view      the live terminal view
summary   the figures at the end
rules     the rules of the simulated organisation in shadow: their closer, and figures of what they would have done
live      for the page: the log's last days up to now, and then one alert after another
run       all of it in order: history unscored, then a model, then the rest scored
"""

from stream.dev.demo.run import Request, run_demo
from stream.dev.demo.summary import Summary

__all__ = ["Request", "Summary", "run_demo"]
