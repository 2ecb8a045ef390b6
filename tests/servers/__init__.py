"""Real servers for the tests: Apache Kafka, Redis, Valkey, Prometheus, the embedded broker. See `fixtures`."""
