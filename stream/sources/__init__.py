"""Sources: what other systems send, read into alerts and acts; one pure file a source.

    body and headers --(alertmanager, grafana, pagerduty, ...)--> Parsed --(firings, owners)--> Raised and Acted events

A source's file knows the form of its bodies only. Which alert something is about and which team owns it is decided in
one place for all of them, because that needs memory: an alert that fires again, and an owner that changes.
"""
