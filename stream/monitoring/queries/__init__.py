"""Every PromQL expression, once: of the service, of drift, and of quality.

Windows and matchers are arguments: rules name the expressions, dashboards and alerts ask for them.
"""
