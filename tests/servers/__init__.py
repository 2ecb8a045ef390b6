"""Real servers for the tests: Apache Kafka, Redis, Valkey and the embedded broker. The fixtures are in `fixtures`."""
