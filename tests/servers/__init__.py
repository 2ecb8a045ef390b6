"""Real servers for the tests: Apache Kafka, Redis, Valkey, Prometheus and the embedded broker. The fixtures are in `fixtures`."""
