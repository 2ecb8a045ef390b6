"""noisegate: for every operations alert, the probability that its team will act on it.

The journey of an alert, and where its code lives:

    the world -> alerts.events         raised and acted events: `intake` makes them of what other systems post, read by
                                       `sources`; `relay` of the alerts that pass it on their way from Prometheus to
                                       Alertmanager; `noisegate replay` writes a log there
    alerts.events -> scorer            `scorer`, run by a Faust worker on `lane`, folds history (`core.fold`) in Redis,
                                       computes features (`core.features`), scores with ONNX (`models`)
    scorer -> alerts.enriched          the alert as raised, its probability and why
    alerts.enriched -> closer          `closer` decides by rules (`core.decisions`), which climb as outcomes prove them
                                       (`core.proof`, `core.ladder`) and people arm them (`rule_state`)
    closer -> alerts.decisions         what a rule did, would have done, or was kept from; targets do it (`core.deeds`)
    alerts.enriched -> relay -> people the score in the annotations of the alerts that passed
    topics -> triage -> people         a live page of all alerts; people's verdicts go to alerts.events
    scorer -> alerts.outcomes          what became of each alert
    every topic -> your programs       typed records in Python (`reader`), JSON Schemas for all others (`core.schemas`)
    every room -> alerts.failed        what could not be used, with the reason
    lab                                makes and judges models from the same fold
    lab -> models -> scorer            versions in a store, and the pointers that name who serves (`noisegate retrain`)
    scorer -> Prometheus -> people     drift and quality, counted by `scorer`; `monitoring` writes rules and dashboards
"""

__version__ = "0.1.0"
