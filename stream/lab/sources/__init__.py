"""Bring your own log: tables, ServiceNow exports and a Kafka topic to an event log on disk."""
