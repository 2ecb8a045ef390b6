"""The batched Kafka lane that rooms run on.

A `Room` (`batch`) says what is done with batches; the `engine` runs it and publishes and writes what comes of it. The
`loop` drives the engine with what a `source` fetches, which `faust` implements: the one module that knows Faust.
`lane` puts a room's process together out of these, `process` is what every room's process does, and `broker_watch`
and `watchdog` look after it. State that a room keeps in Redis stands behind a `Fence` (`fence`, `redis_fence`), with
the offset that it was folded to.
"""
