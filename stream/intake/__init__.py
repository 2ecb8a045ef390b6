"""1. What other systems post -> alerts.events: read, find each alert and its team, publish, then answer.

    POST /v1/SOURCE --(proof of sender, sources)--> events --(Kafka's acknowledgement)--> 202

`noisegate run intake` runs it. ROUTES in `routes.py` is the table of what is served.
"""
