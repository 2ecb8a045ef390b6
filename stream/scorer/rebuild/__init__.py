"""`noisegate history rebuild`: the log folded again into a new generation of the history, which then takes over.

`run` wires it to Kafka and Redis, `reprocess` is the whole run, `offsets` says from where to where, `merge` reads all
partitions as one log, `generation` folds it, `previous` looks things up in the history that is replaced, `backlog`
publishes what never was, `report` is what came of it.
"""
