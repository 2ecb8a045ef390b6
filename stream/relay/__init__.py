"""The relay: it stands between Prometheus and Alertmanager, and adds scores to the alerts that pass.

app            the API that Prometheus posts to
forward        a post's bytes to what goes on, pure
firings        which firings there are, by the copies that passed; pure
annotate       scores to annotations
labels         decisions of the closer to labels that Alertmanager can route by
route_check    whether Alertmanager's configuration has a route for those labels
upstream       the Alertmanagers
registrar      ids of firings, and their events to Kafka
tail           scores and decisions from Kafka
worker         the process
"""
