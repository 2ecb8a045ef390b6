"""The batched Kafka lane that a Faust worker runs its rooms on.

Faust gives membership, assignment, start, stop and supervision (`app`); the lane takes whole batches (`engine`),
hands them to a `Room` (`batch`), publishes what comes of them (`publisher`) and keeps watch (`watchdog`).
"""
