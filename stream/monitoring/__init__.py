"""Watching it: every PromQL expression once, and what is made of them: rules, dashboards, the report.

`queries` and `quality` hold the expressions, `rules` and `alerts` name them for Prometheus, `dashboards` draws them for
Grafana, `report` prints them; `python -m stream.monitoring write` writes deploy/prometheus and deploy/grafana.
"""
