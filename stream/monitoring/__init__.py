"""Monitoring: every PromQL expression once, and the rules, dashboards and reports made of them.

`queries` holds the expressions, `rules` and `alerts` name them for Prometheus, `dashboards` draws them for
Grafana, `report` prints them; `python -m stream.monitoring write` writes deploy/prometheus and deploy/grafana.
"""
