"""The room `triage`: a live page of all alerts with their scores, where people say what they did with them.

    topics -> tail -> board (pure) -> stream -> browsers -> verdicts -> alerts.events

docs/TRIAGE.md describes its routes, settings and pages.
"""
