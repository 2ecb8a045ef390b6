"""The batched Kafka lane that a Faust worker runs its rooms on.

Faust gives membership, assignment, start, stop and supervision (`app`); the lane takes whole batches (`engine`),
hands them to a `Room` (`batch`), publishes what comes of them (`publisher`) and keeps watch (`watchdog`). State that a
room keeps in Redis stands behind a `Fence` (`fence`, `redis_fence`), with the offset that it was folded to.
"""
