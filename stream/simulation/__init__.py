"""The simulated organisation: an event log for demos, tests and the shipped model.

Simulated: every figure made with it says so.

catalogue   who is there: teams, rules, habits, floods, drifts (tables to read and to change)
span        the simulated time: working hours, shares of the span, time stamps
firings     what fires when: rhythm, flapping, floods, reports
habits      the truth: how probable it is that a team acts on an alert
reactions   what people then do, and when
log         all of it in one event log, sorted by time
acting      another organisation, in arrays: ninety days of a rule that acts and a model trained again
"""

from stream.simulation.catalogue import (
    DRIFTS,
    FIXES,
    FLOODS,
    HABITS,
    REPORTS,
    RULES,
    SHIFTS,
    STEADY,
    TEAMS,
    Drifts,
    Shift,
)
from stream.simulation.log import (
    START,
    ActedRecord,
    Event,
    RaisedRecord,
    Truth,
    simulate,
    simulate_with_truth,
    write_events,
)

__all__ = [
    "DRIFTS",
    "FIXES",
    "FLOODS",
    "HABITS",
    "REPORTS",
    "RULES",
    "SHIFTS",
    "START",
    "STEADY",
    "TEAMS",
    "ActedRecord",
    "Drifts",
    "Event",
    "RaisedRecord",
    "Shift",
    "Truth",
    "simulate",
    "simulate_with_truth",
    "write_events",
]
