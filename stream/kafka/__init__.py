"""Kafka without Faust: clients, topics, partitioner, publishers, readers and the tail of a topic."""
